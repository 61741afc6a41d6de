import { describe, expect, it } from "vitest";
import { AddressSpace, Cpu, type CpuidModel, ExitReason, VECTOR, X8664V2Cpuid } from "../src/index.ts";
import { CODE, DATA, PAGE, RAX, RBX, RCX, TestMachine } from "./machine.ts";

describe("AddressSpace", () => {
  it("maps, protects and unmaps pages, at once for the processor", () => {
    const machine = new TestMachine();
    machine.program("48 ff 03 eb fb"); // inc qword [rbx]; jmp
    machine.setReg(RBX, DATA);
    const mfn = machine.map(DATA);
    expect(machine.cpu.run(1000)).toBe(ExitReason.BUDGET);
    machine.space.protect(DATA, { writable: false });
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 7, rip: CODE });
    expect(machine.space.unmap(DATA)).toBe(mfn);
    expect(machine.space.unmap(DATA)).toBe(-1);
    expect(machine.runToFault().errorCode).toBe(6);
    machine.map(DATA, { mfn });
    expect(machine.read64(DATA)).toBe(500n);
    machine.space.protect(CODE, { executable: false });
    expect(machine.runToFault().errorCode).toBe(0x15);
  });

  it("reads and writes across pages, read-only ones and those of the upper half too", () => {
    const { space } = new TestMachine();
    for (const va of [-PAGE, -2 * PAGE, 0, 2 ** 47 - PAGE, -(2 ** 47)]) space.map(va, { writable: false });
    space.write(-PAGE - 2, [1, 2, 3, 4]);
    expect([...space.read(-PAGE - 2, 4)]).toEqual([1, 2, 3, 4]);
    expect([...space.read(-PAGE, 2)]).toEqual([3, 4]);
    space.write(2 ** 47 - 1, [9]);
    expect([...space.read(2 ** 47 - 1, 1)]).toEqual([9]);
    expect([...space.read(-(2 ** 47), 1)]).toEqual([0]);
  });

  it("says what is not mapped, and when memory is used up", () => {
    const { space, mmu } = new TestMachine();
    expect(() => space.read(DATA, 1)).toThrow("nothing is mapped at 0x500000");
    expect(() => space.write(-1, [1])).toThrow("nothing is mapped at 0xffffffffffffffff");
    expect(() => space.protect(DATA, {})).toThrow(RangeError);
    expect(space.frameAt(DATA)).toBe(-1);
    expect(() => {
      for (let page = 0; page <= mmu.frames.endMfn; page++) space.map(page * PAGE);
    }).toThrow("machine memory has no frame left");
  });

  it("is one of many: the processor switches between them", () => {
    const machine = new TestMachine();
    machine.program("8b 03 0f 05"); // mov eax,[rbx]; syscall
    machine.map(DATA);
    machine.write(DATA, [1]);
    machine.setReg(RBX, DATA);
    const other = new AddressSpace(machine.mmu);
    other.map(CODE, { mfn: machine.space.frameAt(CODE) });
    other.map(DATA);
    other.write(DATA, [2]);
    for (const [space, value] of [
      [machine.space, 1n],
      [other, 2n],
      [machine.space, 1n],
    ] as const) {
      machine.activate(space);
      machine.cpu.state.rip = CODE;
      machine.runToSyscall();
      expect(machine.reg(RAX)).toBe(value);
    }
  });
});

describe("the CPUID model", () => {
  const cpuid = (machine: TestMachine, leaf: number): bigint[] => {
    machine.program("0f a2 0f 05");
    machine.setReg(RAX, 0xffff_ffff_0000_0000n | BigInt(leaf));
    machine.setReg(RCX, 0x1_0000_0007);
    machine.runToSyscall();
    return [0, 3, 1, 2].map((register) => machine.reg(register));
  };

  it("can be replaced", () => {
    const asked: number[][] = [];
    const model: CpuidModel = {
      cpuid(leaf, subleaf) {
        asked.push([leaf, subleaf]);
        return { eax: 1, ebx: 0xffffffff, ecx: 3, edx: 4 };
      },
    };
    expect(cpuid(new TestMachine({ cpuid: model }), 0x80000005)).toEqual([1n, 0xffffffffn, 3n, 4n]);
    expect(asked).toEqual([[0x80000005, 7]]);
  });

  it("can be wrapped", () => {
    const base = new X8664V2Cpuid();
    const model: CpuidModel = {
      cpuid(leaf, subleaf) {
        const result = base.cpuid(leaf, subleaf);
        return leaf === 1 ? { ...result, ecx: result.ecx & ~(1 << 23) } : result;
      },
    };
    const [, , ecx] = cpuid(new TestMachine({ cpuid: model }), 1);
    const [, , standard] = cpuid(new TestMachine(), 1);
    expect(standard - ecx).toBe(1n << 23n);
  });

  it("tells of fast string instructions and of caches, whose sizes C libraries copy by", () => {
    const model = new X8664V2Cpuid();
    expect(model.cpuid(7, 0).ebx).toBe(1 << 9);
    expect(model.cpuid(7, 1).ebx).toBe(0);
    // KiB of L1 data, KiB of L2, units of 512 KiB of L3; AMD64 vol. 3, E.4.5 and E.4.6.
    expect(model.cpuid(0x80000005, 0).ecx >>> 24).toBe(64);
    expect(model.cpuid(0x80000006, 0).ecx >>> 16).toBe(2048);
    expect(model.cpuid(0x80000006, 0).edx >>> 18).toBe(32);
  });

  it("shows OSXSAVE once CR4 has it", () => {
    const machine = new TestMachine();
    expect(cpuid(machine, 1)[2] & (1n << 27n)).toBe(0n);
    const { view } = machine.cpu.state;
    view.setUint32(0x268, view.getUint32(0x268, true) | (1 << 18), true);
    expect(cpuid(machine, 1)[2] & (1n << 27n)).toBe(1n << 27n);
  });
});

it("several processors can share nothing but the compiled interpreter", () => {
  const [one, two] = [new TestMachine(), new TestMachine()];
  one.program("b8 01 00 00 00 0f 05");
  two.program("b8 02 00 00 00 0f 05");
  one.runToSyscall();
  two.runToSyscall();
  expect([one.reg(RAX), two.reg(RAX)]).toEqual([1n, 2n]);
  expect(one.cpu).toBeInstanceOf(Cpu);
});
