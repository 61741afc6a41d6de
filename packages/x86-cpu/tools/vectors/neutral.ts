import type { VectorCase } from "./case-format.ts";
import type { Random } from "./random.ts";

/** Instructions that change nothing: 64-bit code, and the same for compatibility mode. */
const NEUTRAL: readonly (readonly [string, string])[] = [
  ["90", "90"],
  ["4889f6", "6689f6"],
  ["488d3f", "88d2"],
  ["4887db", "86db"],
  ["4d89c0", "6687ff"],
  ["0f1f00", "0f1f00"],
  ["480f42d2", "88e4"],
];

/**
 * Puts instructions that change nothing before the entry of a case. The processor does not see them; the replay's second
 * run begins there, so that the case stands inside of a block.
 */
export function putNeutralBefore(c: VectorCase, random: Random): void {
  const before: number[] = [];
  for (let i = random.between(1, 5); i > 0; i--) {
    before.push(...Buffer.from(random.pick(NEUTRAL)[c.compatibility ? 1 : 0], "hex"));
  }
  c.code = Uint8Array.from([...before, ...c.code]);
  c.codeOffset -= before.length;
}
