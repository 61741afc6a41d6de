// Runs a loop over memory that is not there yet: each page fault gets its page, and the program goes on.
import { Mmu } from "@xen-node/mmu";
import { AddressSpace, Cpu, ExitReason, VECTOR } from "../src/index.ts";

const cpu = new Cpu(new Mmu());
const space = new AddressSpace(cpu.mmu);
cpu.setAddressSpace(space.activate(), space.l4Mfn);
space.map(0x1000);
// add [rbx],rcx; add rbx,0x800; dec ecx; jnz to the start; syscall
space.write(0x1000, [0x48, 1, 0x0b, 0x48, 0x81, 0xc3, 0, 8, 0, 0, 0xff, 0xc9, 0x75, 0xf2, 0x0f, 0x05]);
cpu.state.rip = 0x1000;
cpu.state.setReg(1, 10, 0); // RCX
cpu.state.setReg(3, 0x7fff0000, 0); // RBX
while (cpu.run(1_000_000) === ExitReason.EXCEPTION && cpu.state.exitVector === VECTOR.PF) {
  console.log(`fault at ${cpu.state.cr2.toString(16)}, error code ${cpu.state.exitErrorCode}`);
  space.map(cpu.state.cr2);
}
console.log(`${cpu.retired} instructions to ${cpu.state.rip.toString(16)}; ${space.read(0x7fff0800, 1)[0]}`);
