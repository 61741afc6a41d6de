import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DaemonProcess } from "../support/daemon-process.ts";
import { grubImage, noRealGuests } from "../support/real-guests.ts";

describe.skipIf(noRealGuests)("a daemon with two processors", () => {
  let daemon: DaemonProcess;
  beforeEach(async () => {
    daemon = await DaemonProcess.create();
  });
  afterEach(() => daemon.end());

  const done = { status: 0, stdout: "", stderr: "" };

  it("has guests in pools, where they stay when they restart", { timeout: 300_000 }, async () => {
    await daemon.start(160, ["--cpus", "2"]);
    const pools = async () => (await daemon.xl("cpupool-list")).stdout.trim().split("\n").slice(1);
    const grub = (name: string) => grubImage().then((kernel) => daemon.config(name, { kernel, memory: 64 }));
    const poolOf = async (name: string) => JSON.parse((await daemon.xl("list", "-l", name)).stdout)[0].config.c_info;

    expect((await daemon.xl("create", "-q", await grub("web"), 'pool="second"')).stderr).toMatch(
      /^web: there is no cpupool "second": use one of Pool-0, or make it with xl cpupool-create/,
    );
    expect(await daemon.xl("cpupool-cpu-remove", "Pool-0", "1")).toEqual(done);
    expect((await daemon.xl("cpupool-create", 'name="second"', 'sched="bvt"', "cpus=[1]")).status).toBe(0);
    expect(await daemon.xl("create", "-q", await grub("web"), 'pool="second"')).toEqual(done);
    expect(await daemon.xl("create", "-q", await grub("db"))).toEqual(done);
    expect(await pools()).toEqual([
      "Pool-0               1   credit2       y          2",
      "second               1       bvt       y          1",
    ]);
    const console = daemon.console("web");
    await console.stream.expect(/grub> /);
    expect((await daemon.xl("vcpu-list", "web")).stdout).toMatch(/\n *web +1 +0 +1 .* all \/ all\n$/);
    expect((await daemon.xl("sched-bvt", "-p", "second")).stdout).toMatch(/^Cpupool second: ctxallow=5ms\n.*\nweb +1 /);
    expect((await daemon.xl("info")).stdout).toMatch(/^nr_cpus +: 2$/m);

    console.stream.send("reboot\r");
    await console.stream.expect(/grub> /);
    expect(await daemon.list()).toContainEqual(expect.stringMatching(/^web 3 64 1 /));
    expect(await poolOf("web")).toMatchObject({ pool_name: "second" });
    expect((await daemon.xl("cpupool-destroy", "second")).stderr).toBe(
      "second has 1 domain(s): move them to another pool first.\nCan't destroy cpupool 'second'\n",
    );

    expect(await daemon.xl("cpupool-migrate", "web", "Pool-0")).toEqual(done);
    expect(await daemon.xl("cpupool-destroy", "second")).toEqual(done);
    expect(await daemon.xl("cpupool-cpu-add", "Pool-0", "1")).toEqual(done);
    console.stream.send("reboot\r");
    await console.stream.expect(/grub> /);
    expect((await poolOf("web")).pool_name).toBeUndefined();
    expect(await pools()).toEqual(["Pool-0               2   credit2       y          3"]);
  });
});
