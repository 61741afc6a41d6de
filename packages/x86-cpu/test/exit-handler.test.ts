import { describe, expect, it } from "vitest";
import { CHARGED, ExitAnswer, ExitReason, RIP } from "../src/index.ts";
import { CODE, RAX, RCX, TestMachine } from "./machine.ts";

/** dec ecx; syscall; jnz to the start; hlt */
const LOOP = "ff c9 0f 05 75 fa f4";
const SYSCALL_BYTES = 2;

/** Goes behind the instruction, as whoever deals with a SYSCALL does. */
function skip({ cpu }: TestMachine): void {
  cpu.state.rip += SYSCALL_BYTES;
}

describe("exits that are dealt with while the processor runs", () => {
  it("do not end the run, and cost what their handler says", () => {
    const machine = new TestMachine();
    machine.program(LOOP);
    const { cpu } = machine;
    const rounds = 1000;
    machine.setReg(RCX, rounds);
    const seen: number[] = [];
    cpu.exitHandler = (reason) => {
      if (reason !== ExitReason.SYSCALL) return ExitAnswer.REFUSED;
      seen.push(cpu.retired);
      skip(machine);
      return 10;
    };
    expect(cpu.run(1_000_000)).toBe(ExitReason.PRIVILEGED);
    // One instruction before the first SYSCALL, which does not count as retired; two more before each other.
    expect(seen).toEqual(Array.from({ length: rounds }, (_, i) => 1 + 2 * i));
    expect(cpu.retired).toBe(2 * rounds);
  });

  it("use up the budget", () => {
    for (const budget of [100, 5000]) {
      const machine = new TestMachine();
      machine.program(LOOP);
      machine.setReg(RCX, 1_000_000);
      let exits = 0;
      machine.cpu.exitHandler = () => {
        exits++;
        skip(machine);
        return 98;
      };
      expect(machine.cpu.run(budget)).toBe(ExitReason.BUDGET);
      expect(exits).toBe(budget / 100);
    }
  });

  it("end the run where the handler leaves, refuses, or throws", () => {
    const machine = new TestMachine();
    machine.program(LOOP);
    const { cpu } = machine;
    machine.setReg(RCX, 1000);
    cpu.exitHandler = () => {
      skip(machine);
      return ExitAnswer.LEAVE;
    };
    expect(cpu.run(10_000)).toBe(ExitReason.STOPPED);
    expect(cpu.state.rip).toBe(CODE + 4);
    cpu.exitHandler = () => ExitAnswer.REFUSED;
    expect(cpu.run(10_000)).toBe(ExitReason.SYSCALL);
    expect(cpu.state.rip).toBe(CODE + 2);
    cpu.exitHandler = () => {
      throw new Error("no");
    };
    expect(() => cpu.run(10_000)).toThrow("no");
    cpu.exitHandler = undefined;
    expect(cpu.run(10_000)).toBe(ExitReason.SYSCALL);
    expect(cpu.retired).toBe(3);
  });

  it("may run the processor themselves, whose exits are their own", () => {
    const machine = new TestMachine();
    // dec ecx; syscall; nop; syscall; jnz to the start; hlt
    machine.program("ff c9 0f 05 90 0f 05 75 f7 f4");
    const { cpu } = machine;
    machine.setReg(RCX, 100);
    const inner: ExitReason[] = [];
    cpu.exitHandler = (reason) => {
      if (reason !== ExitReason.SYSCALL) return ExitAnswer.REFUSED;
      skip(machine);
      // The next instruction, or the SYSCALL after it.
      if (cpu.state.rip === CODE + 4) inner.push(cpu.run(1), cpu.run(5000));
      skip(machine);
      return 0;
    };
    expect(cpu.run(100_000)).toBe(ExitReason.PRIVILEGED);
    expect(inner).toEqual(Array(100).fill([ExitReason.BUDGET, ExitReason.SYSCALL]).flat());
    expect(cpu.retired).toBe(300);
  });

  it("go on in whatever code there is afterwards, and one instruction at a time if TF is set", () => {
    const machine = new TestMachine();
    machine.program("0f 05 48 ff c0 48 ff c0 f4"); // syscall; inc rax; inc rax; hlt
    const { cpu } = machine;
    let exits = 0;
    cpu.exitHandler = (reason) => {
      if (reason !== ExitReason.SYSCALL) return ExitAnswer.REFUSED;
      exits++;
      skip(machine);
      cpu.state.rflags |= 0x100;
      return 0;
    };
    machine.setReg(RAX, 0);
    expect(cpu.run(10_000)).toBe(ExitReason.EXCEPTION);
    expect(cpu.state.exitVector).toBe(1);
    expect([exits, machine.reg(RAX)]).toEqual([1, 1n]);
  });
});

describe("system calls that need no exit", () => {
  it("take their price out of the budget and are no instructions", () => {
    let calls = 0;
    const machine: TestMachine = new TestMachine({
      systemCall: (budget, rflags) => {
        if (budget < 1000) return -1;
        calls++;
        // ZF is what DEC made it.
        expect((rflags & 0x40) !== 0).toBe(machine.reg(RCX) === 0n);
        const { i32 } = machine.mmu.memory;
        i32[RIP >> 2] += SYSCALL_BYTES;
        i32[CHARGED >> 2] += 50;
        return budget - 50;
      },
    });
    machine.program(LOOP);
    machine.setReg(RCX, 100);
    expect(machine.cpu.run(100_000)).toBe(ExitReason.PRIVILEGED);
    expect(calls).toBe(100);
    expect(machine.cpu.retired).toBe(200);
    machine.cpu.state.rip = CODE;
    machine.setReg(RCX, 1_000_000);
    expect(machine.cpu.run(10_000)).toBe(ExitReason.SYSCALL);
    // The last ones had less than 1000 left.
    expect(calls).toBe(100 + Math.ceil((10_000 - 1000 - 1) / 52));
  });
});
