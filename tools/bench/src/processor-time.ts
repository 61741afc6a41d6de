import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Fields of /proc/PID/stat after the name, as proc(5) numbers them from 3. */
const FIRST_FIELD = 3;
const UTIME = 14;
const STIME = 15;

let tickMs: number | undefined;

/**
 * Processor time in milliseconds that all threads of a process have used so far, in steps of a clock tick (10 ms). It is
 * the fair measure on a machine with other work. NaN where there is no /proc, or no such process any more.
 */
export function processorMs(pid: number): number {
  try {
    tickMs ??= 1000 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "latin1" }));
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name is in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[UTIME - FIRST_FIELD]) + Number(fields[STIME - FIRST_FIELD])) * tickMs;
  } catch {
    return Number.NaN;
  }
}
