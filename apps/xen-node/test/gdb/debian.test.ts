import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli, startCli } from "../support/cli.ts";
import { debianGuest, noRealGuests } from "../support/real-guests.ts";
import { noGdb, runGdb } from "./gdb-client.ts";

const BOOT_MS = 200_000;
/** Has gdb's own shell send it a Ctrl-C after a while. */
const interruptIn = (seconds: number): string => `shell (sleep ${seconds}; kill -INT $PPID) &`;

describe.skipIf(noRealGuests ?? noGdb)("gdb and Debian's kernel", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "xen-node-test-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("meet before the boot, while it runs, and at a crash", { timeout: 600_000 }, async () => {
    const { kernel, initrd } = await debianGuest();
    const symbols = join(folder, "kernel.sym");
    expect(await runCli(["symbols", kernel, "-o", symbols])).toMatchObject({ status: 0, stdout: "" });

    const { console, errors, exit, child } = startCli(
      `run --kernel ${kernel} --initrd ${initrd} --memory 192 --vcpus 2 --gdb :0 --gdb-wait`.split(" "),
    );
    const gdb = (...commands: string[]): Promise<string> => {
      const address = /target remote (\S+)/.exec(errors())?.[1];
      return runGdb([`target remote ${address}`, ...commands], { program: [symbols], timeoutMs: BOOT_MS });
    };
    child.stdin?.on("error", () => {});
    for (let tries = 0; !errors().includes("target remote"); tries++) {
      if (tries > 600) throw new Error(`the runner never said where gdb can come: ${errors()}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }

    // Before anything has run.
    const early = await gdb(
      "info threads",
      "hbreak start_kernel",
      "continue",
      "backtrace 2",
      "x/s &linux_banner",
      "stepi",
      "info registers rip cs gs_base",
      "delete",
      "break run_init_process",
      "continue",
      "x/s $rdi",
      "info threads",
      "detach",
    );
    expect(console.text).not.toMatch(/WARNING|ftrace bug/);
    expect(early).toMatch(/Thread 1 \(\S+ vcpu 0 \[kernel\]\) +0x\w+ in startup_xen/);
    expect(early).toMatch(/Thread 2 \(\S+ vcpu 1 \[offline\]\)/);
    expect(early).toMatch(/hit Breakpoint 1, 0x\w+ in start_kernel \(\)/);
    expect(early).toMatch(/#1 .* in xen_start_kernel/);
    expect(early).toMatch(/"Linux version 6\./);
    expect(early).toMatch(/in __fentry__ \(\)/);
    expect(early).toMatch(/hit Breakpoint 2, 0x\w+ in run_init_process \(\)/);
    expect(early).toContain('"/init"');
    expect(early).toMatch(/Thread 2 \(\S+ vcpu 1 \[(kernel|user|blocked)\]\)/);

    // While it runs: a busy user program is interrupted, seen, and goes on.
    await console.expect(/# /, BOOT_MS);
    console.send("while :; do :; done &\r");
    await console.expect(/# /);
    const running = await gdb(
      interruptIn(3),
      "continue",
      "info registers rip eflags cs",
      "thread apply all stepi",
      "break do_sys_openat2",
      interruptIn(20),
      "continue",
      "backtrace 1",
      "delete",
      "monitor info",
      "detach",
    );
    expect(running).toMatch(/received signal SIGINT/);
    expect(running).toMatch(/eflags +0x\w+/);
    expect(running).toMatch(/vcpu 1 \[\w+\]: rip [0-9a-f]{16}/);
    expect(await console.command("kill %1; echo $((6 * 7))")).toContain("42");

    // A crash stands still for the debugger; then the runner leaves.
    setTimeout(() => console.send("echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger\r"), 3000);
    const crash = await gdb("continue", "info symbol $rip", "x/s &linux_banner", "continue");
    expect(crash).toMatch(/received signal SIGABRT/);
    expect(crash).toMatch(/"Linux version 6\./);
    expect(crash).toMatch(/terminated with signal SIGABRT/);
    expect(await exit).toBe(2);
    expect(errors()).toMatch(/crashed/);
  });
});
