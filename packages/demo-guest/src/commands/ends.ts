import { type Assembler, edi } from "@xen-node/x86-assembler";
import { __HYPERVISOR_set_trap_table, SHUTDOWN_poweroff } from "@xen-node/xen-abi";
import { callWithText, hypercall } from "../hypercall.ts";

/** The ends of the guest. */
export function emitEnds(a: Assembler): void {
  a.label("halt");
  callWithText(a, "print", "Good bye.\n");
  a.mov(edi, SHUTDOWN_poweroff);
  a.jmp("shutdown");

  // A table of none takes all handlers back.
  a.label("crash");
  callWithText(a, "print", "An invalid opcode, and no handler for it: Xen will tell the rest.\n");
  a.call("console_flush");
  a.op("xor", edi, edi);
  hypercall(a, __HYPERVISOR_set_trap_table);
  a.emit("ud2");
}
