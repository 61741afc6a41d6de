import {
  type Assembler,
  al,
  byte,
  dword,
  eax,
  ecx,
  edi,
  edx,
  qword,
  r8,
  r12,
  r13,
  r13d,
  r14,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
} from "@xen-node/x86-assembler";
import { structs, XENSTORE_PAYLOAD_MAX, XENSTORE_RING_SIZE, XS_DIRECTORY, XS_ERROR, XS_READ } from "@xen-node/xen-abi";
import { START_INFO, startInfo } from "../domain.ts";
import { callWithText } from "../hypercall.ts";

const ring = structs.xenstore_domain_interface.offsets;
const header = structs.xsd_sockmsg.offsets;
const HEADER_BYTES = structs.xsd_sockmsg.size;

/** Requests to xenstore through its page: a ring for requests, one for answers (xen/include/public/io/xs_wire.h). */
export function emitXenstore(a: Assembler): void {
  a.reserve("store_header", HEADER_BYTES, 8);
  a.reserve("store_payload", XENSTORE_PAYLOAD_MAX + 1, 8);

  a.label("read");
  a.mov(edx, XS_READ);
  a.jmp("store_command");
  a.label("ls");
  a.mov(edx, XS_DIRECTORY);
  // rdi: path, edx: type. Prints the answer, a line for each of its texts.
  a.label("store_command");
  a.push(rbx);
  a.push(r12);
  a.call("store_request");
  a.test(rax, rax);
  a.jump("s", "store_command.bad");
  a.lea(rbx, qword("store_payload"));
  a.lea(r12, qword(rbx, 0, { register: rax, scale: 1 }));
  a.mov(byte(r12), 0);
  a.op("cmp", dword("store_header", header.type), XS_ERROR);
  a.jump("ne", "store_command.line");
  callWithText(a, "print", "xenstore says ");
  a.label("store_command.line");
  callWithText(a, "print", "  ");
  a.mov(rdi, rbx);
  a.call("print");
  callWithText(a, "print", "\n");
  // Behind the NUL of this text, if there is one before the answer's end.
  a.label("store_command.skip");
  a.op("cmp", rbx, r12);
  a.jump("ae", "store_command.done");
  a.op("cmp", byte(rbx), 0);
  a.lea(rbx, qword(rbx, 1));
  a.jump("ne", "store_command.skip");
  a.op("cmp", rbx, r12);
  a.jump("b", "store_command.line");
  a.label("store_command.done");
  a.pop(r12);
  a.pop(rbx);
  a.emit("ret");
  a.label("store_command.bad");
  callWithText(a, "print", "xenstore's answer makes no sense.\n");
  a.jmp("store_command.done");

  emitRequest(a);
  emitWrite(a);
  emitRead(a);
}

/** rdi: path, edx: type -> bytes of the answer in store_payload, or -1 if it cannot be one. */
function emitRequest(a: Assembler): void {
  a.label("store_request");
  a.push(r12);
  a.mov(r12, rdi);
  a.mov(dword("store_header", header.type), edx);
  a.mov(dword("store_header", header.req_id), 0);
  a.mov(dword("store_header", header.tx_id), 0);
  // The NUL belongs to the path.
  a.op("xor", ecx, ecx);
  a.label("store_request.length");
  a.inc(ecx);
  a.op("cmp", byte(r12, -1, { register: rcx, scale: 1 }), 0);
  a.jump("ne", "store_request.length");
  a.mov(dword("store_header", header.len), ecx);
  a.lea(rdi, qword("store_header"));
  a.mov(edx, HEADER_BYTES);
  a.call("store_write");
  a.mov(rdi, r12);
  a.mov(edx, dword("store_header", header.len));
  a.call("store_write");
  a.call("store_notify");

  a.lea(rdi, qword("store_header"));
  a.mov(edx, HEADER_BYTES);
  a.call("store_read");
  a.mov(edx, dword("store_header", header.len));
  a.op("cmp", edx, XENSTORE_PAYLOAD_MAX);
  a.jump("a", "store_request.bad");
  a.lea(rdi, qword("store_payload"));
  a.call("store_read");
  a.call("store_notify");
  a.mov(eax, dword("store_header", header.len));
  a.pop(r12);
  a.emit("ret");
  a.label("store_request.bad");
  a.mov(rax, -1);
  a.pop(r12);
  a.emit("ret");

  a.label("store_notify");
  a.mov(rax, qword(START_INFO));
  a.mov(edi, startInfo(rax, "store_evtchn", dword));
  a.jmp("event_send");

  // -> r8: the shared page.
  a.label("store_page");
  a.mov(rdi, qword(START_INFO));
  a.mov(rdi, startInfo(rdi, "store_mfn"));
  a.call("frame_address");
  a.mov(r8, rax);
  a.emit("ret");
}

/** rdi: bytes, edx: how many. One request at a time always finds room: the ring is larger than a line. */
function emitWrite(a: Assembler): void {
  a.label("store_write");
  a.push(rdi);
  a.push(rdx);
  a.call("store_page");
  a.pop(rdx);
  a.pop(rsi);
  a.mov(ecx, dword(r8, ring.req_prod));
  a.label("store_write.next");
  a.mov(eax, ecx);
  a.op("and", eax, XENSTORE_RING_SIZE - 1);
  a.lea(rdi, qword(r8, ring.req, { register: rax, scale: 1 }));
  a.mov(al, byte(rsi));
  a.mov(byte(rdi), al);
  a.inc(rsi);
  a.inc(ecx);
  a.dec(edx);
  a.jump("ne", "store_write.next");
  a.mov(dword(r8, ring.req_prod), ecx);
  a.emit("ret");
}

/** rdi: where to, edx: how many bytes. Sleeps until they are there. */
function emitRead(a: Assembler): void {
  a.label("store_read");
  for (const register of [rbx, r12, r13, r14]) a.push(register);
  a.mov(r12, rdi);
  a.mov(r13d, edx);
  a.call("store_page");
  a.mov(r14, r8);
  a.label("store_read.next");
  a.test(r13, r13);
  a.jump("e", "store_read.done");
  a.call("events_disable");
  a.mov(ecx, dword(r14, ring.rsp_cons));
  a.op("cmp", ecx, dword(r14, ring.rsp_prod));
  a.jump("ne", "store_read.take");
  // It may be the ring that is full.
  a.call("store_notify");
  a.call("block");
  a.jmp("store_read.next");
  a.label("store_read.take");
  a.mov(eax, ecx);
  a.op("and", eax, XENSTORE_RING_SIZE - 1);
  a.movzx(eax, byte(r14, ring.rsp, { register: rax, scale: 1 }));
  a.mov(byte(r12), al);
  a.inc(ecx);
  a.mov(dword(r14, ring.rsp_cons), ecx);
  a.inc(r12);
  a.dec(r13);
  a.jmp("store_read.next");
  a.label("store_read.done");
  for (const register of [r14, r13, r12, rbx]) a.pop(register);
  a.jmp("events_enable");
}
