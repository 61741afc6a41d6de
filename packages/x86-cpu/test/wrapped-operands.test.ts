import { describe, expect, it } from "vitest";
import { CR4, DF, DS, ES, FCW, FS, FSW, FTW, SS, VECTOR, XCR0, XMM } from "../src/index.ts";
import { CODE, DATA, PAGE, RAX, RBX, RCX, RDI, RDX, RSP } from "./machine.ts";
import { DONE, FLAT, SegmentMachine } from "./segment-machine.ts";

// Operands of compatibility mode that lie around 4 GiB: what a processor (AMD, family 25) has been seen to do with each distance.

const OSXSAVE = 1 << 18;
const MIDDLE = DATA + PAGE;

/** FS reaches all of 4 GiB, and offset 0 lies in the middle of what is mapped. */
function wrapMachine(): SegmentMachine {
  const machine = new SegmentMachine();
  machine.set(FS, { ...FLAT, base: MIDDLE });
  const { view } = machine.cpu.state;
  view.setUint32(CR4, view.getUint32(CR4, true) | OSXSAVE, true);
  view.setUint32(XCR0, 3, true);
  return machine;
}

/** Distances below 4 GiB at which an instruction with the operand fs:[ebx] is allowed. */
function allowed(machine: SegmentMachine, code: string, most: number): number[] {
  const out: number[] = [];
  for (let distance = 1; distance <= most; distance++) {
    machine.cpu.state.view.setUint16(FSW, 0, true);
    machine.cpu.state.view.setUint16(FTW, 0xffff, true);
    machine.cpu.state.view.setUint16(FCW, 0x37f, true);
    machine.write(DATA, new Uint8Array(2 * PAGE));
    for (const register of [RBX, RDI]) machine.setReg(register, 2 ** 32 - distance);
    const vector = machine.fails(code);
    if (vector === undefined) out.push(distance);
    else expect(vector).toBe(VECTOR.GP);
  }
  return out;
}

const multiples = (of: number, most: number): number[] =>
  Array.from({ length: Math.floor(most / of) }, (_, i) => of * (i + 1));
const from = (least: number, most: number): number[] => Array.from({ length: most - least + 1 }, (_, i) => least + i);
/** Ends of the 8 and 2 bytes of x87 registers behind an environment, and all distances beyond. */
const registers = (environment: number): number[] =>
  from(1, 8).flatMap((i) => [environment + 10 * i - 2, environment + 10 * i]);

describe("an operand that a segment with a base lets go on behind 4 GiB", () => {
  it.each([
    ["movups", "0f1003", from(16, 20)],
    ["movq mm", "0f6f03", from(8, 20)],
    ["cmpxchg8b", "0fc70b", from(8, 20)],
    ["fld m64", "dd03", from(8, 20)],
    ["fld m80", "db2b", [8, ...from(10, 20)]],
    ["fbstp", "df33", [8, ...from(10, 20)]],
    ["fldenv", "d923", [...multiples(4, 27), ...from(28, 30)]],
    ["fnstenv", "d933", [...multiples(4, 27), ...from(28, 30)]],
    ["fnstenv with fields of 16 bits", "66 d933", [...multiples(2, 13), ...from(14, 20)]],
    ["fnsave", "dd33", [...multiples(4, 28), ...registers(28), 109, 110]],
    ["frstor", "dd23", [...multiples(4, 28), ...registers(28), 109, 110]],
    ["frstor with fields of 16 bits", "66 dd23", [...multiples(2, 14), ...registers(14), 95, 96]],
    ["fxsave", "0fae03", multiples(16, 540)],
    ["fxrstor", "0fae0b", multiples(16, 540)],
    ["xsave", "0fae23", multiples(64, 600)],
    ["xrstor", "0fae2b", multiples(64, 600)],
    ["bound", "6203", [4, ...from(8, 12)]],
    ["les", "c403", [4, ...from(6, 10)]],
    ["maskmovdqu", "660ff7c0", [8, ...from(16, 20)]],
    ["maskmovq", "0ff7c0", from(8, 12)],
  ])("%s", (_name, code, distances) => {
    const most = distances[distances.length - 1];
    expect(allowed(wrapMachine(), `64 ${code}`, most)).toEqual(distances);
  });

  it("is where offset 0 is", () => {
    const machine = wrapMachine();
    for (let i = 0; i < 128; i++) machine.mmu.memory.u8[XMM(0) + i] = i;
    machine.setReg(RBX, -192);
    expect(machine.fails("64 0fae03")).toBeUndefined();
    expect([...machine.read(MIDDLE - 192 + 160, 128)]).toEqual(from(0, 127));
    machine.mmu.memory.u8.fill(0, XMM(0), XMM(8));
    expect(machine.fails("64 0fae0b")).toBeUndefined();
    expect([...machine.mmu.memory.u8.subarray(XMM(0), XMM(8))]).toEqual(from(0, 127));
  });

  it("is an image that is misaligned in the first place", () => {
    const machine = wrapMachine();
    for (const code of ["36 0fae03", "36 0fae0b", "36 0fae23", "36 0fae2b", "36 0fae33"]) {
      machine.setReg(RBX, -0x52);
      expect(machine.fails(code)).toBe(VECTOR.GP);
    }
  });
});

describe("a linear address that a segment's base takes around 4 GiB", () => {
  it("goes on at 0, whether or not other segments are flat", () => {
    for (const restricted of [false, true]) {
      const machine = new SegmentMachine();
      machine.map(0);
      machine.map(0xfffff000);
      machine.set(FS, { ...FLAT, base: 0xffff0000 });
      machine.set(ES, { kind: "data", base: 0xffff0000, limit: restricted ? 0x1ffff : 0xffffffff });
      machine.setReg(RBX, 0xfffe);
      machine.setReg(RAX, 0x44332211);
      expect(machine.fails("64 8903")).toBeUndefined(); // mov fs:[ebx],eax
      expect([...machine.read(0xfffffffe, 2), ...machine.read(0, 2)]).toEqual([0x11, 0x22, 0x33, 0x44]);
      expect(machine.fails("64 8b0b")).toBeUndefined(); // mov ecx,fs:[ebx]
      expect(machine.reg(RCX)).toBe(0x44332211n);
      machine.setReg(RDI, 0xfffd);
      expect(machine.fails("67 ab")).toBeUndefined(); // stosd es:[di]
      expect([...machine.read(0, 1)]).toEqual([0x44]);
      machine.setReg(RBX, 0xfff0);
      expect(machine.fails("64 dd33")).toBeUndefined();
    }
  });

  it("is no way around the limit, whatever segment has the base", () => {
    const machine = wrapMachine();
    for (const [segment, prefix] of [
      [DS, ""],
      [ES, "26"],
      [SS, "36"],
      [FS, "64"],
    ] as const) {
      machine.flatten();
      machine.set(segment, { ...FLAT, base: MIDDLE });
      machine.setReg(RBX, -4);
      expect(machine.fails(`${prefix} 8b0b`)).toBeUndefined();
      machine.setReg(RBX, -3);
      expect(machine.fails(`${prefix} 8b0b`)).toBe(segment === SS ? VECTOR.SS : VECTOR.GP);
    }
    machine.flatten();
    machine.set(ES, { ...FLAT, base: MIDDLE });
    machine.cpu.state.rflags = 0x202 | DF;
    machine.setReg(RDI, 5);
    machine.setReg(RCX, 9);
    machine.setReg(RAX, 1);
    expect(machine.fails("f2 66af")).toBe(VECTOR.GP); // repne scasw, down to offset ffffffff
    expect(machine.reg(RDI)).toBe(0xffffffffn);
    expect(machine.reg(RCX)).toBe(6n);
  });

  it("is refused in a flat segment, but for the second part of a number of 80 bits", () => {
    const machine = new SegmentMachine();
    machine.map(0);
    machine.map(0xfffff000);
    const vectors = from(7, 10).map((distance) => {
      machine.cpu.state.view.setUint16(FTW, 0xffff, true);
      machine.setReg(RBX, -distance);
      return machine.fails("db2b"); // fld tbyte [ebx]
    });
    expect(vectors).toEqual([VECTOR.GP, undefined, VECTOR.GP, undefined]);
  });
});

describe("parts of an operand in flat segments", () => {
  it.each([
    ["bound", "6203", -7],
    ["lss", "66 0fb203", -3],
    ["fnstenv", "d933", -4],
    ["maskmovdqu", "660ff7c0", -9],
  ])("%s meets the page of the first one before the limit of the second", (_name, code, offset) => {
    const machine = new SegmentMachine();
    for (const register of [RBX, RDI]) machine.setReg(register, offset);
    machine.program(code + DONE);
    expect(machine.runToFault()).toMatchObject({ vector: VECTOR.PF });
    expect(machine.cr2).toBe(2 ** 32 + offset);
  });

  it("FNSTENV is refused if its first field is beyond the limit", () => {
    const machine = new SegmentMachine();
    machine.setReg(RBX, -1);
    expect(machine.fails("d933")).toBe(VECTOR.GP);
  });

  it("POPA and PUSHA go word by word", () => {
    const machine = new SegmentMachine();
    machine.map(0);
    machine.setReg(RSP, -0x10);
    machine.program(`61${DONE}`);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 4, rip: CODE });
    machine.map(0xfffff000);
    machine.write(0, [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]);
    expect(machine.fails("61")).toBeUndefined();
    expect([RBX, RDX, RCX, RAX].map((register) => machine.reg(register))).toEqual([1n, 2n, 3n, 4n]);
    expect(machine.reg(RSP)).toBe(0x10n);
    machine.write(0, new Uint8Array(16));
    expect(machine.fails("60")).toBeUndefined();
    expect(machine.read(0, 16)[12]).toBe(4);
    expect(machine.reg(RSP)).toBe(BigInt(2 ** 32 - 0x10));
    machine.setReg(RSP, 0x12);
    expect(machine.fails("60")).toBe(VECTOR.SS);
  });
});

describe("a far return", () => {
  it("reads its words on both sides of 4 GiB", () => {
    const machine = new SegmentMachine();
    machine.map(0);
    machine.setReg(RSP, -4);
    machine.program(`cb${DONE}`);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 4, rip: CODE });
    machine.map(0xfffff000);
    // The selector that lies at 0 is null.
    expect(machine.fails("cb")).toBe(VECTOR.GP);
    machine.setReg(RSP, -2);
    expect(machine.fails("cb")).toBe(VECTOR.SS);
  });
});
