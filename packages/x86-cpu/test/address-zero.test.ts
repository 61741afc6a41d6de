import { expect, it } from "vitest";
import { AddressSpace } from "../src/index.ts";
import { CODE, hex, RAX, RBX, TestMachine } from "./machine.ts";

/** Where GRUB's PV image begins: what empty entries of a jump cache seem to be of. */
const ZERO = 0;

it("a program that begins at address 0 does not become the target of another one's last jump", () => {
  const machine = new TestMachine({ translator: false });
  // jmp +2; ud2; inc eax; syscall
  machine.program("eb 02 0f 0b ff c0 0f 05");
  machine.runToSyscall();

  const other = new AddressSpace(machine.mmu, 2);
  other.map(ZERO);
  other.write(ZERO, hex("ff c3 0f 05")); // inc ebx; syscall
  machine.activate(other);
  machine.cpu.state.rip = ZERO;
  machine.runToSyscall();

  machine.activate();
  machine.cpu.state.rip = CODE;
  machine.runToSyscall();
  expect([machine.reg(RAX), machine.reg(RBX)]).toEqual([2n, 1n]);
});
