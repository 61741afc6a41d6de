import type { Assembler } from "@xen-node/x86-assembler";
import { emitEnds } from "./ends.ts";
import { emitIntroduction } from "./introduction.ts";
import { emitMemory } from "./memory.ts";
import { emitPrimes } from "./primes.ts";
import { emitProtection } from "./protection.ts";
import { emitTicks } from "./ticks.ts";
import { emitTime } from "./time.ts";
import { emitXenstore } from "./xenstore.ts";

/** What can be typed: the routine of each is called with the rest of the line in rdi. */
export const COMMANDS = [
  { name: "help", routine: "help", help: "help        this list" },
  { name: "xen", routine: "xen", help: "xen         which Xen this is, and what it told the guest at its start" },
  { name: "mem", routine: "mem", help: "mem         the guest's memory, and the machine's frames behind it" },
  { name: "time", routine: "time", help: "time        time since the start, the date, events so far" },
  { name: "tick", routine: "tick", help: "tick        five ticks of a timer, while you go on typing" },
  { name: "ls", routine: "ls", help: "ls PATH     what xenstore has below a path, such as ls device or ls /" },
  { name: "read", routine: "read", help: "read PATH   a value of xenstore, such as read name" },
  { name: "protect", routine: "protect", help: "protect     tries what a guest must not do, and shows Xen's answers" },
  { name: "primes", routine: "primes", help: "primes      counts the primes below 4000000: a loop for the translator" },
  { name: "crash", routine: "crash", help: "crash       an exception without a handler; Xen ends the guest" },
  { name: "halt", routine: "halt", help: "halt        powers off, as Ctrl-D does" },
] as const;

export function emitCommands(a: Assembler): void {
  emitIntroduction(a);
  emitMemory(a);
  emitTime(a);
  emitTicks(a);
  emitXenstore(a);
  emitProtection(a);
  emitPrimes(a);
  emitEnds(a);
}
