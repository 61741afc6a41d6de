import { type Assembler, eax, edi, qword, rdi, rsi } from "@xen-node/x86-assembler";

/** Calls Xen with what is in RDI, RSI, RDX, R10 and R8. The result is in RAX; RCX and R11 are lost. */
export function hypercall(a: Assembler, number: number): void {
  a.mov(eax, number);
  a.emit("syscall");
}

/** Calls Xen with a command and the address of its argument. */
export function hypercallWith(a: Assembler, number: number, command: number, argument: string): void {
  a.mov(edi, command);
  a.lea(rsi, qword(argument));
  hypercall(a, number);
}

/** Loads the address of a text into RDI and calls a routine. */
export function callWithText(a: Assembler, routine: string, text: string): void {
  a.lea(rdi, qword(a.text(text)));
  a.call(routine);
}
