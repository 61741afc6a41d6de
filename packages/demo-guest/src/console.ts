import {
  type Assembler,
  al,
  bl,
  byte,
  dil,
  dword,
  eax,
  ecx,
  edi,
  edx,
  esi,
  qword,
  r8,
  rax,
  rbx,
  rdi,
  rdx,
} from "@xen-node/x86-assembler";
import { __HYPERVISOR_sched_op, SCHEDOP_yield, structs, XENCONS_IN_SIZE, XENCONS_OUT_SIZE } from "@xen-node/xen-abi";
import { START_INFO, startInfo } from "./domain.ts";
import { hypercall } from "./hypercall.ts";

const ring = structs.xencons_interface.offsets;

/** The PV console: the page of xen/include/public/io/console.h that the guest shares with Dom0. */
export function emitConsole(a: Assembler): void {
  a.reserve("console_ring", 8);

  a.label("console_init");
  a.mov(rdi, qword(START_INFO));
  a.mov(rdi, startInfo(rdi, "console.domU.mfn"));
  a.call("frame_address");
  a.mov(qword("console_ring"), rax);
  a.emit("ret");

  // Tells Dom0 that the ring has changed.
  a.label("console_flush");
  a.mov(rax, qword(START_INFO));
  a.mov(edi, startInfo(rax, "console.domU.evtchn", dword));
  a.jmp("event_send");

  // dil: byte. Waits while the ring is full.
  a.label("put");
  a.push(rbx);
  a.mov(bl, dil);
  a.label("put.again");
  a.mov(r8, qword("console_ring"));
  a.mov(eax, dword(r8, ring.out_prod));
  a.mov(ecx, eax);
  a.op("sub", ecx, dword(r8, ring.out_cons));
  a.op("cmp", ecx, XENCONS_OUT_SIZE);
  a.jump("b", "put.room");
  a.call("console_flush");
  a.mov(edi, SCHEDOP_yield);
  a.op("xor", esi, esi);
  hypercall(a, __HYPERVISOR_sched_op);
  a.jmp("put.again");
  a.label("put.room");
  a.mov(edx, eax);
  a.op("and", edx, XENCONS_OUT_SIZE - 1);
  a.mov(byte(r8, ring.out, { register: rdx, scale: 1 }), bl);
  a.inc(eax);
  a.mov(dword(r8, ring.out_prod), eax);
  a.pop(rbx);
  a.emit("ret");

  // -> the next byte that was typed, or -1.
  a.label("get");
  a.mov(r8, qword("console_ring"));
  a.mov(ecx, dword(r8, ring.in_cons));
  a.op("cmp", ecx, dword(r8, ring.in_prod));
  a.jump("e", "get.none");
  a.mov(edx, ecx);
  a.op("and", edx, XENCONS_IN_SIZE - 1);
  a.movzx(eax, byte(r8, ring.in, { register: rdx, scale: 1 }));
  a.inc(ecx);
  a.mov(dword(r8, ring.in_cons), ecx);
  a.emit("ret");
  a.label("get.none");
  a.mov(rax, -1);
  a.emit("ret");

  // -> al is 1 if something was typed.
  a.label("has_input");
  a.mov(r8, qword("console_ring"));
  a.mov(ecx, dword(r8, ring.in_cons));
  a.op("cmp", ecx, dword(r8, ring.in_prod));
  a.set("ne", al);
  a.emit("ret");
}
