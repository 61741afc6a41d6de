import { describe, expect, it } from "vitest";
import { DR, DR6, DR7, ExitReason, RF, TF } from "../src/index.ts";
import { CODE, DATA, PAGE, RAX, RBX, RCX, RDI, RSI, STACK, TestMachine } from "./machine.ts";

const SINGLE_STEP = 1 << 14;

function singleStepped(code: string): TestMachine {
  const machine = new TestMachine();
  machine.stack();
  machine.program(code);
  machine.cpu.state.rflags |= TF;
  return machine;
}

/** Runs to the next #DB and answers where, as an offset into the code. */
function stop(machine: TestMachine): number {
  expect(machine.cpu.run(1000)).toBe(ExitReason.EXCEPTION);
  expect(machine.fault).toMatchObject({ vector: 1, errorCode: null });
  return machine.cpu.state.rip - CODE;
}

const setState = (machine: TestMachine, address: number, value: number): void =>
  machine.cpu.state.view.setUint32(address, value, true);
const getState = (machine: TestMachine, address: number): number => machine.cpu.state.view.getUint32(address, true);

/** Sets an execution breakpoint in one of DR0-3. */
function breakpoint(machine: TestMachine, register: number, va: number): void {
  machine.cpu.state.view.setBigInt64(DR(register), BigInt(va), true);
  setState(machine, DR7, getState(machine, DR7) | (1 << (register * 2)));
}

describe("single-stepping", () => {
  it("stops behind each instruction of a straight line, with one retired each", () => {
    const machine = singleStepped("ff c0 90 48 ff c0 50"); // inc eax; nop; inc rax; push rax
    expect([stop(machine), stop(machine), stop(machine), stop(machine)]).toEqual([2, 3, 6, 7]);
    expect(machine.cpu.retired).toBe(4);
    expect(machine.reg(RAX)).toBe(2n);
    expect(getState(machine, DR6) & SINGLE_STEP).toBe(SINGLE_STEP);
    expect(machine.cpu.state.rflags & TF).toBe(TF);
  });

  it("stops at the targets of jumps, calls and returns, and behind jumps not taken", () => {
    // 0: cmp eax,eax; 2: jnz; 4: jz +1; 6: nop; 7: call 14; 12: syscall; 14: ret
    const machine = singleStepped("39 c0 75 10 74 01 90 e8 02 00 00 00 0f 05 c3");
    expect([stop(machine), stop(machine), stop(machine)]).toEqual([2, 4, 7]);
    expect([stop(machine), stop(machine)]).toEqual([14, 12]);
    expect(machine.cpu.run(10)).toBe(ExitReason.SYSCALL);
  });

  it("stops after each round of a repeated string instruction", () => {
    const machine = singleStepped("f3 aa 90"); // rep stosb; nop
    machine.map(DATA);
    machine.setReg(RDI, DATA);
    machine.setReg(RCX, 3);
    machine.setReg(RAX, 0xee);
    expect([stop(machine), machine.reg(RCX)]).toEqual([0, 2n]);
    expect([...machine.read(DATA, 2)]).toEqual([0xee, 0]);
    expect([stop(machine), machine.reg(RCX)]).toEqual([0, 1n]);
    expect([stop(machine), machine.reg(RCX)]).toEqual([2, 0n]);
    expect(stop(machine)).toBe(3);
    machine.cpu.state.rip = CODE;
    expect(stop(machine)).toBe(2);
  });

  it("begins one instruction after the POPF that sets TF, and ends after the one that clears it", () => {
    // 0: pushf; or dword [rsp],0x100; 8: popf; 9: inc eax; 11: pushf; 12: and dword [rsp],~0x100; 19: popf; 20: inc eax; syscall
    const machine = new TestMachine();
    machine.stack();
    machine.program("9c 81 0c 24 00 01 00 00 9d ff c0 9c 81 24 24 ff fe ff ff 9d ff c0 0f 05");
    expect([stop(machine), stop(machine), stop(machine), stop(machine)]).toEqual([11, 12, 19, 20]);
    expect(machine.cpu.run(100)).toBe(ExitReason.SYSCALL);
    expect(machine.reg(RAX)).toBe(2n);
    expect(machine.cpu.retired).toBe(8);
  });

  it("gives way to a fault of the instruction", () => {
    const machine = singleStepped("48 8b 03"); // mov rax,[rbx]
    machine.setReg(RBX, DATA);
    expect(machine.runToFault()).toEqual({ vector: 14, errorCode: 4, rip: CODE });
    machine.map(DATA);
    expect(stop(machine)).toBe(3);
  });

  it("does not stop at instructions that leave for other reasons", () => {
    const machine = singleStepped("0f 05");
    expect(machine.cpu.run(10)).toBe(ExitReason.SYSCALL);
    expect(machine.cpu.retired).toBe(0);
  });
});

describe("an execution breakpoint", () => {
  it.each([0, 1, 2, 3])("of DR%i strikes before its instruction, in the middle of a block", (register) => {
    const machine = new TestMachine();
    machine.program("ff c0 ff c0 ff c0 0f 05");
    breakpoint(machine, register, CODE + 4);
    expect(stop(machine)).toBe(4);
    expect(machine.reg(RAX)).toBe(2n);
    expect(machine.cpu.retired).toBe(2);
    expect(getState(machine, DR6) & 0xf).toBe(1 << register);
    // It strikes again, unless RF says that it was seen to.
    expect(stop(machine)).toBe(4);
    machine.cpu.state.rflags |= RF;
    expect(machine.cpu.run(100)).toBe(ExitReason.SYSCALL);
    expect(machine.cpu.state.rflags & RF).toBe(0);
  });

  it("strikes in every round of a loop", () => {
    const machine = new TestMachine();
    machine.program("ff c0 ff c9 75 fa 0f 05"); // inc eax; dec ecx; jnz; syscall
    machine.setReg(RCX, 3);
    breakpoint(machine, 0, CODE);
    for (let round = 0; round < 3; round++) {
      expect(stop(machine)).toBe(0);
      expect(machine.reg(RAX)).toBe(BigInt(round));
      machine.cpu.state.rflags |= RF;
    }
    expect(machine.cpu.run(100)).toBe(ExitReason.SYSCALL);
  });

  it("is met once by a repeated string instruction, and once by one that faults", () => {
    const machine = new TestMachine();
    machine.map(DATA);
    machine.program("90 f3 a4 0f 05"); // nop; rep movsb; syscall
    machine.setReg(RSI, DATA);
    machine.setReg(RDI, DATA + PAGE - 8);
    machine.setReg(RCX, 16);
    breakpoint(machine, 2, CODE + 1);
    expect(stop(machine)).toBe(1);
    machine.cpu.state.rflags |= RF;
    expect(machine.runToFault()).toEqual({ vector: 14, errorCode: 6, rip: CODE + 1 });
    expect(machine.reg(RCX)).toBe(8n);
    expect(machine.cpu.state.rflags & RF).toBe(RF);
    machine.map(DATA + PAGE);
    machine.map(DATA + 2 * PAGE);
    machine.setReg(RCX, 2 * PAGE);
    expect(machine.cpu.run(100)).toBe(ExitReason.SYSCALL);
  });

  it("tells of all registers that have it", () => {
    const machine = new TestMachine();
    machine.program("90 90");
    breakpoint(machine, 1, CODE + 1);
    breakpoint(machine, 3, CODE + 1);
    expect(stop(machine)).toBe(1);
    expect(getState(machine, DR6) & 0xf).toBe(0b1010);
  });

  it("leaves the program alone once it is taken away", () => {
    const machine = new TestMachine();
    machine.program("ff c0 ff c0 0f 05");
    breakpoint(machine, 0, CODE + 2);
    stop(machine);
    setState(machine, DR7, 0x400);
    expect(machine.cpu.run(100)).toBe(ExitReason.SYSCALL);
    expect(machine.reg(RAX)).toBe(2n);
  });
});

describe("breakpoint instructions", () => {
  it.each([
    ["int3", "90 cc", 3, 1],
    ["int1", "90 f1", 1, 1],
    ["int 0x80", "90 cd 80", 0x80, 2],
  ])("%s leaves with RIP at it", (_name, code, vector, length) => {
    const machine = new TestMachine();
    machine.program(code);
    expect(machine.cpu.run(10)).toBe(ExitReason.SOFT_INT);
    expect(machine.cpu.state.exitVector).toBe(vector);
    expect(machine.cpu.state.exitLength).toBe(length);
    expect(machine.cpu.state.rip).toBe(CODE + 1);
    expect(machine.cpu.retired).toBe(1);
  });
});

it("a hook can stop the run behind its instruction", () => {
  const machine: TestMachine = new TestMachine({
    hooks: {
      rdtsc: () => {
        machine.cpu.requestStop();
        return 1;
      },
    },
  });
  machine.map(STACK);
  machine.program(`90 0f 31 ${"ff c1".repeat(100)} 0f 05`); // nop; rdtsc; inc ecx…
  expect(machine.cpu.run(1000)).toBe(ExitReason.STOPPED);
  expect(machine.cpu.state.rip).toBe(CODE + 3);
  expect(machine.cpu.retired).toBe(2);
  expect(machine.cpu.run(1000)).toBe(ExitReason.SYSCALL);
  expect(machine.reg(RCX)).toBe(100n);
});
