import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CodeBreakpoints } from "../../src/gdb/code-breakpoints.ts";

const PAGE = 4096;

/** Two pages, mapped at 0x1000 and 0x3000 (not next to each other); the first also at 0x5000. */
function guest() {
  const bytes = new Uint8Array(2 * PAGE).fill(0x90);
  const pages = new Map([
    [1, 0],
    [3, 1],
    [5, 0],
  ]);
  const locate = (_thread: number, va: number): number | undefined => {
    const page = pages.get(Math.floor(va / PAGE));
    return page === undefined ? undefined : page * PAGE + (va % PAGE);
  };
  const owned = { now: true };
  const breakpoints = new CodeBreakpoints<number>({
    locate,
    peek: (machine) => (owned.now ? bytes[machine] : undefined),
    poke: (machine, byte) => {
      if (owned.now) bytes[machine] = byte;
    },
  });
  const read = (va: number, length: number): Uint8Array => {
    const found = Uint8Array.from({ length }, (_, index) => bytes[locate(0, va + index) ?? -1] ?? 0);
    breakpoints.hide(0, va, found);
    return found;
  };
  const write = (va: number, data: Uint8Array): void => {
    breakpoints.keep(0, va, data).forEach((byte, index) => {
      bytes[locate(0, va + index) ?? -1] = byte;
    });
  };
  return { bytes, breakpoints, owned, read, write };
}

describe("breakpoints in code", () => {
  it("are refused where nothing is mapped, or what is there is not the guest's", () => {
    const { breakpoints, owned } = guest();
    expect(breakpoints.insert("software", 0, 0x2000)).toBe(false);
    owned.now = false;
    expect(breakpoints.insert("software", 0, 0x1000)).toBe(false);
  });

  it("share one INT3 per byte of memory, however it is mapped", () => {
    const { bytes, breakpoints } = guest();
    bytes[5] = 0x55;
    expect(breakpoints.insert("software", 0, 0x1005)).toBe(true);
    expect(breakpoints.insert("hardware", 0, 0x1005)).toBe(true);
    expect(breakpoints.insert("hardware", 0, 0x5005)).toBe(true);
    expect(breakpoints.insert("hardware", 0, 0x5005)).toBe(true);
    expect(bytes[5]).toBe(0xcc);
    expect(breakpoints.hit(0, 0x1005)).toEqual({ kind: "software" });
    expect(breakpoints.hit(0, 0x5005)).toEqual({ kind: "hardware" });
    expect(breakpoints.hit(0, 0x1006)).toBeUndefined();
    breakpoints.remove("software", 0x1005);
    breakpoints.remove("software", 0x1005);
    expect(breakpoints.hit(0, 0x1005)).toEqual({ kind: "hardware" });
    breakpoints.remove("hardware", 0x1005);
    expect(breakpoints.hit(0, 0x1005)).toEqual({ kind: undefined });
    expect(bytes[5]).toBe(0xcc);
    breakpoints.remove("hardware", 0x5005);
    expect(bytes[5]).toBe(0x55);
  });

  it("step aside for the instruction below them", () => {
    const { bytes, breakpoints } = guest();
    breakpoints.insert("software", 0, 0x1005);
    expect(breakpoints.without(0, 0x1005, () => bytes[5])).toBe(0x90);
    expect(bytes[5]).toBe(0xcc);
    // The instruction changed itself.
    breakpoints.without(0, 0x1005, () => {
      bytes[5] = 0x40;
    });
    breakpoints.clear();
    expect(bytes[5]).toBe(0x40);
  });

  it("leave alone what the guest has written over them", () => {
    const { bytes, breakpoints, owned } = guest();
    breakpoints.insert("software", 0, 0x1005);
    breakpoints.insert("software", 0, 0x1006);
    bytes[5] = 0x12;
    breakpoints.remove("software", 0x1005);
    expect(bytes[5]).toBe(0x12);
    // The page is no longer the guest's.
    owned.now = false;
    breakpoints.clear();
    expect(bytes[6]).toBe(0xcc);
  });

  it("never show in what is read and never swallow what is written", () => {
    const at = fc.constantFrom(0x1ffd, 0x1fff, 0x3000, 0x3002);
    const command = fc.oneof(
      fc.record({ do: fc.constant("insert" as const), va: at }),
      fc.record({ do: fc.constant("remove" as const), va: at }),
      fc.record({
        do: fc.constant("write" as const),
        va: fc.constantFrom(0x1ffc, 0x3000, 0x3001),
        data: fc.uint8Array({ minLength: 1, maxLength: 4 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        const { bytes, breakpoints, read, write } = guest();
        const plain = bytes.slice();
        for (const command of commands) {
          if (command.do === "write") {
            write(command.va, command.data);
            plain.set(command.data, (command.va & 0xfff) + (command.va >= 0x3000 ? PAGE : 0));
          } else if (command.do === "insert") {
            breakpoints.insert("software", 0, command.va);
          } else {
            breakpoints.remove("software", command.va);
          }
          expect([...read(0x1ffc, 4)]).toEqual([...plain.slice(PAGE - 4, PAGE)]);
          expect([...read(0x3000, 8)]).toEqual([...plain.slice(PAGE, PAGE + 8)]);
        }
        breakpoints.clear();
        expect(Buffer.compare(bytes, plain)).toBe(0);
      }),
    );
  });
});
