import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { describeMismatch } from "../tools/vectors/describe.ts";
import { readFixedSet } from "../tools/vectors/fixed-set.ts";
import { Replayer } from "../tools/vectors/replay.ts";

/**
 * Cases of every instruction form with what a processor (AMD, family 25) made of them; `npm run vectors` makes new ones
 * and compares a million. Regenerate: npm run vectors -- --write packages/x86-cpu/test/data/vectors.bin.gz
 */
const cases = [...readFixedSet(readFileSync(new URL("data/vectors.bin.gz", import.meta.url)))];

it.each(["integer", "sequence", "sse", "mmx", "x87"])("does what the processor did: %s", (group) => {
  const replayer = new Replayer();
  const wrong: string[] = [];
  let count = 0;
  for (const { name, group: own, background, c, result } of cases) {
    if (own !== group) continue;
    count++;
    const mismatch = replayer.check(background, c, result);
    if (mismatch !== null && wrong.length < 5) wrong.push(describeMismatch(name, background, c, mismatch));
  }
  expect(wrong).toEqual([]);
  expect(count).toBeGreaterThan(800);
});
