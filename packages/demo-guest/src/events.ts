import {
  type Assembler,
  al,
  byte,
  dword,
  eax,
  edi,
  edx,
  esi,
  qword,
  type Register,
  r8,
  r9,
  r10,
  r10d,
  r11,
  rax,
  rcx,
  rdi,
  rdx,
  rsi,
} from "@xen-node/x86-assembler";
import {
  __HYPERVISOR_callback_op,
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_iret,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_vcpu_op,
  __HYPERVISOR_xen_version,
  CALLBACKOP_register,
  CALLBACKTYPE_event,
  EVTCHNOP_bind_virq,
  EVTCHNOP_send,
  EVTCHNOP_unmask,
  SCHEDOP_block,
  SCHEDOP_shutdown,
  structs,
  VCPUOP_stop_periodic_timer,
  VIRQ_TIMER,
  XENVER_version,
} from "@xen-node/xen-abi";
import { SHARED_INFO, START_INFO, startInfo, vcpuInfo } from "./domain.ts";
import { hypercall, hypercallWith } from "./hypercall.ts";

const { evtchn_pending, evtchn_mask } = structs.shared_info.offsets;

/** What an upcall must give back; rcx, r11 and rax are in the frame of HYPERVISOR_iret. */
const SAVED: readonly Register[] = [rdx, rsi, rdi, r8, r9, r10];

/** Event channels by the two-level ABI, the upcall, and waiting for events without losing one. */
export function emitEvents(a: Assembler): void {
  a.reserve("event_argument", 16);
  a.reserve("timer_port", 4);
  a.reserve("timer_fired", 1);
  a.reserve("upcalls", 8);
  emitInit(a);
  emitUpcall(a);
  emitWaiting(a);

  // edi: port. Tells the other side of a channel that there is something for it.
  a.label("event_send");
  a.mov(dword("event_argument"), edi);
  hypercallWith(a, __HYPERVISOR_event_channel_op, EVTCHNOP_send, "event_argument");
  a.emit("ret");

  // edi: reason of the end.
  a.label("shutdown");
  a.push(rdi);
  a.call("console_flush");
  a.pop(rdi);
  a.mov(dword("event_argument"), edi);
  hypercallWith(a, __HYPERVISOR_sched_op, SCHEDOP_shutdown, "event_argument");
  a.emit("ud2");
}

function emitInit(a: Assembler): void {
  // struct callback_register.
  a.align(8);
  a.label("event_callback");
  a.integer(2, CALLBACKTYPE_event);
  a.align(8);
  a.address("upcall");

  const { virq, vcpu, port } = structs.evtchn_bind_virq.offsets;
  a.label("events_init");
  hypercallWith(a, __HYPERVISOR_callback_op, CALLBACKOP_register, "event_callback");
  // A vcpu begins with a tick of 100 Hz; the timer below is enough.
  a.mov(edi, VCPUOP_stop_periodic_timer);
  a.op("xor", esi, esi);
  a.op("xor", edx, edx);
  hypercall(a, __HYPERVISOR_vcpu_op);
  a.mov(dword("event_argument", virq), VIRQ_TIMER);
  a.mov(dword("event_argument", vcpu), 0);
  hypercallWith(a, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, "event_argument");
  a.mov(edi, dword("event_argument", port));
  a.mov(dword("timer_port"), edi);
  a.call("event_unmask");
  for (const field of ["console.domU.evtchn", "store_evtchn"] as const) {
    a.mov(rax, qword(START_INFO));
    a.mov(edi, startInfo(rax, field, dword));
    a.call("event_unmask");
  }
  a.mov(vcpuInfo(byte, "evtchn_upcall_mask"), 0);
  a.emit("ret");

  a.label("event_unmask");
  a.mov(dword("event_argument"), edi);
  hypercallWith(a, __HYPERVISOR_event_channel_op, EVTCHNOP_unmask, "event_argument");
  a.emit("ret");
}

/** Xen calls this between any two instructions: rcx and r11 are on top of the frame. It notes what has happened. */
function emitUpcall(a: Assembler): void {
  a.label("upcall");
  a.pop(rcx);
  a.pop(r11);
  a.push(0);
  a.push(rcx);
  a.push(r11);
  a.push(rax);
  for (const register of SAVED) a.push(register);
  a.emit("cld");
  a.inc(qword("upcalls"));

  // Cleared before looking: what comes after the look sets it again.
  a.label("upcall.again");
  a.op("xor", eax, eax);
  a.xchg(vcpuInfo(byte, "evtchn_upcall_pending"), al);
  a.test(al, al);
  a.jump("e", "upcall.done");
  a.op("xor", eax, eax);
  a.xchg(vcpuInfo(qword, "evtchn_pending_sel"), rax);
  a.mov(r8, rax);
  a.lea(rdi, qword(SHARED_INFO));
  a.label("upcall.word");
  a.bsf(rcx, r8);
  a.jump("e", "upcall.again");
  a.bit("btr", r8, rcx);
  a.mov(rax, qword(rdi, evtchn_mask, { register: rcx, scale: 8 }));
  a.unary("not", rax);
  a.op("and", rax, qword(rdi, evtchn_pending, { register: rcx, scale: 8 }));
  a.label("upcall.port");
  a.bsf(r9, rax);
  a.jump("e", "upcall.word");
  a.bit("btr", rax, r9);
  a.mov(r10, rcx);
  a.shift("shl", r10, 6);
  a.op("add", r10, r9);
  a.emit("lock");
  a.bit("btr", qword(rdi, evtchn_pending), r10);
  // The rings of console and xenstore show by themselves what there is; the event only had to wake the vcpu.
  a.op("cmp", r10d, dword("timer_port"));
  a.jump("ne", "upcall.port");
  a.mov(byte("timer_fired"), 1);
  a.jmp("upcall.port");

  a.label("upcall.done");
  for (const register of SAVED.toReversed()) a.pop(register);
  a.mov(eax, __HYPERVISOR_iret);
  a.emit("syscall");
}

function emitWaiting(a: Assembler): void {
  // Events wait from here on, so that none comes between a look and the sleep.
  a.label("events_disable");
  a.mov(vcpuInfo(byte, "evtchn_upcall_mask"), 1);
  a.emit("ret");

  a.label("events_enable");
  a.mov(vcpuInfo(byte, "evtchn_upcall_mask"), 0);
  a.op("cmp", vcpuInfo(byte, "evtchn_upcall_pending"), 0);
  a.jump("e", "events_enable.done");
  // Xen looks at the mask when it returns to the guest, so what came meanwhile needs a call: any.
  hypercallWith(a, __HYPERVISOR_xen_version, XENVER_version, "event_argument");
  a.label("events_enable.done");
  a.emit("ret");

  // Sleeps until an event has come; takes the mask off at the same moment.
  a.label("block");
  a.mov(edi, SCHEDOP_block);
  a.op("xor", esi, esi);
  hypercall(a, __HYPERVISOR_sched_op);
  a.emit("ret");
}
