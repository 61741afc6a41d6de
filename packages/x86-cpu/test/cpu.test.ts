import { expect, it } from "vitest";
import { ExitReason } from "../src/index.ts";
import { TestMachine } from "./machine.ts";

const CODE = 0x400000;

function hex(text: string): number[] {
  return text
    .trim()
    .split(/\s+/)
    .map((byte) => Number.parseInt(byte, 16));
}

it("counts in a loop and stops at a system call", () => {
  const machine = new TestMachine();
  machine.map(CODE);
  // xor eax,eax; mov ecx,1000; add rax,rcx; dec ecx; jnz -7; syscall
  machine.write(CODE, hex("31 c0 b9 e8 03 00 00 48 01 c8 ff c9 75 f9 0f 05"));
  machine.cpu.state.rip = CODE;
  expect(machine.cpu.run(100_000)).toBe(ExitReason.SYSCALL);
  expect(machine.cpu.state.reg(0)).toBe(500500n);
  expect(machine.cpu.state.rip).toBe(CODE + 14);
  expect(machine.cpu.retired).toBe(2 + 3000);
});
