import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TARGET_ENTRY_SHIFT, targetTable } from "../../src/translator/target-table.ts";

describe("the table of an indirect transfer's targets", () => {
  it("finds nearly all targets at one look, and nothing else", () => {
    const place = fc.integer({ min: -(2 ** 29), max: 2 ** 29 });
    fc.assert(
      fc.property(fc.uniqueArray(place, { minLength: 1, maxLength: 500 }), fc.array(fc.integer()), (places, others) => {
        const states = new Map(places.map((target, i) => [target, i + 1]));
        const { words, multiplier, shift } = targetTable(states);
        const find = (target: number): number | undefined => {
          // As the emitted code does it.
          const word = ((Math.imul(target, multiplier) >>> shift) << TARGET_ENTRY_SHIFT) / 4;
          return words[word] === target ? words[word + 1] : undefined;
        };
        const found = places.filter((target) => find(target) === states.get(target)).length;
        expect(found).toBeGreaterThanOrEqual(places.length * 0.6);
        for (const target of places) expect([undefined, states.get(target)]).toContain(find(target));
        for (const other of [0, 1, -1, 0x7fffffff, ...others])
          if (!states.has(other)) expect(find(other)).toBeUndefined();
      }),
    );
  });
});
