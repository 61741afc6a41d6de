import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DaemonProcess } from "../support/daemon-process.ts";
import { debianGuest, grubImage, noRealGuests, PROMPT } from "../support/real-guests.ts";

describe.skipIf(noRealGuests)("a daemon with real guests", () => {
  let daemon: DaemonProcess;
  beforeEach(async () => {
    daemon = await DaemonProcess.create();
  });
  afterEach(() => daemon.end());

  const done = { status: 0, stdout: "", stderr: "" };

  it("takes GRUB through its life", { timeout: 300_000 }, async () => {
    await daemon.start(160);
    const config = await daemon.config("web", { kernel: await grubImage(), memory: 64 });
    expect(await daemon.xl("create", "-q", "-p", config)).toEqual(done);
    expect(await daemon.list()).toEqual(["web 1 64 1 --p---"]);
    expect((await daemon.xl("info")).stdout).toMatch(/^free_memory {12}: 96$/m);
    expect((await daemon.xl("create", "-q", config)).stderr).toMatch(/^there is a guest web already/);
    expect((await daemon.xl("create", "-q", config, 'name="big"', "memory=97")).stderr).toMatch(/96 MiB left/);

    const first = daemon.console("web");
    expect(await daemon.xl("unpause", "web")).toEqual(done);
    await first.stream.expect(/grub> /);
    const second = daemon.console("1");
    await second.stream.expect(/grub> /);
    second.stream.send("echo seen by both\r");
    await first.stream.expect(/seen by both/);
    await second.stream.expect(/seen by both/);
    first.leave();

    expect(await daemon.xl("pause", "web")).toEqual(done);
    expect(await daemon.list()).toEqual(["web 1 64 1 --p---"]);
    second.stream.send("echo after the pause\r");
    expect(await daemon.xl("unpause", "web")).toEqual(done);
    await second.stream.expect(/after the pause/);

    expect(await daemon.xl("rename", "web", "net")).toEqual(done);
    expect((await daemon.xl("domid", "net")).stdout).toBe("1\n");
    expect((await daemon.xenstore("read", "/local/domain/1/name")).stdout).toBe("net\n");

    second.stream.send("reboot\r");
    await second.stream.expect(/grub> /);
    expect(await daemon.list()).toEqual([expect.stringMatching(/^net 2 64 1 /)]);

    second.stream.send("halt\r");
    await expect(second.stream.expect(/never printed/)).rejects.toThrow(/xl console ended with 0/);
    expect(await daemon.list()).toEqual([]);

    await daemon.xl("create", "-q", config);
    expect(await daemon.list()).toEqual([expect.stringMatching(/^web 3 /)]);
    expect(await daemon.xl("destroy", "web")).toEqual(done);
    expect(await daemon.list()).toEqual([]);
    expect((await daemon.xl("info")).stdout).toMatch(/^free_memory {12}: 160$/m);
    expect((await daemon.xenstore("list", "/local/domain")).stdout).toBe("0\n");
  });

  it("after SIGKILL the next one tells what runs and what was lost", { timeout: 300_000 }, async () => {
    await daemon.start(160);
    const kernel = await grubImage();
    for (const name of ["one", "two"])
      expect(await daemon.xl("create", "-q", await daemon.config(name, { kernel, memory: 64 }))).toEqual(done);
    expect(await daemon.xl("destroy", "one")).toEqual(done);
    expect(await daemon.xl("rename", "two", "second")).toEqual(done);
    await daemon.kill("SIGKILL");
    expect((await daemon.xl("list")).stderr).toMatch(/^xl: no daemon runs on /);

    await daemon.start(160);
    expect(await daemon.list()).toEqual([]);
    const lost = /^\(XEN\) second \(domain 2 since \S+\) was lost with the daemon that ran it\n$/;
    expect(await daemon.xl("dmesg")).toEqual({ ...done, stdout: expect.stringMatching(lost) });
    expect(daemon.log.text).toContain("second (domain 2 since");
    expect(await daemon.xl("create", "-q", join(daemon.folder, "one.cfg"))).toEqual(done);
    expect(await daemon.list()).toEqual([expect.stringMatching(/^one 1 /)]);

    expect(await daemon.kill("SIGTERM")).toBe(0);
    expect(await readFile(join(daemon.state, "journal.jsonl"), "utf8")).toMatch(/"event":"ended","domid":1/);
    await daemon.start(160);
    expect(await daemon.xl("dmesg")).toEqual(done);
  });

  it("resizes and shuts down Debian's kernel", { timeout: 600_000 }, async () => {
    const { kernel, initrd } = await debianGuest();
    await daemon.start(288);
    const config = await daemon.config("deb", {
      kernel,
      ramdisk: initrd,
      extra: "console=hvc0",
      memory: 160,
      maxmem: 224,
      vcpus: 1,
      maxvcpus: 2,
    });
    await daemon.xl("create", "-q", config);
    const { stream } = daemon.console("deb");
    await stream.expect(PROMPT, 240_000);
    const memoryOf = async () => Number((await daemon.list())[0].split(" ")[2]);
    const vcpusOf = async () => Number((await daemon.list())[0].split(" ")[3]);
    for (const [target, free] of [
      [120, 168],
      [224, 64],
    ]) {
      expect(await daemon.xl("mem-set", "deb", String(target))).toEqual(done);
      await expect.poll(memoryOf, { timeout: 60_000, interval: 500 }).toBe(target);
      expect((await daemon.xl("info")).stdout).toMatch(new RegExp(`^free_memory {12}: ${free}$`, "m"));
    }
    expect((await daemon.xl("mem-set", "deb", "225")).status).toBe(1);

    expect(await daemon.xl("sysrq", "deb", "h")).toEqual(done);
    await stream.expect(/sysrq: HELP/, 60_000);

    expect(await daemon.xl("vcpu-set", "-i", "deb", "2")).toEqual(done);
    // On a whole Debian, udev does this.
    await stream.command("sleep 1; echo 1 > /sys/devices/system/cpu/cpu1/online", 60_000);
    expect(await vcpusOf()).toBe(2);
    expect(await daemon.xl("vcpu-set", "deb", "1")).toEqual(done);
    await expect.poll(vcpusOf, { timeout: 60_000, interval: 500 }).toBe(1);

    expect((await daemon.xl("shutdown", "-w", "deb")).stderr).toMatch(
      /^Shutting down domain 1\nWaiting for 1 domains\nDomain 1 has been (shut down, reason code 0|destroyed)\n$/,
    );
    await expect.poll(() => daemon.list(), { timeout: 30_000 }).toEqual([]);
  });
});
