import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FakeDaemon, fakeDaemon } from "./support.ts";

let folder: string;
let file: string;
let daemon: FakeDaemon;
const asked: Record<string, unknown>[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "xl-create-"));
  file = join(folder, "web.cfg");
  await writeFile(file, 'name = "web"\n');
  asked.length = 0;
  daemon = await fakeDaemon({
    create: (args) => {
      asked.push(args);
      if (args.text.includes("wrong")) throw new Error("web.cfg, line 2: wrong.");
      return {
        domid: args.dryRun ? null : 5,
        warnings: ["web.cfg, line 9: odd."],
        config: { c_info: { name: "web" } },
      };
    },
    wait: () => null,
  });
});
afterEach(async () => {
  await daemon.close();
  await rm(folder, { recursive: true });
});

describe("xl create", () => {
  it("sends the file, and the settings of the command line behind it", async () => {
    const outcome = await daemon.xl("create", file, "-p", "memory=64", 'name="net"');
    expect(outcome).toEqual({
      status: 0,
      stdout: "",
      stderr: `Parsing config from ${file}\nWARNING: web.cfg, line 9: odd.\n`,
    });
    expect(asked).toEqual([
      { text: 'name = "web"\n\nmemory=64\nname="net"', file, folder: "/here", paused: true, dryRun: false },
    ]);
  });

  it("takes the file by -f, and needs none if the settings are enough", async () => {
    expect((await daemon.xl("create", "-q", "-f", file)).status).toBe(0);
    expect((await daemon.xl("create", "-q", 'kernel="k"')).status).toBe(0);
    expect(asked.map(({ text }) => text)).toEqual(['name = "web"\n', '\nkernel="k"']);
  });

  it("prints what it would create, by -n and by the global -N", async () => {
    const outcome = await daemon.xl("create", "-n", "-q", file);
    expect(JSON.parse(outcome.stdout)).toEqual({ domid: null, config: { c_info: { name: "web" } } });
    expect((await daemon.xl("-N", "create", "-q", file)).stdout).toBe(outcome.stdout);
    expect(asked.every(({ dryRun }) => dryRun)).toBe(true);
  });

  it("fails with 3 when the domain cannot be created", async () => {
    const outcome = await daemon.xl("create", "-q", file, "wrong=1");
    expect(outcome).toEqual({ status: 3, stdout: "", stderr: "web.cfg, line 2: wrong.\n" });
  });

  it("waits for the end with -F", async () => {
    expect((await daemon.xl("create", "-q", "-F", file)).status).toBe(0);
  });
});
