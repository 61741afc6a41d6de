import {
  type Assembler,
  byte,
  dword,
  eax,
  ebx,
  ecx,
  edi,
  edx,
  esi,
  qword,
  r8,
  r12,
  r12d,
  r13,
  r13d,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
} from "@xen-node/x86-assembler";
import { NS_PER_SECOND } from "../clock.ts";
import { sharedInfo } from "../domain.ts";
import { callWithText } from "../hypercall.ts";

const DAY_SECONDS = 86_400;
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Time since the start, and the date by the wall clock of shared_info. */
export function emitTime(a: Assembler): void {
  a.label("time");
  a.call("print_time");
  a.call("print_date");
  callWithText(a, "print", "; upcalls so far: ");
  a.mov(rdi, qword("upcalls"));
  a.call("print_decimal");
  callWithText(a, "print", "\n");
  a.emit("ret");

  // -> seconds since 1970.
  a.label("wall_clock");
  a.call("now");
  a.mov(r8, rax);
  a.label("wall_clock.again");
  a.mov(ecx, sharedInfo(dword, "wc_version"));
  a.bit("bt", ecx, 0);
  a.jump("b", "wall_clock.again");
  a.mov(eax, sharedInfo(dword, "wc_nsec"));
  a.op("add", rax, r8);
  a.op("xor", edx, edx);
  a.mov(edi, NS_PER_SECOND);
  a.unary("div", rdi);
  a.mov(edx, sharedInfo(dword, "wc_sec_hi"));
  a.shift("shl", rdx, 32);
  a.op("add", rax, rdx);
  a.mov(edx, sharedInfo(dword, "wc_sec"));
  a.op("add", rax, rdx);
  a.op("cmp", ecx, sharedInfo(dword, "wc_version"));
  a.jump("ne", "wall_clock.again");
  a.emit("ret");

  a.label("days_of_months");
  a.data(DAYS);
  emitDate(a);
}

function emitDate(a: Assembler): void {
  a.label("print_date");
  for (const register of [rbx, r12, r13]) a.push(register);
  a.call("wall_clock");
  a.op("xor", edx, edx);
  a.mov(ecx, DAY_SECONDS);
  a.unary("div", rcx);
  // r13: second of the day; rax: days that are left; ebx: year.
  a.mov(r13, rdx);
  a.mov(ebx, 1970);
  a.label("print_date.year");
  a.call("is_leap");
  a.op("add", ecx, 365);
  a.op("cmp", eax, ecx);
  a.jump("b", "print_date.months");
  a.op("sub", eax, ecx);
  a.inc(ebx);
  a.jmp("print_date.year");

  // r12d: month, 0 for January.
  a.label("print_date.months");
  a.op("xor", r12d, r12d);
  a.lea(r8, qword("days_of_months"));
  a.label("print_date.month");
  a.op("xor", ecx, ecx);
  a.op("cmp", r12d, 1);
  a.jump("ne", "print_date.length");
  a.call("is_leap");
  a.label("print_date.length");
  a.movzx(edx, byte(r8, 0, { register: r12, scale: 1 }));
  a.op("add", edx, ecx);
  a.op("cmp", eax, edx);
  a.jump("b", "print_date.print");
  a.op("sub", eax, edx);
  a.inc(r12d);
  a.jmp("print_date.month");

  a.label("print_date.print");
  a.push(rax);
  a.mov(edi, ebx);
  a.call("print_decimal");
  callWithText(a, "print", "-");
  a.lea(rdi, qword(r12, 1));
  printTwoDigits(a);
  callWithText(a, "print", "-");
  a.pop(rdi);
  a.inc(rdi);
  printTwoDigits(a);
  callWithText(a, "print", " ");
  a.mov(eax, r13d);
  a.op("xor", edx, edx);
  a.mov(ecx, 3600);
  a.unary("div", ecx);
  a.mov(r12d, edx);
  a.mov(edi, eax);
  printTwoDigits(a);
  callWithText(a, "print", ":");
  a.mov(eax, r12d);
  a.op("xor", edx, edx);
  a.mov(ecx, 60);
  a.unary("div", ecx);
  a.mov(r12d, edx);
  a.mov(edi, eax);
  printTwoDigits(a);
  callWithText(a, "print", ":");
  a.mov(edi, r12d);
  printTwoDigits(a);
  callWithText(a, "print", " UTC");
  for (const register of [r13, r12, rbx]) a.pop(register);
  a.emit("ret");

  // ebx: year -> ecx: 1 in leap years, else 0. No year before 2100 is an exception.
  a.label("is_leap");
  a.op("xor", ecx, ecx);
  a.mov(edx, ebx);
  a.op("and", edx, 3);
  a.jump("ne", "is_leap.done");
  a.inc(ecx);
  a.label("is_leap.done");
  a.emit("ret");
}

function printTwoDigits(a: Assembler): void {
  a.mov(esi, 2);
  a.call("print_padded");
}
