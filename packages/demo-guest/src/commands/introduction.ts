import { type Assembler, byte, dword, edi, qword, r12, rax, rbx, rdi } from "@xen-node/x86-assembler";
import {
  __HYPERVISOR_xen_version,
  structs,
  XENVER_capabilities,
  XENVER_extraversion,
  XENVER_version,
} from "@xen-node/xen-abi";
import { NS_PER_MS } from "../clock.ts";
import { START_INFO, startInfo } from "../domain.ts";
import { callWithText, hypercallWith } from "../hypercall.ts";

/** The longest of XENVER's texts is that of the capabilities. */
const TEXT_BYTES = 1024;

const FIRST_TICKS = 3;
const FIRST_TICK_MS = 100;

/** What is printed at the start. */
export function emitIntroduction(a: Assembler): void {
  a.reserve("version_text", TEXT_BYTES, 8);

  a.label("introduce");
  a.push(rbx);
  callWithText(
    a,
    "print",
    "\nA guest of Xen: a 64-bit paravirtual kernel, assembled by TypeScript a moment ago. What you read went through a\n" +
      "ring in memory that it shares with Dom0; what you type comes back the same way, announced by an event.\n\n",
  );
  a.call("xen");
  a.call("mem");
  a.mov(rbx, FIRST_TICKS);
  a.label("introduce.tick");
  a.mov(rdi, FIRST_TICK_MS * NS_PER_MS);
  a.call("sleep");
  a.call("print_time");
  callWithText(a, "print", "tick of the timer, by set_timer_op and an event\n");
  a.dec(rbx);
  a.jump("ne", "introduce.tick");
  callWithText(a, "print", "\nType help.\n");
  a.pop(rbx);
  a.emit("ret");

  a.label("xen");
  a.push(rbx);
  a.push(r12);
  callWithText(a, "print", "Xen ");
  hypercallWith(a, __HYPERVISOR_xen_version, XENVER_version, "version_text");
  a.mov(rbx, rax);
  a.mov(rdi, rax);
  a.shift("shr", rdi, 16);
  a.call("print_decimal");
  callWithText(a, "print", ".");
  a.mov(rdi, rbx);
  a.op("and", rdi, 0xffff);
  a.call("print_decimal");
  hypercallWith(a, __HYPERVISOR_xen_version, XENVER_extraversion, "version_text");
  a.call("print_version_text");
  callWithText(a, "print", ", for guests of ");
  hypercallWith(a, __HYPERVISOR_xen_version, XENVER_capabilities, "version_text");
  a.call("print_version_text");

  a.mov(r12, qword(START_INFO));
  callWithText(a, "print", "\nstart_info: ");
  a.lea(rdi, startInfo(r12, "magic"));
  a.call("print");
  for (const [text, field, size] of [
    ["; pages: ", "nr_pages", qword],
    ["; event channels: console ", "console.domU.evtchn", dword],
    [", xenstore ", "store_evtchn", dword],
  ] as const) {
    callWithText(a, "print", text);
    if (size === dword) a.mov(edi, startInfo(r12, field, size));
    else a.mov(rdi, startInfo(r12, field, size));
    a.call("print_decimal");
  }
  callWithText(a, "print", ", timer ");
  a.mov(edi, dword("timer_port"));
  a.call("print_decimal");
  a.op("cmp", byte(r12, structs.start_info.offsets.cmd_line), 0);
  a.jump("e", "xen.done");
  callWithText(a, "print", "\ncommand line: ");
  a.lea(rdi, startInfo(r12, "cmd_line"));
  a.call("print");
  a.label("xen.done");
  callWithText(a, "print", "\n");
  a.pop(r12);
  a.pop(rbx);
  a.emit("ret");

  a.label("print_version_text");
  a.lea(rdi, qword("version_text"));
  a.jmp("print");
}
