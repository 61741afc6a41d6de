import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DaemonProcess } from "../support/daemon-process.ts";
import { answer, BOOT_MS, configureDebian } from "../support/debian-with-disk.ts";
import { BLOCKS, VERIFIER } from "../support/disk-verifier.ts";
import { FrameHub } from "../support/frame-hub.ts";
import { debianGuest, noRealGuests, PROMPT } from "../support/real-guests.ts";

const interfaceUp = (address: string): string => `ip link set eth0 up; ip addr add dev eth0 ${address}/24`;
const PEER = "10.0.0.2";
/** A number each 50 ms over one connection, which the peer writes to /got; whoever breaks it ends both. */
const TAKE_NUMBERS = "(sleep 100000 | nc -l -p 5000 >/got &); sleep 1";
const SEND_NUMBERS = `((n=0; while :; do n=$((n+1)); echo $n; usleep 50000; done) | nc ${PEER} 5000 &)`;
/** Numbers that must arrive after the move. */
const MORE_NUMBERS = 40;

describe.skipIf(noRealGuests)("moving Debian's kernel between two daemons", () => {
  let here: DaemonProcess;
  let there: DaemonProcess;
  /** A network that both have. */
  let hub: FrameHub;
  beforeEach(async () => {
    here = await DaemonProcess.create();
    there = await DaemonProcess.create();
    hub = await FrameHub.listen(join(here.folder, "hub.sock"));
  });
  afterEach(async () => {
    await here.end();
    await there.end();
    await hub.close();
  });

  it("runs it in one place at a time, with its disk and its connections", { timeout: 600_000 }, async () => {
    const { config, disk } = await configureDebian(here, { vcpus: 2, vif: [""] });
    const { kernel, initrd } = await debianGuest();
    const uplink = ["--uplink", `xenbr0=stream:${hub.path}`];
    await here.start(160, uplink);
    // It will stand in frames that its first machine has not: its peer has those that both have.
    await there.start(300, uplink);
    const peer = { kernel, ramdisk: initrd, extra: "console=hvc0", memory: 150, vif: ["mac=00:16:3e:00:00:02"] };
    await there.xl("create", "-q", await there.config("peer", peer));
    await here.xl("create", "-q", config);
    const first = here.console("deb");
    const other = there.console("peer").stream;
    await Promise.all([first.stream.expect(PROMPT, BOOT_MS), other.expect(PROMPT, BOOT_MS)]);
    await other.command(`${interfaceUp(PEER)}; ${TAKE_NUMBERS}`);
    await first.stream.command("kept=in-a-variable");

    // Whoever cannot take it leaves it where it is.
    const lost = await here.xl("migrate", "-s", "", "deb", "exit 3");
    expect(lost.status).toBe(1);
    expect(lost.stderr).toMatch(/Migration failed, resumed at sender\.\n$/);
    expect(await answer(first.stream, "echo $kept")).toBe("in-a-variable");

    // What was set while it ran goes with it.
    for (const command of ["sched-credit2 -d deb -w 512", "vcpu-pin deb 1 0", "mem-set deb 140"])
      expect((await here.xl(...command.split(" "))).status, command).toBe(0);
    // It works on its disk, its memory and its connection all the time.
    await first.stream.command(`${interfaceUp("10.0.0.1")}; ${SEND_NUMBERS}`);
    await first.stream.command(VERIFIER);
    await other.command("while ! [ -s /got ]; do sleep 1; done");
    const moved = await here.xl("migrate", "--debug", "-s", "", "deb", there.command("migrate-receive"));
    expect(moved).toMatchObject({ status: 0, stdout: "" });
    expect(moved.stderr).toMatch(/round 1: \d+ pages sent/);
    process.stdout.write(`${/^migration sender: .* stood still for .*$/m.exec(moved.stderr)?.[0]}\n`);
    const arrived = Number(await answer(other, "wc -l </got"));
    expect(await here.list()).toEqual([]);
    expect((await there.list()).map((line) => line.split(" ")[0])).toEqual(["peer", "deb"]);
    expect((await there.xl("sched-credit2", "-d", "deb")).stdout).toMatch(/deb +\d+ +512 +0/);
    const [domid] = (await there.xl("domid", "deb")).stdout.split("\n");
    const target = await there.xenstore("read", `/local/domain/${domid}/memory/target`);
    expect(target.stdout).toBe(`${140 * 1024}\n`);

    const second = there.console("deb");
    second.stream.send("\r");
    await second.stream.expect(PROMPT, 60_000);
    expect(await answer(second.stream, "echo $kept")).toBe("in-a-variable");
    const count = Number(await answer(second.stream, "cat /count"));
    // The connection lives on, and all that was sent has arrived once and in order.
    await other.command(`while [ $(wc -l </got) -lt ${arrived + MORE_NUMBERS} ]; do sleep 1; done`);
    expect(await answer(other, "head -n -1 /got >/a; seq 1 $(wc -l </a) | cmp - /a && echo the-same")).toBe("the-same");
    expect(Number(await answer(second.stream, "cat /count"))).toBeGreaterThan(count);
    expect(await answer(second.stream, "kill $(cat /pid); sleep 1; cat /bad /count")).toMatch(/^\d+$/);
    const last = Number(await answer(second.stream, "cat /count"));
    const image = await readFile(disk, "latin1");
    for (let n = Math.max(1, last - BLOCKS + 1); n <= last; n++)
      expect(image.slice((n % BLOCKS) * 512, (n % BLOCKS) * 512 + 512)).toBe(String(n).padEnd(512));
    expect(await answer(second.stream, "nproc")).toBe("2");
  });
});
