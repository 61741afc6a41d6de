import { expect, it } from "vitest";
import { CodeMode } from "../src/code-mode.ts";
import { CODE, RAX, RBX, TestMachine } from "./machine.ts";

it("decodes nothing twice: a block ends where another one begins", () => {
  const machine = new TestMachine({ translator: false });
  machine.program("ff c0 ff c0 ff c3 0f 05"); // inc eax; inc eax; inc ebx; syscall
  for (const start of [CODE + 4, CODE]) {
    machine.cpu.state.rip = start;
    machine.runToSyscall();
  }
  expect([machine.reg(RAX), machine.reg(RBX), machine.cpu.retired]).toEqual([2n, 2n, 4]);
  const block = machine.cpu.code.blockAt(machine.space.frameAt(CODE), 0, CodeMode.LONG);
  expect(block?.instructions).toBe(2);
});
