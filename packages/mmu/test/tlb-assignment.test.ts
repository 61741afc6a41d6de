import fc from "fast-check";
import { expect, it } from "vitest";
import { NO_MEMBER } from "../src/domain-members.ts";
import { supervisorRoot } from "../src/root.ts";
import { BankAssignment, EVERYBODY, LEAST_BANKS, NO_BANK } from "../src/tlb-assignment.ts";

const BANKS = 4;
const END_MFN = 4;
/** Frames, and one beyond them, as translated address spaces have. */
const ROOTS = [0, 1, 2, 3, supervisorRoot(1), supervisorRoot(2), END_MFN];

it("gives the bank that was used longest ago, and never the active one", () => {
  const root = fc.constantFrom(...ROOTS);
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("use" as const), root }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("release" as const), root }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("allow" as const), banks: fc.integer({ min: 0, max: 6 }) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const assignment = new BankAssignment(BANKS, END_MFN);
      /** The address spaces that have banks, the last used one at the end. */
      let used: number[] = [];
      let allowed = BANKS;
      let most = 0;
      for (const each of steps) {
        if (each.kind === "allow") {
          assignment.allow(each.banks);
          allowed = Math.max(LEAST_BANKS, Math.min(BANKS, each.banks));
        } else if (each.kind === "release") {
          const bank = assignment.bankOf(each.root);
          if (bank !== NO_BANK) assignment.release(bank);
          used = used.filter((other) => other !== each.root);
        } else {
          if (assignment.bankOf(each.root) === NO_BANK) {
            const bank = assignment.choose();
            if (used.length === Math.max(allowed, most)) {
              const [evicted] = used;
              expect(assignment.rootOf(bank)).toBe(evicted);
              used = used.slice(1);
            } else expect(assignment.rootOf(bank)).toBeLessThan(0);
            expect(assignment.isUntouched(bank)).toBe(used.length === most);
            assignment.give(bank, each.root & 1, each.root);
          }
          assignment.noteUse(assignment.bankOf(each.root));
          used = [...used.filter((other) => other !== each.root), each.root];
          most = Math.max(most, used.length);
        }
        for (const other of ROOTS) {
          const bank = assignment.bankOf(other);
          expect(bank !== NO_BANK).toBe(used.includes(other));
          if (bank === NO_BANK) continue;
          expect(assignment.rootOf(bank)).toBe(other);
          expect(assignment.members.owner(bank)).toBe(other & 1);
        }
        const banks: number[] = [];
        for (let bank = assignment.first(EVERYBODY); bank !== NO_MEMBER; bank = assignment.next(EVERYBODY, bank)) {
          if (assignment.rootOf(bank) >= 0) banks.push(bank);
        }
        expect(banks.length).toBe(used.length);
      }
    }),
  );
});
