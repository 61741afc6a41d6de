import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  buildConformanceGuest,
  buildGuest,
  conformanceGuests,
  guestTargets,
  newGuest,
  packageFolder,
  parseTap,
} from "@xen-node/guest-sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GuestRuns, runLive } from "./guest-runs.ts";

const noCompiler = spawnSync("gcc", ["--version"]).status !== 0 && !process.env.CI;

describe.skipIf(noCompiler)("guests in C", () => {
  const runs = new GuestRuns(32);
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "xen-guests-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const buildExample = (name: string): string =>
    buildGuest({ sources: [join(packageFolder, "examples", `${name}.c`)], output: join(folder, `${name}.elf`) });

  it.each(guestTargets.flatMap(conformanceGuests))("conformance: $name, $target", async (guest) => {
    const { output, end, dump } = await runs.run(guest.name, buildConformanceGuest(guest, folder), guest);
    const { problems, checks } = parseTap(output);
    const details = output
      .split("\n")
      .filter((line, i, lines) => line.startsWith("not ok") || lines[i - 1]?.startsWith("not ok"));
    expect(problems, `${details.join("\n")}\n${output.slice(-1500)}\n${dump}`).toEqual([]);
    expect(checks.length).toBeGreaterThan(4);
    expect(end).toBe("poweroff");
    expect(runs.audit()).toEqual([]);
  });

  it("the disk example reads what it has written, and so does the host", async () => {
    const image = join(folder, "disk.img");
    writeFileSync(image, new Uint8Array(2 ** 20));
    const kernel = buildExample("disk");
    const { output, end } = await runs.run("disk", kernel, { disks: [`${image},raw,xvda,w`] });
    expect(parseTap(output).problems, output).toEqual([]);
    expect(end).toBe("poweroff");
    expect(
      readFileSync(image)
        .subarray(8 * 512, 8 * 512 + 10)
        .toString(),
    ).toBe("written at");
    expect(runs.audit()).toEqual([]);
  });

  it("a guest that is paused again and again, for longer than its patience lasts, still has its disk", async () => {
    const image = join(folder, "paused.img");
    writeFileSync(image, new Uint8Array(2 ** 20));
    const kernel = buildExample("disk");
    const { output, end } = await runs.run("paused", kernel, { disks: [`${image},raw,xvda,w`], pausedMs: 11_000 });
    expect(parseTap(output).problems, output).toEqual([]);
    expect(end).toBe("poweroff");
  });

  it("the network example finds the gateway", async () => {
    const kernel = buildExample("arp");
    const { output, end } = await runLive("arp", kernel, [""]);
    expect(parseTap(output).problems, output).toEqual([]);
    expect(output).toMatch(/^10\.0\.2\.2 is at [0-9a-f:]{17}\r?$/m);
    expect(end).toBe("poweroff");
  });

  it("the guest that xen-guest new makes passes its own test", async () => {
    newGuest("hello", folder);
    const kernel = buildGuest({ sources: [join(folder, "hello")], output: join(folder, "hello.elf") });
    const { output, end } = await runs.run("hello", kernel);
    expect(output).toMatch(/^Hello from hello, a guest of Xen 4\.17\.\r?\n/);
    expect(parseTap(output).problems).toEqual([]);
    expect(end).toBe("poweroff");
  });
});
