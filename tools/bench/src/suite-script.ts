import { USERSPACE_MARKER } from "xen-node";
import type { SuiteProgram } from "./suite-programs.ts";

/** The line that a peer prints when all programs are through. */
export const DONE_LINE = "=done";
/** How a line begins that names a program which failed, and its status. */
export const FAILURE_SIGN = "!";

/** Shell commands that run programs one after another, each in a process of its own. */
export function suiteScript(suite: string, programs: readonly SuiteProgram[], rounds: number): string {
  const lines = programs.map(
    ({ name, count }) => `${suite} ${name} ${count} ${rounds} || echo "${FAILURE_SIGN}${name} $?"\n`,
  );
  return `${lines.join("")}echo "${DONE_LINE}"\n`;
}

/** PID 1 of a guest that runs a script on a busybox at /bin/busybox and then powers off. */
export function initScript(script: string): string {
  return `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
# Messages of the kernel would stand between the marks.
/bin/busybox dmesg -n 1
echo "${USERSPACE_MARKER}"
export BENCH_BUSYBOX=/bin/busybox BENCH_FOLDER=/tmp
${script}/bin/busybox poweroff -f
`;
}
