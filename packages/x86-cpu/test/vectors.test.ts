import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { CpuOptions } from "../src/index.ts";
import { describeMismatch } from "../tools/vectors/describe.ts";
import { readFixedSet } from "../tools/vectors/fixed-set.ts";
import { Replayer } from "../tools/vectors/replay.ts";

/**
 * Cases of every instruction form with what a processor (AMD, family 25) made of them; `npm run vectors` makes new ones
 * and compares a million. Regenerate: npm run vectors -- --write packages/x86-cpu/test/data/vectors.bin.gz
 */
const cases = [...readFixedSet(readFileSync(new URL("data/vectors.bin.gz", import.meta.url)))];

/** Of each group's cases every `nth` is run: translation costs milliseconds a case. */
const settings: [name: string, nth: number, options: CpuOptions][] = [
  ["interpreted, all cases", 1, { translator: false }],
  ["every block translated at once, all cases", 1, { translator: { eager: true } }],
  ["translated and constantly evicted, every 6th case", 6, { translator: { eager: true, maxRegions: 2 } }],
  ["translated without links, every 6th case", 6, { translator: { eager: true, linked: false } }],
];

describe.each(settings)("does what the processor did, %s:", (_name, nth, options) => {
  it.each(["integer", "sequence", "sse", "mmx", "x87"])("%s", { timeout: 120_000 }, (group) => {
    const replayer = new Replayer(options);
    const wrong: string[] = [];
    const own = cases.filter((c) => c.group === group);
    expect(own.length).toBeGreaterThan(800);
    own.forEach(({ name, background, c, result }, i) => {
      if (i % nth !== 0) return;
      const mismatch = replayer.check(background, c, result);
      if (mismatch !== null && wrong.length < 5) wrong.push(describeMismatch(name, background, c, mismatch));
    });
    expect(wrong).toEqual([]);
    const entries = replayer.cpu.regions?.counters.entries ?? 0;
    if (options.translator !== false) expect(entries).toBeGreaterThan(own.length / nth / 2);
  });
});
