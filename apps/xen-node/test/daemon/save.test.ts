import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startCli } from "../support/cli.ts";
import { DaemonProcess } from "../support/daemon-process.ts";
import { answer, BOOT_MS, configureDebian } from "../support/debian-with-disk.ts";
import { noRealGuests, PROMPT } from "../support/real-guests.ts";

describe.skipIf(noRealGuests)("saving Debian's kernel with a disk, a network and two vcpus", () => {
  let daemon: DaemonProcess;
  beforeEach(async () => {
    daemon = await DaemonProcess.create();
  });
  afterEach(() => daemon.end());

  it("brings it back, in other processes, with all that it had", { timeout: 600_000 }, async () => {
    const { config } = await configureDebian(daemon, { vcpus: 2, vif: [""] });
    await daemon.start(160);
    await daemon.xl("create", "-q", config);
    const first = daemon.console("deb");
    await first.stream.expect(PROMPT, BOOT_MS);
    await first.stream.command("kept=in-a-variable; echo on-the-disk | dd of=/dev/xvda conv=fsync 2>/dev/null");
    await first.stream.command("ip link set eth0 up; udhcpc -qn -i eth0 >/dev/null 2>&1; ip -4 addr show eth0", 60_000);
    await first.stream.command(
      "ip addr add 10.0.2.15/24 dev eth0; (while sleep 1; do date +%s >/new; mv /new /tick; done &)",
    );
    const mac = await answer(first.stream, "cat /sys/class/net/eth0/address");
    const uptime = Number(await answer(first.stream, "cut -d. -f1 /proc/uptime"));

    const core = join(daemon.folder, "deb.core");
    expect(await daemon.xl("dump-core", "deb", core)).toEqual({ status: 0, stdout: "", stderr: "" });
    const sections = execFileSync("readelf", ["-S", "-W", core], { encoding: "utf8" });
    for (const name of [".note.Xen", ".xen_prstatus", ".xen_shared_info", ".xen_p2m", ".xen_pages"])
      expect(sections).toContain(name);
    expect(sections).toMatch(/\.xen_pages +PROGBITS +0+ [0-9a-f]+ 0*9000000 1000 /);
    expect(await answer(first.stream, "echo $kept")).toBe("in-a-variable");

    // It goes on after a checkpoint, and does not when it was saved.
    const file = join(daemon.folder, "deb.save");
    const banner = new RegExp(`^Saving to ${file} new xl format \\(info 0x3/0x0/\\d+\\)\n$`);
    expect((await daemon.xl("save", "-c", "deb", file)).stderr).toMatch(banner);
    expect(await answer(first.stream, "echo $kept")).toBe("in-a-variable");
    expect((await daemon.xl("restore", file)).stderr).toMatch(/^there is a guest deb already/);
    expect(await daemon.xl("save", "deb", file)).toMatchObject({ status: 0, stderr: expect.stringMatching(banner) });
    expect(await daemon.list()).toEqual([]);
    expect(await daemon.kill("SIGTERM")).toBe(0);

    const check = async (stream: typeof first.stream): Promise<void> => {
      expect(await answer(stream, "echo $kept")).toBe("in-a-variable");
      // Not from the memory that was saved, but from the disk.
      expect(await answer(stream, "echo 3 >/proc/sys/vm/drop_caches; head -c 12 /dev/xvda")).toBe("on-the-disk");
      expect(await answer(stream, "echo more | dd of=/dev/xvda seek=8 conv=fsync 2>&1 | head -1")).toMatch(
        /records in/,
      );
      expect(await answer(stream, "cat /sys/class/net/eth0/address")).toBe(mac);
      expect(await stream.command("ping -c 1 -W 20 10.0.2.2", 60_000)).toContain("1 packets received");
      expect(Number(await answer(stream, "cut -d. -f1 /proc/uptime"))).toBeGreaterThanOrEqual(uptime);
      expect(await answer(stream, "nproc")).toBe("2");
      // The clock was set right, and goes on; so does what ran in the background.
      await stream.command("sleep 3");
      const [now, tick] = (await answer(stream, "date +%s; cat /tick", 2)).split("\n").map(Number);
      expect(Math.abs(now - Date.now() / 1000)).toBeLessThan(60);
      expect(now - tick).toBeLessThan(30);
    };

    await daemon.start(160, ["--save"]);
    const restored = await daemon.xl("restore", file);
    expect(restored).toMatchObject({ status: 0, stdout: "" });
    expect(restored.stderr).toMatch(
      new RegExp(
        `^Loading new save file ${file} \\(new xl fmt info 0x3/0x0/\\d+\\)\n Savefile contains xl domain config in JSON format\n$`,
      ),
    );
    const second = daemon.console("deb");
    second.stream.send("\r");
    await second.stream.expect(PROMPT, 60_000);
    await check(second.stream);

    // A daemon that is to save them leaves its guests to the next one.
    expect(await daemon.kill("SIGTERM")).toBe(0);
    await daemon.start(160, ["--save"]);
    expect(daemon.log.text).toMatch(/deb goes on as domain 1/);
    const third = daemon.console("deb");
    third.stream.send("\r");
    await third.stream.expect(PROMPT, 60_000);
    await check(third.stream);
    expect((await daemon.xl("save", "deb", file)).status).toBe(0);
    await daemon.kill("SIGTERM");

    // The runner takes the same files.
    const again = join(daemon.folder, "again.save");
    const run = startCli(["run", "--restore", file, "--save", again]);
    run.console.send("\r");
    await run.console.expect(PROMPT, 60_000);
    await check(run.console);
    run.child.kill("SIGTERM");
    expect(await run.exit, run.errors()).toBe(0);
    const last = startCli(["run", "--restore", again]);
    last.console.send("\r");
    await last.console.expect(PROMPT, 60_000);
    expect(await answer(last.console, "echo $kept")).toBe("in-a-variable");
    last.console.send("poweroff -f\r");
    expect(await last.exit, last.errors()).toBe(0);
  });

  it("says what is wrong with a file", { timeout: 60_000 }, async () => {
    await daemon.start(160);
    const file = join(daemon.folder, "no.save");
    expect(await daemon.xl("restore", file)).toMatchObject({
      status: 3,
      stderr: `${file} cannot be read: there is no such file.\n`,
    });
    await writeFile(file, "x".repeat(100));
    expect(await daemon.xl("restore", file)).toMatchObject({
      status: 3,
      stderr: "the header of the save file at byte 0 is not there: this is no file of xl save.\n",
    });
    expect((await daemon.xl("save", "nobody", file)).status).toBe(1);
    expect(await daemon.list()).toEqual([]);
  });
});
