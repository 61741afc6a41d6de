import { type Assembler, eax, edi, esi, qword, r11, rax, rcx, rdi, rsp } from "@xen-node/x86-assembler";
import { __HYPERVISOR_iret, __HYPERVISOR_set_trap_table, FLAT_KERNEL_CS, SHUTDOWN_crash } from "@xen-node/xen-abi";
import { vcpuInfo } from "./domain.ts";
import { callWithText, hypercall } from "./hypercall.ts";

/** Divide error, invalid opcode, general protection, page fault. */
const HANDLED = [
  { vector: 0, hasErrorCode: false },
  { vector: 6, hasErrorCode: false },
  { vector: 13, hasErrorCode: true },
  { vector: 14, hasErrorCode: true },
] as const;

/** Vector, error code, rip: where they lie when `exception` runs. */
const FRAME = { vector: 0, error: 8, rip: 16 } as const;

/**
 * Exceptions. One that is expected, because `resume_at` holds an address, is noted and the guest goes on there; any other ends
 * the guest as crashed.
 */
export function emitExceptions(a: Assembler): void {
  a.reserve("resume_at", 8);
  a.reserve("caught_vector", 8);
  a.reserve("caught_error", 8);

  // struct trap_info, up to one whose address is 0.
  a.align(8);
  a.label("trap_table");
  for (const { vector } of HANDLED) {
    a.integer(1, vector);
    a.integer(1, 0);
    a.integer(2, FLAT_KERNEL_CS);
    a.align(8);
    a.address(`exception ${vector}`);
  }
  for (let i = 0; i < 2; i++) a.integer(8, 0);

  a.label("exceptions_init");
  a.lea(rdi, qword("trap_table"));
  hypercall(a, __HYPERVISOR_set_trap_table);
  a.emit("ret");

  for (const { vector, hasErrorCode } of HANDLED) {
    a.label(`exception ${vector}`);
    a.pop(rcx);
    a.pop(r11);
    if (!hasErrorCode) a.push(0);
    a.push(vector);
    a.jmp("exception");
  }
  a.label("exception");
  a.op("cmp", qword("resume_at"), 0);
  a.jump("e", "exception.unexpected");
  a.mov(rax, qword(rsp, FRAME.vector));
  a.mov(qword("caught_vector"), rax);
  a.mov(rax, qword(rsp, FRAME.error));
  a.mov(qword("caught_error"), rax);
  a.op("xor", eax, eax);
  a.xchg(qword("resume_at"), rax);
  a.mov(qword(rsp, FRAME.rip), rax);
  // The frame of HYPERVISOR_iret: rax, r11, rcx, flags, rip, ...; who resumes expects no register to be kept.
  a.mov(qword(rsp, FRAME.error), 0);
  a.mov(qword(rsp, FRAME.vector), rcx);
  a.push(r11);
  a.push(rax);
  a.mov(eax, __HYPERVISOR_iret);
  a.emit("syscall");

  a.label("exception.unexpected");
  callWithText(a, "print", "\nexception ");
  a.mov(rdi, qword(rsp, FRAME.vector));
  a.call("print_decimal");
  callWithText(a, "print", ", error code ");
  printHexFrom(a, () => a.mov(rdi, qword(rsp, FRAME.error)), 1);
  callWithText(a, "print", ", at ");
  printHexFrom(a, () => a.mov(rdi, qword(rsp, FRAME.rip)), 16);
  callWithText(a, "print", ", last faulting address ");
  printHexFrom(a, () => a.mov(rdi, vcpuInfo(qword, "arch.cr2")), 16);
  callWithText(a, "print", "\n");
  a.mov(edi, SHUTDOWN_crash);
  a.jmp("shutdown");
}

function printHexFrom(a: Assembler, load: () => void, digits: number): void {
  load();
  a.mov(esi, digits);
  a.call("print_hex");
}
