import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { startCli } from "./support/cli.ts";
import { debianGuest, noRealGuests, PROMPT } from "./support/real-guests.ts";

const BOOT_MS = 150_000;

describe.skipIf(noRealGuests)("Debian's kernel, as Debian ships it", () => {
  beforeAll(async () => {
    await debianGuest();
  }, 300_000);

  it("boots two vcpus to a shell that works, and its power-off ends the runner with 0", {
    timeout: 400_000,
  }, async () => {
    const { console, errors, exit } = startCli(["run", "--vcpus", "2"]);
    await console.expect(/Linux version 6\./, BOOT_MS);
    await console.expect(PROMPT, BOOT_MS);
    expect(errors()).toMatch(/userspace after \d+\.\d s from process start/);

    expect(await console.command("uname -a")).toMatch(/^Linux xen-node 6\..* x86_64 GNU\/Linux\n$/);
    const cpuinfo = await console.command("cat /proc/cpuinfo");
    expect(cpuinfo.match(/^processor\t: /gm)).toHaveLength(2);

    const dmesg = await console.command("dmesg");
    expect(dmesg).toContain("Hypervisor detected: Xen PV");
    expect(dmesg).toMatch(/clocksource: Switched to clocksource xen/);
    expect(dmesg).toMatch(/printk: console \[hvc0\] enabled/);
    expect(dmesg).toMatch(/xen:grant_table: Grant tables using version 1/);
    expect(dmesg.split("\n").filter((line) => /\b(WARNING|BUG)\b|unhandled|Call Trace/.test(line))).toEqual([]);

    // xenbus, end to end: the guest's kernel asks xenstored for this domain's name. XS_READ, request 1, "name" and a NUL;
    // the reply's header has 16 bytes. Without devices the kernel says nothing of xenbus in dmesg.
    const header = [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0].map(
      (byte) => `\\${byte.toString(8).padStart(3, "0")}`,
    );
    const ask = `printf '${header.join("")}name\\000' >&3`;
    const answer = await console.command(
      `exec 3<>/dev/xen/xenbus; ${ask}; dd bs=22 count=1 <&3 2>/dev/null | tail -c 6`,
    );
    expect(answer).toMatch(/debian$/);

    // Job control: Ctrl-C ends the command and not the shell. The command itself says that it has begun: what the shell
    // prints comes before it puts the command in the foreground, and a Ctrl-C in between does not reach the command.
    console.send("sh -c 'echo begun; exec sleep 1000'\r");
    await console.expect(/\nbegun/);
    console.send("\x03");
    await console.expect(PROMPT, 30_000);

    console.send("poweroff -f\r");
    expect(await exit).toBe(0);
    expect(errors()).toMatch(/debian powered off/);
  });

  it("boots with nothing on stdin, and a signal ends the runner", { timeout: 400_000 }, async () => {
    const { child, console, exit } = startCli(["run", "--memory", "128"], { stdin: "ignore" });
    await console.expect(PROMPT, BOOT_MS);
    child.kill("SIGINT");
    expect(await exit).toBe(128 + 2);
  });

  it("powers itself off at SIGTERM, and is not started again then", { timeout: 400_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "xen-node-off-"));
    const config = join(folder, "deb.cfg");
    const { kernel, initrd } = await debianGuest();
    const keys = { name: "deb", kernel, ramdisk: initrd, cmdline: "console=hvc0", on_poweroff: "restart" };
    const lines = Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
    await writeFile(config, `${lines.join("")}memory = 128\n`);
    const { child, console, errors, exit } = startCli(["run", config], { stdin: "ignore" });
    await console.expect(PROMPT, BOOT_MS);
    child.kill("SIGTERM");
    expect(await exit).toBe(0);
    expect(errors()).toMatch(/deb powered off\n/);
    await rm(folder, { recursive: true });
  });

  it("tells of a crash with registers and symbols, and ends with 2", { timeout: 400_000 }, async () => {
    const { console, errors, exit } = startCli([
      "run",
      "--memory",
      "128",
      "--cmdline",
      "console=hvc0 rdinit=/none panic=-1",
    ]);
    await console.expect(/Kernel panic/, BOOT_MS);
    expect(await exit).toBe(2);
    expect(errors()).toMatch(/debian crashed/);
    expect(errors()).toMatch(/RIP: .*<xen_/);
  });
});
