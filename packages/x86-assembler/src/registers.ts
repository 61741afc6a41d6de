import type { OperandSize, Register } from "./operands.ts";

const register = (size: OperandSize, number: number): Register => ({ kind: "register", size, number });

export const rax: Register = register(8, 0);
export const rcx: Register = register(8, 1);
export const rdx: Register = register(8, 2);
export const rbx: Register = register(8, 3);
export const rsp: Register = register(8, 4);
export const rbp: Register = register(8, 5);
export const rsi: Register = register(8, 6);
export const rdi: Register = register(8, 7);
export const r8: Register = register(8, 8);
export const r9: Register = register(8, 9);
export const r10: Register = register(8, 10);
export const r11: Register = register(8, 11);
export const r12: Register = register(8, 12);
export const r13: Register = register(8, 13);
export const r14: Register = register(8, 14);
export const r15: Register = register(8, 15);

export const eax: Register = register(4, 0);
export const ecx: Register = register(4, 1);
export const edx: Register = register(4, 2);
export const ebx: Register = register(4, 3);
export const esp: Register = register(4, 4);
export const ebp: Register = register(4, 5);
export const esi: Register = register(4, 6);
export const edi: Register = register(4, 7);
export const r8d: Register = register(4, 8);
export const r9d: Register = register(4, 9);
export const r10d: Register = register(4, 10);
export const r11d: Register = register(4, 11);
export const r12d: Register = register(4, 12);
export const r13d: Register = register(4, 13);
export const r14d: Register = register(4, 14);
export const r15d: Register = register(4, 15);

export const ax: Register = register(2, 0);
export const cx: Register = register(2, 1);
export const dx: Register = register(2, 2);
export const bx: Register = register(2, 3);

export const al: Register = register(1, 0);
export const cl: Register = register(1, 1);
export const dl: Register = register(1, 2);
export const bl: Register = register(1, 3);
export const sil: Register = register(1, 6);
export const dil: Register = register(1, 7);
export const r8b: Register = register(1, 8);
export const r9b: Register = register(1, 9);
export const r12b: Register = register(1, 12);
export const r13b: Register = register(1, 13);
