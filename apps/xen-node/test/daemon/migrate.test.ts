import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DaemonProcess } from "../support/daemon-process.ts";
import { BLOCKS, VERIFIER } from "../support/disk-verifier.ts";
import type { ExpectStream } from "../support/expect-stream.ts";
import { debianGuest, noRealGuests, PROMPT } from "../support/real-guests.ts";

const BOOT_MS = 240_000;

async function answer(stream: ExpectStream, line: string): Promise<string> {
  const text = await stream.command(line, 60_000);
  return text.trimEnd().split("\n").at(-1) ?? "";
}

describe.skipIf(noRealGuests)("moving Debian's kernel between two daemons", () => {
  let here: DaemonProcess;
  let there: DaemonProcess;
  beforeEach(async () => {
    here = await DaemonProcess.create();
    there = await DaemonProcess.create();
  });
  afterEach(async () => {
    await here.end();
    await there.end();
  });

  it("runs it in one place at a time", { timeout: 600_000 }, async () => {
    const { kernel, initrd } = await debianGuest();
    const disk = join(here.folder, "disk.img");
    await writeFile(disk, "");
    await truncate(disk, 16 * 2 ** 20);
    const config = await here.config("deb", {
      kernel,
      ramdisk: initrd,
      extra: "console=hvc0",
      memory: 144,
      vcpus: 2,
      disk: [`${disk},raw,xvda,w`],
      vif: [""],
    });
    await here.start(160);
    // It will stand in frames that its first machine has not: another has those that both have.
    await there.start(300);
    await there.xl("create", "-q", "-p", await there.config("paused", { kernel, memory: 150 }));
    await here.xl("create", "-q", config);
    const first = here.console("deb");
    await first.stream.expect(PROMPT, BOOT_MS);
    await first.stream.command("kept=in-a-variable");

    // Whoever cannot take it leaves it where it is.
    const lost = await here.xl("migrate", "-s", "", "deb", "exit 3");
    expect(lost.status).toBe(1);
    expect(lost.stderr).toMatch(/Migration failed, resumed at sender\.\n$/);
    expect(await answer(first.stream, "echo $kept")).toBe("in-a-variable");

    // What was set while it ran goes with it.
    for (const command of ["sched-credit2 -d deb -w 512", "vcpu-pin deb 1 0", "mem-set deb 140"])
      expect((await here.xl(...command.split(" "))).status, command).toBe(0);
    // It works on its disk and its memory all the time.
    await first.stream.command(VERIFIER);
    const moved = await here.xl("migrate", "--debug", "-s", "", "deb", there.command("migrate-receive"));
    expect(moved).toMatchObject({ status: 0, stdout: "" });
    expect(moved.stderr).toMatch(/round 1: \d+ pages sent/);
    expect(await here.list()).toEqual([]);
    expect((await there.list()).map((line) => line.split(" ")[0])).toEqual(["paused", "deb"]);
    expect((await there.xl("sched-credit2", "-d", "deb")).stdout).toMatch(/deb +\d+ +512 +0/);
    const [domid] = (await there.xl("domid", "deb")).stdout.split("\n");
    const target = await there.xenstore("read", `/local/domain/${domid}/memory/target`);
    expect(target.stdout).toBe(`${140 * 1024}\n`);
    const second = there.console("deb");
    second.stream.send("\r");
    await second.stream.expect(PROMPT, 60_000);
    expect(await answer(second.stream, "echo $kept")).toBe("in-a-variable");
    const count = Number(await answer(second.stream, "cat /count"));
    await second.stream.command("sleep 2");
    expect(Number(await answer(second.stream, "cat /count"))).toBeGreaterThan(count);
    expect(await answer(second.stream, "kill $(cat /pid); sleep 1; cat /bad /count")).toMatch(/^\d+$/);
    const last = Number(await answer(second.stream, "cat /count"));
    const image = await readFile(disk, "latin1");
    for (let n = Math.max(1, last - BLOCKS + 1); n <= last; n++)
      expect(image.slice((n % BLOCKS) * 512, (n % BLOCKS) * 512 + 512)).toBe(String(n).padEnd(512));
    expect(await answer(second.stream, "nproc")).toBe("2");
  });
});
