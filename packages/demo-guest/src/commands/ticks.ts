import { type Assembler, dword, eax, edi, rdi } from "@xen-node/x86-assembler";
import { NS_PER_SECOND } from "../clock.ts";
import { callWithText } from "../hypercall.ts";

const TICKS = 5;

/** Ticks while the command line goes on. */
export function emitTicks(a: Assembler): void {
  a.reserve("ticks_left", 4);

  a.label("tick");
  a.mov(dword("ticks_left"), TICKS);
  a.label("next_tick");
  a.mov(rdi, NS_PER_SECOND);
  a.jmp("set_timer");

  // The timer has fired: what is being typed moves below the line of the tick.
  a.label("on_tick");
  a.op("cmp", dword("ticks_left"), 0);
  a.jump("e", "on_tick.done");
  a.dec(dword("ticks_left"));
  callWithText(a, "print", "\r\x1b[K");
  a.call("print_time");
  callWithText(a, "print", "tick, ");
  a.mov(edi, dword("ticks_left"));
  a.call("print_decimal");
  callWithText(a, "print", " to come\n");
  a.call("print_prompt");
  a.mov(eax, dword("ticks_left"));
  a.test(eax, eax);
  a.jump("ne", "next_tick");
  a.label("on_tick.done");
  a.emit("ret");
}
