import {
  type Assembler,
  byte,
  dword,
  ecx,
  edi,
  edx,
  esi,
  qword,
  r8,
  r9d,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
} from "@xen-node/x86-assembler";
import { __HYPERVISOR_set_timer_op, structs } from "@xen-node/xen-abi";
import { SHARED_INFO } from "./domain.ts";
import { callWithText, hypercall } from "./hypercall.ts";

const time = structs.vcpu_info.offsets;

export const NS_PER_MS = 1_000_000;
export const NS_PER_SECOND = 1_000_000_000;

/** Time by the vcpu's clock page (xen/include/public/xen.h, vcpu_time_info), and its timer. */
export function emitClock(a: Assembler): void {
  // -> nanoseconds since the domain's machine was started.
  a.label("now");
  a.lea(r8, qword(SHARED_INFO));
  a.label("now.again");
  // Odd while Xen writes, and another number when it has.
  a.mov(r9d, dword(r8, time["time.version"]));
  a.bit("bt", r9d, 0);
  a.jump("b", "now.again");
  a.emit("rdtsc");
  a.shift("shl", rdx, 32);
  a.op("or", rax, rdx);
  a.op("sub", rax, qword(r8, time["time.tsc_timestamp"]));
  a.movsx(ecx, byte(r8, time["time.tsc_shift"]));
  a.test(ecx, ecx);
  a.jump("s", "now.right");
  a.shift("shl", rax, "cl");
  a.jmp("now.scale");
  a.label("now.right");
  a.unary("neg", ecx);
  a.shift("shr", rax, "cl");
  a.label("now.scale");
  a.mov(ecx, dword(r8, time["time.tsc_to_system_mul"]));
  a.unary("mul", rcx);
  a.shift("shr", rax, 32);
  a.shift("shl", rdx, 32);
  a.op("or", rax, rdx);
  a.op("add", rax, qword(r8, time["time.system_time"]));
  a.op("cmp", r9d, dword(r8, time["time.version"]));
  a.jump("ne", "now.again");
  a.emit("ret");

  // rdi: nanoseconds from now. The timer's event sets timer_fired then.
  a.label("set_timer");
  a.push(rdi);
  a.call("now");
  a.pop(rdi);
  a.op("add", rdi, rax);
  hypercall(a, __HYPERVISOR_set_timer_op);
  a.emit("ret");

  // rdi: nanoseconds to sleep.
  a.label("sleep");
  a.call("set_timer");
  a.call("console_flush");
  a.label("sleep.again");
  a.call("events_disable");
  a.op("cmp", byte("timer_fired"), 0);
  a.jump("ne", "sleep.done");
  a.call("block");
  a.jmp("sleep.again");
  a.label("sleep.done");
  a.mov(byte("timer_fired"), 0);
  a.jmp("events_enable");

  // rdi: nanoseconds. Prints seconds with three digits behind the point.
  a.label("print_seconds");
  a.push(rbx);
  a.mov(rax, rdi);
  a.op("xor", edx, edx);
  a.mov(ecx, NS_PER_MS);
  a.unary("div", rcx);
  a.op("xor", edx, edx);
  a.mov(ecx, 1000);
  a.unary("div", rcx);
  a.mov(rbx, rdx);
  a.mov(rdi, rax);
  a.call("print_decimal");
  a.mov(edi, ".".charCodeAt(0));
  a.call("put");
  a.mov(rdi, rbx);
  a.mov(esi, 3);
  a.call("print_padded");
  a.pop(rbx);
  a.emit("ret");

  // Begins a line with the time since the start.
  a.label("print_time");
  callWithText(a, "print", "[");
  a.call("now");
  a.mov(rdi, rax);
  a.call("print_seconds");
  callWithText(a, "print", " s] ");
  a.emit("ret");
}
