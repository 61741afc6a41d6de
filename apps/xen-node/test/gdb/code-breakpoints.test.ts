import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CodeBreakpoints } from "../../src/gdb/code-breakpoints.ts";

const PAGE = 4096;

/** Two pages, mapped at 0x1000 and 0x3000; the first also at 0x5000. */
function guest() {
  const pages = new Map([
    [1, 0],
    [3, 1],
    [5, 0],
  ]);
  const owned = { now: true };
  const traps = new Set<number>();
  const breakpoints = new CodeBreakpoints<number>({
    locate: (_thread, va) => {
      const page = pages.get(Math.floor(va / PAGE));
      return page === undefined ? undefined : page * PAGE + (va % PAGE);
    },
    owns: () => owned.now,
    trap: (machine, on) => {
      expect(traps.has(machine)).toBe(!on);
      if (on) traps.add(machine);
      else traps.delete(machine);
    },
  });
  return { breakpoints, owned, traps };
}

describe("breakpoints in code", () => {
  it("are refused where nothing is mapped, or what is there is not the guest's", () => {
    const { breakpoints, owned } = guest();
    expect(breakpoints.insert("software", 0, 0x2000)).toBe(false);
    owned.now = false;
    expect(breakpoints.insert("software", 0, 0x1000)).toBe(false);
  });

  it("share one trap per byte of memory, however it is mapped", () => {
    const { breakpoints, traps } = guest();
    expect(breakpoints.insert("software", 0, 0x1005)).toBe(true);
    expect(breakpoints.insert("hardware", 0, 0x1005)).toBe(true);
    expect(breakpoints.insert("hardware", 0, 0x5005)).toBe(true);
    expect(breakpoints.insert("hardware", 0, 0x5005)).toBe(true);
    expect([...traps]).toEqual([5]);
    expect(breakpoints.hit(0, 0x1005)).toEqual({ kind: "software" });
    expect(breakpoints.hit(0, 0x5005)).toEqual({ kind: "hardware" });
    expect(breakpoints.hit(0, 0x1006)).toBeUndefined();
    breakpoints.remove("software", 0x1005);
    breakpoints.remove("software", 0x1005);
    expect(breakpoints.hit(0, 0x1005)).toEqual({ kind: "hardware" });
    breakpoints.remove("hardware", 0x1005);
    expect(breakpoints.hit(0, 0x1005)).toEqual({ kind: undefined });
    breakpoints.remove("hardware", 0x5005);
    expect(breakpoints.hit(0, 0x1005)).toBeUndefined();
    expect(traps.size).toBe(0);
  });

  it("step aside for the instruction below them", () => {
    const { breakpoints, traps } = guest();
    breakpoints.insert("software", 0, 0x1005);
    expect(breakpoints.without(0, 0x5005, () => traps.size)).toBe(0);
    expect(breakpoints.without(0, 0x1006, () => traps.size)).toBe(1);
    expect([...traps]).toEqual([5]);
  });

  it("have a trap as long as one of them needs it", () => {
    const va = fc.constantFrom(0x1005, 0x5005, 0x3005, 0x3006);
    const kind = fc.constantFrom("software" as const, "hardware" as const);
    const command = fc.record({ insert: fc.boolean(), kind, va });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        const { breakpoints, traps } = guest();
        const set = new Set<string>();
        for (const { insert, kind, va } of commands) {
          if (insert) breakpoints.insert(kind, 0, va);
          else breakpoints.remove(kind, va);
          set[insert ? "add" : "delete"](`${kind} ${va}`);
          for (const [machine, aliases] of [
            [5, [0x1005, 0x5005]],
            [PAGE + 5, [0x3005]],
            [PAGE + 6, [0x3006]],
          ] as const) {
            const needed = aliases.some((alias) => set.has(`software ${alias}`) || set.has(`hardware ${alias}`));
            expect(traps.has(machine)).toBe(needed);
          }
        }
        breakpoints.clear();
        expect(traps.size).toBe(0);
      }),
    );
  });
});
