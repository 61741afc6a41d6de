import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RegionSource } from "@xen-node/x86-cpu";
import { describe, expect, it } from "vitest";
import { describeCounters } from "../src/report/counters.ts";
import { RegionFile } from "../src/report/region-file.ts";
import { translatorSetting } from "../src/run/translator-setting.ts";
import { UserError } from "../src/user-error.ts";

describe("--translator", () => {
  it.each([
    [undefined, { interval: 4000 }],
    ["default", { interval: 4000 }],
    ["off", false],
    ["eager", { interval: 4000, eager: true }],
    ["evict", { interval: 4000, maxRegions: 16, heat: 2 }],
    ["unlinked", { interval: 4000, linked: false }],
  ])("%s", (name, options) => expect(translatorSetting(name)).toEqual(options));

  it.each(["fast", "", "toString"])("refuses %j in one sentence", (name) => {
    expect(() => translatorSetting(name)).toThrow(UserError);
    expect(() => translatorSetting(name)).toThrow(
      `--translator knows no setting "${name}": use default, off, eager, evict or unlinked.`,
    );
  });
});

const COUNTERS = {
  compiled: 256,
  shared: 3,
  invalidated: 53,
  evicted: 1,
  instructions: 40_000,
  wasmBytes: 6_172_399,
  regions: 205,
  entries: 4_000,
  samples: 50,
  emitMs: 1234.6,
  engineMs: 99.4,
};

describe("--counters", () => {
  it("tells how much was translated and what that took", () => {
    expect(describeCounters(1_000_000, COUNTERS, 4000)).toEqual([
      "1,000,000 instructions retired",
      "4,000 region entries, 200.0 instructions per entry",
      "20.00 % interpreted (50 samples of 4,000 instructions)",
      "256 regions compiled, 3 shared, 53 invalidated, 1 evicted; 205 in use",
      "6,172,399 bytes of WebAssembly kept",
      "compile time 1,235 ms ours, 99 ms the engine's",
    ]);
  });

  it("tells of a translator that is off", () => {
    expect(describeCounters(5, undefined, 4000)).toEqual([
      "5 instructions retired",
      "all interpreted: the translator is off",
    ]);
  });

  it("has numbers before anything ran", () => {
    const none = Object.fromEntries(Object.keys(COUNTERS).map((name) => [name, 0])) as unknown as typeof COUNTERS;
    expect(describeCounters(0, none, 4000).join("\n")).not.toMatch(/NaN|Infinity/);
  });
});

describe("--dump-regions", () => {
  it("lists each region, with symbols", async () => {
    const folder = await mkdtemp(join(tmpdir(), "xen-node-test-"));
    try {
      const path = join(folder, "regions.txt");
      const file = new RegionFile(path);
      // i32.const 1, drop
      const body = Uint8Array.of(0x41, 1, 0x1a);
      const region: RegionSource = {
        anchor: -0x7f000000,
        long: true,
        entries: [0x10],
        instructionCount: 1,
        threshold: 64,
        body,
        marks: [{ place: 0x10, offset: 0 }],
        code: () => Uint8Array.of(0x90),
      };
      for (const name of ["start_kernel", "schedule"]) file.add(region, () => name);
      file.close();
      const text = await readFile(path, "utf8");
      expect(text.match(/^region at .*$/gm)).toEqual([
        "region at ffffffff81000010 start_kernel: 1 instructions, 3 bytes, 1 entries, enters with more than 64 instructions left",
        "region at ffffffff81000010 schedule: 1 instructions, 3 bytes, 1 entries, enters with more than 64 instructions left",
      ]);
      expect(text).toMatch(/ {2}ffffffff81000010 {2}nop\n +i32\.const 1\n/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("refuses a path that cannot be written in one sentence", () => {
    expect(() => new RegionFile("/nowhere/at/all")).toThrow(UserError);
    expect(() => new RegionFile("/nowhere/at/all")).toThrow(/^the listing .* cannot be written: .*\.$/);
  });
});
