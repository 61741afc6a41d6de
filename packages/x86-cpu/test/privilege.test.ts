import { describe, expect, it } from "vitest";
import { CS, ExitReason, FS, SEG_ATTR, SEG_SELECTOR, SS, VECTOR } from "../src/index.ts";
import { CODE, hex, RAX, RBX, RSP, STACK, TestMachine } from "./machine.ts";

// Kernels of 32-bit PV guests run at CPL 1, in segments that whoever runs the processor loads for them.
const CODE_1 = 0x19;
const DATA_1 = 0x21;
const CODE_3 = 0x2b;
const DATA_3 = 0x33;
const CODE_0 = 0x38;

const descriptors = new Map<number, number>([
  [CODE_1 & ~3, 0x00cfbb00],
  [DATA_1 & ~3, 0x00cfb300],
  [CODE_3 & ~3, 0x00cffb00],
  [DATA_3 & ~3, 0x00cff300],
  [CODE_0, 0x00cf9b00],
]);

function ringMachine(ring: 1 | 3): TestMachine {
  const machine: TestMachine = new TestMachine({
    hooks: {
      readDescriptor(selector) {
        const found = descriptors.get(selector & ~3);
        if (found === undefined) return false;
        machine.cpu.descriptorLo = 0xffff;
        machine.cpu.descriptorHi = found;
        return true;
      },
    },
  });
  machine.stack();
  const { i32 } = machine.mmu.memory;
  const [code, data] = ring === 1 ? [CODE_1, DATA_1] : [CODE_3, DATA_3];
  i32[SEG_SELECTOR(CS) >> 2] = code;
  i32[SEG_ATTR(CS) >> 2] = ring === 1 ? 0xc0bb : 0xc0fb;
  i32[SEG_SELECTOR(SS) >> 2] = data;
  i32[SEG_ATTR(SS) >> 2] = ring === 1 ? 0xc0b3 : 0xc0f3;
  return machine;
}

/** What IRET pops. */
function frame(machine: TestMachine, ...words: number[]): void {
  machine.write(STACK + 0x800, new Uint8Array(Uint32Array.from(words).buffer));
}

describe("CPL 1", () => {
  it("loads data segments of rings 1 to 3, and a stack of ring 1 only", () => {
    const loads = (instruction: string, selector: number): boolean => {
      const machine = ringMachine(1);
      machine.program(`${instruction} 90`);
      machine.setReg(RAX, selector);
      return machine.cpu.run(1) === ExitReason.BUDGET;
    };
    const movFs = "8e e0";
    const movSs = "8e d0";
    for (const selector of [DATA_1, DATA_3, CODE_3, 0]) expect(loads(movFs, selector), `${selector}`).toBe(true);
    for (const selector of [CODE_0, DATA_1 | 3, 0x48]) expect(loads(movFs, selector), `${selector}`).toBe(false);
    expect(loads(movSs, DATA_1)).toBe(true);
    for (const selector of [DATA_1 & ~3, DATA_3, 0]) expect(loads(movSs, selector), `${selector}`).toBe(false);
  });

  it("is left by IRET through an exit, with nothing changed, and stayed at without one", () => {
    const machine = ringMachine(1);
    machine.program("cf"); // iret
    frame(machine, CODE + 0x100, CODE_3, 0x202, STACK, DATA_3);
    expect(machine.cpu.run(1)).toBe(ExitReason.PRIVILEGED);
    expect(machine.cpu.state.rip).toBe(CODE);
    expect(machine.reg(RSP)).toBe(BigInt(STACK + 0x800));
    expect(machine.cpu.state.selector(CS)).toBe(CODE_1);
    frame(machine, CODE + 0x100, CODE_1, 0x202);
    expect(machine.cpu.run(1)).toBe(ExitReason.BUDGET);
    expect(machine.cpu.state.rip).toBe(CODE + 0x100);
    expect(machine.reg(RSP)).toBe(BigInt(STACK + 0x80c));
    frame(machine, CODE, CODE_0, 0x202);
    machine.program("cf", CODE);
    machine.setReg(RSP, STACK + 0x800);
    expect(machine.cpu.run(1)).toBe(ExitReason.EXCEPTION);
    expect(machine.fault).toEqual({ vector: VECTOR.GP, errorCode: CODE_0, rip: CODE });
  });

  it("jumps to code of its own ring only", () => {
    for (const [selector, reason] of [
      [CODE_1 & ~3, ExitReason.BUDGET],
      [CODE_3, ExitReason.EXCEPTION],
      [CODE_0, ExitReason.EXCEPTION],
    ]) {
      const machine = ringMachine(1);
      machine.program([...hex("ea"), ...new Uint8Array(Int32Array.of(CODE + 0x40).buffer), selector, 0]);
      expect(machine.cpu.run(1), selector.toString(16)).toBe(reason);
      expect(machine.cpu.state.selector(CS)).toBe(CODE_1);
    }
  });

  it("does what is privileged through an exit, as CPL 3 does", () => {
    const machine = ringMachine(1);
    machine.program("f4"); // hlt
    expect(machine.cpu.run(1)).toBe(ExitReason.PRIVILEGED);
  });
});

describe("CPL 3", () => {
  it("loads no segment of ring 1, and sees none by LAR", () => {
    const machine = ringMachine(3);
    machine.program("8e e0"); // mov fs,eax
    machine.setReg(RAX, DATA_1);
    expect(machine.cpu.run(1)).toBe(ExitReason.EXCEPTION);
    expect(machine.fault).toEqual({ vector: VECTOR.GP, errorCode: DATA_1 & ~3, rip: CODE });
    expect(machine.cpu.state.selector(FS)).toBe(0);
    for (const [ring, seen] of [
      [1, 0xcfb300n],
      [3, 0n],
    ] as const) {
      const other = ringMachine(ring);
      other.program("0f 02 d8"); // lar ebx,eax
      other.setReg(RAX, DATA_1);
      expect(other.cpu.run(1)).toBe(ExitReason.BUDGET);
      expect(other.reg(RBX)).toBe(seen);
    }
  });
});
