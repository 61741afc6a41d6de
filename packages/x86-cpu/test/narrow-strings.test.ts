import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DF, DS, ES, ExitReason, FS, VECTOR, ZF } from "../src/index.ts";
import { CODE, DATA, hex, PAGE, RAX, RBX, RCX, RDI, RSI } from "./machine.ts";
import { DONE, SegmentMachine } from "./segment-machine.ts";

// String instructions with 16-bit addresses. What is expected of borders and of the registers' upper parts is what a processor
// (AMD, family 25) has done.
const BASE = DATA + PAGE;
const REACH = 0x10000;
/** Above SI, DI and CX. */
const UPPER = 0x1122_3344_5566_0000n;
const NAMES = ["movs", "cmps", "stos", "lods", "scas"] as const;
const OPCODE = { movs: 0xa4, cmps: 0xa6, stos: 0xaa, lods: 0xac, scas: 0xae };
const REPEAT = { "": "", rep: "f3", repne: "f2" };

/** ES and FS reach the same 64 KiB, with something behind them. */
function narrowMachine(except = -1): SegmentMachine {
  const machine = new SegmentMachine();
  for (let page = 0; page <= REACH / PAGE; page++) if (page !== except) machine.map(BASE + page * PAGE);
  for (const segment of [ES, FS]) machine.set(segment, { kind: "data", base: BASE, limit: 0xffffffff });
  return machine;
}

const code = (name: (typeof NAMES)[number], size: number, repeat: keyof typeof REPEAT): string =>
  `67 64 ${REPEAT[repeat]} ${size === 2 ? "66" : ""} ${(OPCODE[name] + (size === 1 ? 0 : 1)).toString(16)}`;

const low = (value: bigint): number => Number(value & 0xffffn);
const number = (bytes: Uint8Array): number => bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);

describe("a string instruction with 16-bit addresses", () => {
  it("does what element after element would do, around 64 KiB, and leaves what is above SI, DI and CX", () => {
    const machine = narrowMachine();
    const near = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: REACH - 40, max: REACH - 1 }));
    fc.assert(
      fc.property(
        fc.constantFrom(...NAMES),
        fc.constantFrom(1, 2, 4),
        fc.constantFrom("", "rep", "repne"),
        fc.boolean(),
        near,
        near,
        fc.integer({ min: 0, max: 30 }),
        fc.boolean(),
        (name, size, repeat, down, si, di, count, inPieces) => {
          const memory = new Uint8Array(REACH + 8).map((_, i) => (i % 3 === 0 ? 7 : 9));
          machine.write(BASE, memory);
          const value = 0x07_09_09_07;
          const step = down ? -size : size;
          const [reads, target] = [name !== "stos" && name !== "scas", name !== "lods"];
          const compares = name === "cmps" || name === "scas";
          let [from, to, left, equal] = [si, di, repeat === "" ? 1 : count, false];
          let last = value;
          while (left > 0) {
            const source = reads ? number(memory.slice(from, from + size)) : value % 2 ** (8 * size);
            if (name === "movs" || name === "stos")
              for (let i = 0; i < size; i++) memory[to + i] = Math.floor(source / 256 ** i) & 0xff;
            equal = source === number(memory.slice(to, to + size));
            last = source;
            if (reads) from = (from + step) & 0xffff;
            if (target) to = (to + step) & 0xffff;
            left--;
            if (compares && repeat !== "" && equal === (repeat === "repne")) break;
          }
          machine.setReg(RSI, UPPER | BigInt(si));
          machine.setReg(RDI, UPPER | BigInt(di));
          machine.setReg(RCX, UPPER | BigInt(count));
          machine.setReg(RAX, value);
          machine.cpu.state.rflags = 0x202 | (down ? DF : 0);
          machine.program(code(name, size, repeat) + DONE);
          if (inPieces) while (machine.cpu.run(1) === ExitReason.BUDGET);
          else expect(machine.cpu.run(1000)).toBe(ExitReason.SOFT_INT);
          expect(machine.reg(RCX)).toBe(UPPER | BigInt(repeat === "" ? count : left));
          expect(machine.reg(RSI)).toBe(UPPER | BigInt(from));
          expect(machine.reg(RDI)).toBe(UPPER | BigInt(to));
          expect(Buffer.compare(machine.read(BASE, REACH + 8), memory)).toBe(0);
          const done = repeat === "" || count > 0;
          if (compares && done) expect((machine.cpu.state.rflags & ZF) !== 0).toBe(equal);
          if (name === "lods" && done) expect(machine.reg(RAX) & BigInt(2 ** (8 * size) - 1)).toBe(BigInt(last));
        },
      ),
      { numRuns: 300, seed: 4711 },
    );
  });

  it("stops at a page that is missing with the registers of the elements done, and goes on from there", () => {
    const machine = narrowMachine(2);
    machine.setReg(RAX, 0xabcd);
    machine.setReg(RDI, UPPER | 0x1f01n);
    machine.setReg(RCX, UPPER | 0xffffn);
    machine.program(code("stos", 2, "rep") + DONE);
    expect(machine.cpu.run(10_000)).toBe(ExitReason.EXCEPTION);
    expect(machine.fault).toEqual({ vector: VECTOR.PF, errorCode: 6, rip: CODE });
    expect(machine.cr2).toBe(BASE + 2 * PAGE);
    expect(machine.reg(RCX)).toBe(UPPER | 0xff80n);
    expect(machine.reg(RDI)).toBe(UPPER | 0x1fffn);
    machine.map(BASE + 2 * PAGE);
    expect(machine.cpu.run(100_000)).toBe(ExitReason.SOFT_INT);
    expect(low(machine.reg(RCX))).toBe(0);
    expect([...machine.read(BASE + 0x2ffe, 3)]).toEqual(hex("ab cd ab"));
  });

  it("is refused where a segment refuses an element", () => {
    const machine = narrowMachine();
    machine.set(FS, { kind: "data", base: BASE, limit: 0x13 });
    machine.setReg(RSI, 0x10);
    machine.setReg(RDI, 0x100);
    machine.setReg(RCX, 5);
    expect(machine.fails(code("movs", 2, "rep"))).toBe(VECTOR.GP);
    expect(machine.reg(RCX)).toBe(3n);
    expect(machine.reg(RSI)).toBe(0x14n);
    machine.flatten();
    machine.set(DS, { kind: "null", base: 0, limit: 0 });
    expect(machine.fails("67 ac")).toBe(VECTOR.GP);
  });

  it("reaches the lowest 64 KiB where all segments are flat", () => {
    const machine = new SegmentMachine();
    machine.map(0x2000);
    machine.write(0x2345, [1, 2, 3]);
    machine.setReg(RSI, UPPER | 0x2345n);
    machine.setReg(RDI, UPPER | 0x2800n);
    machine.setReg(RCX, UPPER | 3n);
    expect(machine.fails("67 f3 a4")).toBeUndefined();
    expect([...machine.read(0x2800, 3)]).toEqual([1, 2, 3]);
  });
});

describe("XLAT with a 16-bit address", () => {
  it("adds AL to BX and wraps", () => {
    const machine = narrowMachine();
    machine.write(BASE + 0x0f, [0x42]);
    machine.setReg(RBX, UPPER | 0xfff0n);
    machine.setReg(RAX, 0x1f);
    expect(machine.fails("67 64 d7")).toBeUndefined();
    expect(machine.reg(RAX)).toBe(0x42n);
    expect(machine.reg(RBX)).toBe(UPPER | 0xfff0n);
    machine.set(FS, { kind: "data", base: BASE, limit: 0x31 });
    expect(machine.fails("67 64 d7")).toBe(VECTOR.GP);
  });
});
