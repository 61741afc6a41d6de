import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeRawImage } from "../src/disk-image.ts";
import { hasTags } from "../src/disk-pattern.ts";
import { buildIoProgram } from "../src/io-build.ts";
import { SuiteMarks } from "../src/suite-marks.ts";
import { TrafficServer } from "../src/traffic-server.ts";

const noCompiler = ((): boolean => {
  if (process.env.CI) return false;
  if (process.platform !== "linux" || process.arch !== "x64") return true;
  return spawnSync("gcc", ["--version"], { stdio: "ignore" }).error !== undefined;
})();

const MIB = 1 << 20;
const run = promisify(execFile);

/** Counts of the rounds between a program's marks. */
function countsIn(output: string): number[] {
  const counts: number[] = [];
  const marks = new SuiteMarks(
    { wall: () => 0, processor: () => 0 },
    {
      onRound: (_program, _round, { result }) => counts.push(Number.parseInt(result, 16)),
      onFailure: () => {},
      onDone: () => {},
      onOther: (line) => expect.fail(line),
    },
  );
  marks.push(Buffer.from(output));
  return counts;
}

describe.skipIf(noCompiler)("the program of guest/io", () => {
  const folder = mkdtempSync(join(tmpdir(), "xen-node-io-"));
  const io = join(folder, "io");
  const image = join(folder, "image");

  beforeAll(() => buildIoProgram(io), 60_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const disk = (pattern: string, block: number, depth: number) =>
    run(io, ["disk", "job", image, pattern, "cached", ...[block, depth, MIB, 4 * MIB, 0, 2].map(String)]);

  describe("on a disk", () => {
    beforeAll(() => writeRawImage(image, 4 * MIB));

    it.each(
      ["seq-read", "seq-write", "random-read", "random-write"].flatMap((pattern) =>
        [4096, 65536].flatMap((block) => [1, 8].map((depth) => [pattern, block, depth] as const)),
      ),
    )("does %s of %i bytes, %i at once, a pass in each round", async (pattern, block, depth) => {
      expect(countsIn((await disk(pattern, block, depth)).stdout)).toEqual([MIB, MIB]);
      expect(hasTags(readFileSync(image), 0)).toBe(true);
    });

    it.each([1, 8])("sees that a block is another's, %i at once", async (depth) => {
      const bytes = readFileSync(image);
      const damaged = Buffer.from(bytes);
      bytes.copy(damaged, 8 * 4096, 9 * 4096, 10 * 4096);
      writeFileSync(image, damaged);
      await expect(disk("seq-read", 4096, depth)).rejects.toMatchObject({
        code: 1,
        stderr: "the disk answered a block that is another's\n",
      });
      writeFileSync(image, bytes);
    });
  });

  describe("on a network", () => {
    let server: TrafficServer;

    beforeAll(async () => {
      server = await TrafficServer.start();
    });

    afterAll(() => server?.close());

    it.each([
      ["send", 200_000],
      ["receive", 200_000],
      ["tcp-echo", 5],
      ["udp-echo", 5],
    ])("does %s with the server in TypeScript", async (mode, pass) => {
      const { stdout } = await run(io, ["net", "job", mode, "127.0.0.1", String(server.port), String(pass), "0", "2"]);
      expect(countsIn(stdout)).toEqual([pass, pass]);
    });

    it("is told how many bytes came as they should", async () => {
      const header = Buffer.alloc(16);
      header.writeUInt32LE(1, 0);
      header.writeBigUInt64LE(8n, 8);
      const answer = await new Promise<Buffer>((resolve) => {
        const socket = connect(server.port, "127.0.0.1", () => socket.write(Buffer.concat([header, Buffer.alloc(8)])));
        socket.on("data", (bytes) => {
          resolve(bytes);
          socket.destroy();
        });
      });
      expect(answer.readBigUInt64LE()).toBe(0n);
    });
  });
});
