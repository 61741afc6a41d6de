import { describe, expect, it } from "vitest";
import { CR4, MXCSR, VECTOR, X87, XCR0, XMM } from "../src/index.ts";
import { CODE, DATA, PAGE, RAX, RBX, RDX, TestMachine } from "./machine.ts";

const IMAGE = DATA + 0x400;
const OSXSAVE = 1 << 18;
const FXSAVE = "0f ae 03";
const FXRSTOR = "0f ae 0b";
const XSAVE = "0f ae 23";
const XRSTOR = "0f ae 2b";
const REXW = "48";
const STATE_START = 0x2a8;
const STATE_END = 0x480;

/** With x87 and SSE state enabled, and RBX at an image. */
function imageMachine(): TestMachine {
  const machine = new TestMachine();
  machine.map(DATA);
  const { view } = machine.cpu.state;
  view.setUint32(CR4, view.getUint32(CR4, true) | OSXSAVE, true);
  view.setUint32(XCR0, 3, true);
  machine.setReg(RBX, IMAGE);
  machine.setReg(RAX, 3);
  return machine;
}

/** fldpi; fld1; fldz; faddp st(1): three values pushed, one popped */
const SOME_X87 = "d9 eb d9 e8 d9 ee de c1";

function run(machine: TestMachine, code: string): void {
  machine.program(`${code} 0f 05`);
  machine.runToSyscall();
}

const state = (machine: TestMachine): Uint8Array => machine.mmu.memory.u8.slice(STATE_START, STATE_END);

function fillXmm(machine: TestMachine, seed: number): void {
  for (let i = 0; i < 256; i++) machine.mmu.memory.u8[XMM(0) + i] = (i * seed) & 0xff;
}

describe.each([
  ["FXSAVE and FXRSTOR", FXSAVE, FXRSTOR],
  ["FXSAVE64 and FXRSTOR64", `${REXW} ${FXSAVE}`, `${REXW} ${FXRSTOR}`],
  ["XSAVE and XRSTOR", XSAVE, XRSTOR],
  ["XSAVE64 and XRSTOR64", `${REXW} ${XSAVE}`, `${REXW} ${XRSTOR}`],
])("%s", (_name, save, restore) => {
  const wide = save.startsWith(REXW);

  it("bring back all registers", () => {
    const machine = imageMachine();
    run(machine, SOME_X87);
    fillXmm(machine, 7);
    machine.cpu.state.view.setUint32(MXCSR, 0x9fc0, true);
    const before = state(machine);
    run(machine, save);
    expect(state(machine)).toEqual(before);
    run(machine, "db e3 d9 e8 0f 57 c0 66 0f 6f c8"); // fninit; fld1; xorps xmm0,xmm0; movdqa xmm1,xmm0
    machine.cpu.state.view.setUint32(MXCSR, 0x1f80, true);
    expect(state(machine)).not.toEqual(before);
    run(machine, restore);
    const after = state(machine);
    // The short form has 32-bit pointers and selectors, which are 0 here in any case.
    if (!wide) expect(new DataView(after.buffer).getUint32(0x2c4 - STATE_START, true)).toBe(0);
    expect(after).toEqual(before);
  });

  it("fault on an image that is misaligned, or whose second page is missing, with nothing changed", () => {
    const machine = imageMachine();
    run(machine, SOME_X87);
    for (const code of [save, restore]) {
      machine.program(code);
      machine.setReg(RBX, IMAGE + 8);
      expect(machine.runToFault()).toEqual({ vector: VECTOR.GP, errorCode: 0, rip: CODE });
      machine.setReg(RBX, DATA + PAGE - 0x100);
      const before = state(machine);
      expect(machine.runToFault()).toMatchObject({ vector: VECTOR.PF, rip: CODE });
      expect(machine.cr2).toBe(DATA + PAGE);
      expect(state(machine)).toEqual(before);
    }
    expect(machine.read(DATA, PAGE)).toEqual(new Uint8Array(PAGE));
  });

  it("refuse reserved MXCSR bits", () => {
    const machine = imageMachine();
    run(machine, save);
    machine.write(IMAGE + 26, [1]);
    const before = state(machine);
    machine.program(restore);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.GP, errorCode: 0, rip: CODE });
    expect(state(machine)).toEqual(before);
  });

  it("need CR0.TS clear", () => {
    const machine = imageMachine();
    const { view } = machine.cpu.state;
    view.setUint32(0x250, view.getUint32(0x250, true) | 8, true);
    for (const code of [save, restore]) {
      machine.program(code);
      expect(machine.runToFault()).toEqual({ vector: VECTOR.NM, errorCode: null, rip: CODE });
    }
  });
});

describe("the image", () => {
  it("has the layout of the manual", () => {
    const machine = imageMachine();
    run(machine, SOME_X87);
    fillXmm(machine, 3);
    machine.write(IMAGE + 464, new Array(48).fill(0xaa));
    run(machine, FXSAVE);
    const view = new DataView(machine.read(IMAGE, 512).buffer);
    expect(view.getUint16(0, true)).toBe(0x37f);
    // Two registers in use: TOP is 6, and the abridged tags say so.
    expect((view.getUint16(2, true) >> 11) & 7).toBe(6);
    expect(view.getUint8(4)).toBe(0xc0);
    expect(view.getUint32(24, true)).toBe(0x1f80);
    expect(view.getUint32(28, true)).toBe(0xffff);
    // ST(0) = 1, ST(1) = pi.
    expect(view.getBigUint64(32, true)).toBe(1n << 63n);
    expect(view.getUint16(40, true)).toBe(0x3fff);
    expect(view.getBigUint64(48, true)).toBe(0xc90fdaa22168c235n);
    expect(view.getUint16(56, true)).toBe(0x4000);
    for (let i = 0; i < 256; i++) expect(view.getUint8(160 + i)).toBe((i * 3) & 0xff);
    // Reserved for software: left alone.
    for (let i = 464; i < 512; i++) expect(view.getUint8(i)).toBe(0xaa);
  });
});

describe("XSAVE and XRSTOR", () => {
  it("save only what EDX:EAX and XCR0 ask for, and say so in XSTATE_BV", () => {
    const machine = imageMachine();
    run(machine, SOME_X87);
    fillXmm(machine, 5);
    machine.setReg(RAX, 0xff & ~1);
    machine.setReg(RDX, -1n);
    run(machine, XSAVE);
    expect(machine.read64(IMAGE + 512)).toBe(2n);
    expect(machine.read64(IMAGE)).toBe(0n);
    expect(machine.read(IMAGE + 160 + 7, 1)[0]).toBe(35);
    machine.setReg(RAX, 1);
    run(machine, XSAVE);
    expect(machine.read64(IMAGE + 512)).toBe(3n);
    expect(machine.read(IMAGE, 2)[0]).toBe(0x7f);
  });

  it("initialize what XSTATE_BV has not, and leave alone what was not asked for", () => {
    const machine = imageMachine();
    run(machine, SOME_X87);
    run(machine, XSAVE);
    machine.write64(IMAGE + 512, 0n);
    fillXmm(machine, 9);
    machine.setReg(RAX, 2);
    run(machine, XRSTOR);
    expect(machine.mmu.memory.u8.slice(XMM(0), XMM(16))).toEqual(new Uint8Array(256));
    expect(machine.cpu.state.view.getUint16(X87(6) + 8, true)).toBe(0x3fff);
    machine.setReg(RAX, 1);
    run(machine, XRSTOR);
    expect(machine.cpu.state.view.getUint16(X87(6) + 8, true)).toBe(0);
    expect(machine.cpu.state.view.getUint16(0x2b4, true)).toBe(0xffff);
  });

  it.each([
    ["a component that is not enabled", 512, 4],
    ["a component of the upper half", 519, 0x80],
    ["the compacted form", 527, 0x80],
    ["a bit of XCOMP_BV", 520, 1],
    ["a reserved byte of the header", 535, 1],
  ])("refuse %s", (_name, offset, value) => {
    const machine = imageMachine();
    run(machine, XSAVE);
    machine.write(IMAGE + offset, [value]);
    machine.program(XRSTOR);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.GP, errorCode: 0, rip: CODE });
  });

  it("are no instructions without CR4.OSXSAVE", () => {
    const machine = imageMachine();
    const { view } = machine.cpu.state;
    view.setUint32(CR4, view.getUint32(CR4, true) & ~OSXSAVE, true);
    for (const code of [XSAVE, XRSTOR, "0f 01 d0"]) {
      machine.program(code);
      expect(machine.runToFault()).toEqual({ vector: VECTOR.UD, errorCode: null, rip: CODE });
    }
  });

  it("are described by XGETBV", () => {
    const machine = imageMachine();
    run(machine, "31 c9 0f 01 d0"); // xor ecx,ecx; xgetbv
    expect([machine.reg(RAX), machine.reg(RDX)]).toEqual([3n, 0n]);
  });
});
