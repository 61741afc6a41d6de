import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DF, ExitReason, VECTOR, ZF } from "../src/index.ts";
import { CODE, DATA, PAGE, RAX, RCX, RDI, RSI, TestMachine } from "./machine.ts";

const SIZES = [1, 2, 4, 8] as const;
/** REX or operand-size prefix and opcode of a string instruction at a size. */
const opcode = (byte: number, size: number): number[] =>
  size === 1 ? [byte] : [...(size === 2 ? [0x66] : size === 8 ? [0x48] : []), byte + 1];
const REP = 0xf3;
const REPNE = 0xf2;
const MOVS = 0xa4;
const CMPS = 0xa6;
const STOS = 0xaa;
const LODS = 0xac;
const SCAS = 0xae;

/** Prefix, string instruction, SYSCALL; the mandatory order is REP, then REX. */
function machineFor(prefix: number, byte: number, size: number, pages = 4): TestMachine {
  const machine = new TestMachine();
  for (let page = 0; page < pages; page++) machine.map(DATA + page * PAGE);
  machine.program([prefix, ...opcode(byte, size), 0x0f, 0x05]);
  return machine;
}

function backwards(machine: TestMachine, on: boolean): void {
  const { state } = machine.cpu;
  state.rflags = on ? state.rflags | DF : state.rflags & ~DF;
}

/** Other frames share the places of the data pages. */
function lendPages(machine: TestMachine, pages: number): void {
  const { frames, tlb } = machine.mmu;
  tlb.flushDomain(1);
  for (let page = 0; page < pages; page++) frames.share(machine.space.frameAt(DATA + page * PAGE), frames.alloc(2));
}

const noise = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 197 + (i >> 8) * 31) & 0xff);

/** What the manual says, one element at a time, on a copy of memory. */
function model(memory: Uint8Array, byte: number, size: number, from: number, to: number, count: number, step: number) {
  const out = memory.slice();
  for (let i = 0; i < count; i++) {
    const [source, destination] = [from + i * step, to + i * step];
    if (byte === MOVS) out.copyWithin(destination, source, source + size);
    else out.set([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88].slice(0, size), destination);
  }
  return out;
}

describe("REP MOVS and REP STOS", () => {
  it("do what element after element would do, whatever overlaps, in pieces or in one go", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(MOVS, STOS),
        fc.constantFrom(...SIZES),
        fc.boolean(),
        fc.integer({ min: 0, max: 900 }),
        fc.integer({ min: 0, max: 400 }),
        fc.oneof(fc.integer({ min: -40, max: 40 }), fc.integer({ min: -4100, max: 4100 })),
        fc.boolean(),
        fc.boolean(),
        (byte, size, down, count, offset, distance, inPieces, lent) => {
          const machine = machineFor(REP, byte, size);
          const before = noise(4 * PAGE);
          machine.write(DATA, before);
          // The pages move when they are first written.
          if (lent) lendPages(machine, 4);
          backwards(machine, down);
          // Close to the border between the second and the third page.
          const from = 2 * PAGE - 200 + offset;
          const to = from + distance;
          const step = down ? -size : size;
          const fits = (at: number) => at + step * count >= 0 && at + step * count <= 4 * PAGE - 8;
          fc.pre(fits(from) && fits(to) && to >= 0);
          machine.setReg(RSI, DATA + from);
          machine.setReg(RDI, DATA + to);
          machine.setReg(RCX, count);
          machine.setReg(RAX, 0x8877665544332211n);
          while (inPieces && machine.cpu.run(1) === ExitReason.BUDGET) {
            const done = count - Number(machine.reg(RCX));
            expect(machine.reg(RDI)).toBe(BigInt(DATA + to + done * step));
            if (byte === MOVS) expect(machine.reg(RSI)).toBe(BigInt(DATA + from + done * step));
          }
          if (!inPieces) machine.runToSyscall();
          expect(machine.reg(RCX)).toBe(0n);
          const expected = model(before, byte, size, from, to, count, step);
          expect(Buffer.compare(machine.read(DATA, 4 * PAGE), expected)).toBe(0);
        },
      ),
      { numRuns: 80 },
    );
  });

  it.each(SIZES)("stop at a page that is missing with the registers of the elements done: size %i", (size) => {
    const machine = machineFor(REP, MOVS, size, 3);
    machine.write(DATA, noise(PAGE));
    machine.setReg(RSI, DATA);
    machine.setReg(RDI, DATA + 3 * PAGE - 10 * size - (size >> 1));
    machine.setReg(RCX, 100);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 6, rip: CODE });
    expect(machine.cr2).toBe(DATA + 3 * PAGE);
    expect(machine.reg(RCX)).toBe(90n);
    expect(machine.reg(RSI)).toBe(BigInt(DATA + 10 * size));
    machine.map(DATA + 3 * PAGE);
    machine.runToSyscall();
    const moved = machine.read(DATA + 3 * PAGE - 10 * size - (size >> 1), 100 * size);
    expect(moved).toEqual(noise(PAGE).slice(0, 100 * size));
    // The fetch of the first piece, the rest, and the element across the border.
    expect(machine.cpu.retired).toBeLessThanOrEqual(3);
  });

  it("stop downwards too", () => {
    const machine = machineFor(REP, STOS, 4, 1);
    backwards(machine, true);
    machine.setReg(RDI, DATA + 8);
    machine.setReg(RCX, 10);
    machine.setReg(RAX, -1n);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 6, rip: CODE });
    expect(machine.reg(RCX)).toBe(7n);
    expect(machine.reg(RDI)).toBe(BigInt(DATA - 4));
    expect([...machine.read(DATA, 13)]).toEqual([...new Array(12).fill(255), 0]);
    expect(machine.cpu.retired).toBeLessThanOrEqual(3);
  });

  it("read the source before they want the destination", () => {
    const machine = machineFor(REP, MOVS, 1, 0);
    machine.setReg(RSI, DATA);
    machine.setReg(RDI, DATA + PAGE);
    machine.setReg(RCX, 1);
    expect(machine.runToFault().errorCode).toBe(4);
    expect(machine.cr2).toBe(DATA);
    machine.map(DATA);
    expect(machine.runToFault().errorCode).toBe(6);
    expect(machine.cr2).toBe(DATA + PAGE);
  });

  it("touch nothing when RCX is 0", () => {
    const machine = machineFor(REP, MOVS, 8, 0);
    machine.runToSyscall();
    expect(machine.cpu.retired).toBe(1);
  });
});

describe("REPE CMPS and REPNE SCAS", () => {
  it.each(SIZES)("stop behind the element that decides, with its flags: size %i", (size) => {
    const machine = machineFor(REP, CMPS, size);
    machine.write(DATA, noise(2 * PAGE));
    machine.write(DATA + 2 * PAGE, noise(2 * PAGE));
    machine.write(DATA + 2 * PAGE + 600 * size, [0xff ^ machine.read(DATA + 600 * size, 1)[0]]);
    machine.setReg(RSI, DATA);
    machine.setReg(RDI, DATA + 2 * PAGE);
    machine.setReg(RCX, 1000);
    machine.runToSyscall();
    expect(machine.reg(RCX)).toBe(399n);
    expect(machine.reg(RSI)).toBe(BigInt(DATA + 601 * size));
    expect(machine.reg(RDI)).toBe(BigInt(DATA + 2 * PAGE + 601 * size));
    expect(machine.cpu.state.rflags & ZF).toBe(0);
  });

  it("stop where comparing element after element would, whatever the direction", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(CMPS, SCAS),
        fc.constantFrom(REP, REPNE),
        fc.constantFrom(...SIZES),
        fc.boolean(),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 0, max: 60 }),
        fc.integer({ min: 0, max: 320 }),
        (byte, prefix, size, down, count, offset, decisive) => {
          const machine = machineFor(prefix, byte, size);
          const [from, to] = [PAGE - 100 + offset, 3 * PAGE - 150 + 2 * offset];
          const step = down ? -size : size;
          // Equal elements for REPE and different ones for REPNE, but for one.
          const memory = new Uint8Array(4 * PAGE).fill(0x11, 0, 2 * PAGE).fill(prefix === REP ? 0x11 : 0x22, 2 * PAGE);
          const at = to + step * decisive;
          memory.fill(prefix === REP ? 0x33 : 0x11, at, at + size);
          fc.pre(from + step * count >= 0 && to + step * count <= 4 * PAGE - 8);
          machine.write(DATA, memory);
          backwards(machine, down);
          machine.setReg(RAX, 0x1111111111111111n);
          machine.setReg(RSI, DATA + from);
          machine.setReg(RDI, DATA + to);
          machine.setReg(RCX, count);
          machine.runToSyscall();
          const done = Math.min(count, decisive + 1);
          expect(machine.reg(RCX)).toBe(BigInt(count - done));
          expect(machine.reg(RDI)).toBe(BigInt(DATA + to + step * done));
          if (byte === CMPS) expect(machine.reg(RSI)).toBe(BigInt(DATA + from + step * done));
          expect((machine.cpu.state.rflags & ZF) !== 0).toBe(decisive < count !== (prefix === REP));
        },
      ),
      { numRuns: 150 },
    );
  });

  it("find a byte beyond a page border, in whatever pieces", () => {
    for (const budget of [1, 1000]) {
      const machine = machineFor(REPNE, SCAS, 1);
      machine.write(DATA + PAGE + 5, [0x7e]);
      machine.setReg(RAX, 0x7e);
      machine.setReg(RDI, DATA + 100);
      machine.setReg(RCX, -1n);
      while (machine.cpu.run(budget) === ExitReason.BUDGET);
      expect(machine.reg(RDI)).toBe(BigInt(DATA + PAGE + 6));
      expect(machine.reg(RCX)).toBe(BigInt.asUintN(64, -1n - BigInt(PAGE + 6 - 100)));
      expect(machine.cpu.state.rflags & ZF).toBe(ZF);
    }
  });

  it("leave the flags alone when they fault in the middle, or when RCX is 0", () => {
    const machine = machineFor(REP, CMPS, 1, 2);
    machine.setReg(RSI, DATA + 2 * PAGE - 3);
    machine.setReg(RDI, DATA);
    machine.setReg(RCX, 5);
    const { rflags } = machine.cpu.state;
    expect(rflags & ZF).toBe(0);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 4, rip: CODE });
    expect(machine.reg(RCX)).toBe(2n);
    expect(machine.cpu.state.rflags).toBe(rflags);
    machine.setReg(RCX, 0);
    machine.runToSyscall();
    expect(machine.cpu.state.rflags).toBe(rflags);
  });
});

describe("a repeated string instruction with 32-bit addresses", () => {
  it("wraps where its offset does, not its linear address", () => {
    for (const down of [false, true]) {
      const base = DATA + 0x400;
      const machine = new TestMachine();
      for (const va of [DATA, DATA + PAGE, DATA + 2 ** 32]) machine.map(va);
      machine.program("64 67 f3 a4 0f 05"); // rep movsb es:[edi],fs:[esi]
      machine.write(base, [1, 2, 3, 4]);
      machine.write(base + 2 ** 32 - 4, [5, 6, 7, 8]);
      machine.cpu.state.setSegmentBase(4, BigInt(base));
      backwards(machine, down);
      machine.setReg(RSI, down ? 2 : 0xfffffffd);
      machine.setReg(RDI, DATA + PAGE + 0x20);
      machine.setReg(RCX, 6);
      machine.runToSyscall();
      expect([...machine.read(DATA + PAGE + (down ? 0x1b : 0x20), 6)]).toEqual([6, 7, 8, 1, 2, 3]);
      expect(machine.reg(RSI)).toBe(down ? 0xfffffffcn : 3n);
    }
  });
});

describe("string instructions without REP", () => {
  it("go by one element, up or down", () => {
    for (const down of [false, true]) {
      const machine = machineFor(0x90, LODS, 4);
      machine.write(DATA + 0x100, [1, 2, 3, 4]);
      backwards(machine, down);
      machine.setReg(RSI, DATA + 0x100);
      machine.setReg(RCX, 9);
      machine.setReg(RAX, -1n);
      machine.runToSyscall();
      expect(machine.reg(RAX)).toBe(0x04030201n);
      expect(machine.reg(RSI)).toBe(BigInt(DATA + 0x100 + (down ? -4 : 4)));
      expect(machine.reg(RCX)).toBe(9n);
    }
  });

  it("take source segment bases and 32-bit addresses", () => {
    const machine = new TestMachine();
    machine.map(DATA);
    machine.map(DATA + PAGE);
    machine.program("64 67 f3 a4 0f 05"); // rep movsb es:[edi],fs:[esi]
    machine.write(DATA + PAGE, [7, 8]);
    machine.cpu.state.setSegmentBase(4, BigInt(PAGE));
    machine.setReg(RSI, 0xabcd_0000_0000n + BigInt(DATA));
    machine.setReg(RDI, 0xabcd_0000_0000n + BigInt(DATA));
    machine.setReg(RCX, 0xabcd_0000_0000n + 2n);
    machine.runToSyscall();
    expect([...machine.read(DATA, 3)]).toEqual([7, 8, 0]);
    expect(machine.reg(RSI)).toBe(BigInt(DATA + 2));
    expect(machine.reg(RCX)).toBe(0n);
  });
});
