import { expect, it } from "vitest";
import { ExitReason } from "../src/index.ts";
import { TestMachine } from "./machine.ts";

const CODE = 0x400000;
const PAGE = 4096;
const RAX = 0;

/** inc eax; inc eax; inc eax; syscall — with the second one's page and offset. */
function program(at = CODE) {
  const machine = new TestMachine();
  const mfn = machine.map(CODE);
  machine.map(CODE + PAGE);
  machine.write(at, [0xff, 0xc0, 0xff, 0xc0, 0xff, 0xc0, 0x0f, 0x05]);
  const run = (budget = 1000): number => machine.cpu.run(budget);
  const start = (): void => {
    machine.cpu.state.rip = at;
    machine.cpu.state.setReg(RAX, 0, 0);
  };
  start();
  return { machine, mfn, run, start, owner: machine.mmu.frames.owner[mfn] };
}

it("a breakpoint is an INT3 that memory does not show", () => {
  const { machine, mfn, run, start, owner } = program();
  const { cpu } = machine;
  expect(run()).toBe(ExitReason.SYSCALL);
  cpu.code.setBreakpoint(mfn, 2, owner);
  for (const budget of [1000, 2]) {
    start();
    expect(run(budget)).toBe(ExitReason.SOFT_INT);
    expect(cpu.state.exitVector).toBe(3);
    expect(cpu.state.exitLength).toBe(1);
    expect(cpu.state.rip).toBe(CODE + 2);
    expect(cpu.state.reg(RAX)).toBe(1n);
  }
  expect([...machine.read(CODE, 4)]).toEqual([0xff, 0xc0, 0xff, 0xc0]);
  cpu.code.clearBreakpoint(mfn, 2);
  expect(run()).toBe(ExitReason.SYSCALL);
  expect(cpu.state.reg(RAX)).toBe(3n);
});

it("outlives writes over it, and is none in the middle of an instruction", () => {
  const { machine, mfn, run, owner } = program();
  machine.cpu.code.setBreakpoint(mfn, 2, owner);
  machine.cpu.code.setBreakpoint(mfn, 1, owner);
  machine.write(CODE + 2, [0x90, 0x90]);
  expect(run()).toBe(ExitReason.SOFT_INT);
  expect(machine.cpu.state.rip).toBe(CODE + 2);
});

it("is none any more when the frame is another domain's", () => {
  const { machine, mfn, run, owner } = program();
  machine.cpu.code.setBreakpoint(mfn, 2, owner + 1);
  expect(run()).toBe(ExitReason.SYSCALL);
});

it("works where an instruction crosses into the next page", () => {
  const { machine, mfn, run, owner } = program(CODE + PAGE - 3);
  machine.cpu.code.setBreakpoint(mfn, PAGE - 1, owner);
  expect(run()).toBe(ExitReason.SOFT_INT);
  expect(machine.cpu.state.rip).toBe(CODE + PAGE - 1);
  machine.cpu.code.clearBreakpoint(mfn, PAGE - 1);
  expect(run()).toBe(ExitReason.SYSCALL);
  expect(machine.cpu.state.reg(RAX)).toBe(3n);
});
