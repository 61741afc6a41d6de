import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExitReason } from "../src/index.ts";
import { CODE, DATA, hex, PAGE, RBX, RCX, RDI, RSP, STACK, TestMachine } from "./machine.ts";
import { RandomRun, randomProgram } from "./random-program.ts";

describe("budgets", () => {
  it("do not change what a program does, whatever pieces it is run in", () => {
    fc.assert(
      fc.property(
        randomProgram,
        fc.array(fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 60, max: 70 })), { minLength: 1 }),
        (program, pieces) => {
          const whole = new RandomRun(program);
          const parts = new RandomRun(program);
          let total = 0;
          let piece = 0;
          const reason = parts.run(() => {
            const budget = pieces[piece++ % pieces.length];
            total += budget;
            return budget;
          });
          expect(whole.run(() => (reason === ExitReason.BUDGET ? total : 1_000_000))).toBe(reason);
          if (reason === ExitReason.EXCEPTION) expect(whole.machine.fault).toEqual(parts.machine.fault);
          expect(whole.outcome).toEqual(parts.outcome);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("count each round of a hot loop", () => {
    const machine = new TestMachine();
    machine.program("48 ff c0 48 ff c0 eb f8"); // inc rax; inc rax; jmp to the first
    for (const budget of [1, 2, 3, 63, 64, 65, 66, 127, 1000, 100_001]) {
      const before = machine.cpu.retired;
      expect(machine.cpu.run(budget)).toBe(ExitReason.BUDGET);
      expect(machine.cpu.retired - before).toBe(budget);
    }
    const { retired } = machine.cpu;
    expect(machine.reg(0)).toBe(BigInt(Math.floor(retired / 3) * 2 + Math.min(retired % 3, 2)));
  });

  it("of 0 execute nothing, and may exceed 32 bits", () => {
    const machine = new TestMachine();
    machine.program("ff c9 75 fc 0f 05"); // dec ecx; jnz; syscall
    machine.setReg(RCX, 1000);
    expect(machine.cpu.run(0)).toBe(ExitReason.BUDGET);
    expect(machine.cpu.retired).toBe(0);
    expect(machine.cpu.run(2 ** 40)).toBe(ExitReason.SYSCALL);
    expect(machine.cpu.retired).toBe(2000);
    machine.cpu.state.rip = CODE;
    machine.setReg(RCX, 1000);
    expect(machine.cpu.run(Number.POSITIVE_INFINITY)).toBe(ExitReason.SYSCALL);
    expect(machine.cpu.retired).toBe(4000);
  });

  it("are not overrun where code is overwritten in the middle of a block", () => {
    const machine = new TestMachine();
    machine.map(DATA);
    // 60 × nop; mov byte [rip+1],0x90 (over the next instruction but one); 3 × nop; 64 × inc rax; syscall
    const nops = "90".repeat(60);
    machine.program(`${nops} c6 05 01 00 00 00 90 90 90 90 ${"48 ff c0".repeat(64)} 0f 05`);
    expect(machine.cpu.run(66)).toBe(ExitReason.BUDGET);
    expect(machine.cpu.retired).toBe(66);
    expect(machine.reg(0)).toBe(2n);
  });

  it("count a repeated string instruction once for each chunk", () => {
    const machine = new TestMachine();
    machine.map(DATA);
    machine.map(DATA + PAGE);
    machine.program("f3 aa 0f 05"); // rep stosb; syscall
    machine.setReg(RDI, DATA + 0x800);
    machine.setReg(RCX, 0x1000);
    expect(machine.cpu.run(1)).toBe(ExitReason.BUDGET);
    expect(machine.cpu.state.rip).toBe(CODE);
    expect(machine.reg(RCX)).toBe(0x800n);
    expect(machine.cpu.run(100)).toBe(ExitReason.SYSCALL);
    expect(machine.cpu.retired).toBe(2);
  });
});

describe("instructions retired", () => {
  it.each([0, 1, 5, 63, 64, 65, 200])("are counted up to a fault behind %i others", (count) => {
    const machine = new TestMachine();
    machine.program([...new Array(count).fill(0x90), ...hex("48 8b 03 90 90")]); // mov rax,[rbx]
    machine.setReg(RBX, DATA);
    expect(machine.runToFault()).toEqual({ vector: 14, errorCode: 4, rip: CODE + count });
    expect(machine.cpu.retired).toBe(count);
    // Once the page is there, it goes on from that instruction.
    machine.map(DATA);
    machine.write64(DATA, 77n);
    expect(machine.cpu.run(1)).toBe(ExitReason.BUDGET);
    expect(machine.reg(0)).toBe(77n);
    expect(machine.cpu.retired).toBe(count + 1);
  });

  it("do not include a call whose stack is missing, nor a jump's missing target", () => {
    const machine = new TestMachine();
    machine.program("90 90 e8 00 10 00 00");
    machine.setReg(RSP, STACK);
    expect(machine.runToFault()).toEqual({ vector: 14, errorCode: 6, rip: CODE + 2 });
    expect(machine.cpu.retired).toBe(2);
    machine.stack();
    expect(machine.runToFault()).toEqual({ vector: 14, errorCode: 0x14, rip: CODE + 0x1007 });
    expect(machine.cpu.retired).toBe(3);
    expect(machine.reg(RSP)).toBe(BigInt(STACK + 0x7f8));
  });
});
