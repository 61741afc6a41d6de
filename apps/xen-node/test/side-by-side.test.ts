import { describe, expect, it } from "vitest";
import { MachineProcess } from "./support/machine-process.ts";
import { debianGuest, noRealGuests, PROMPT } from "./support/real-guests.ts";

const BOOT_MS = 240_000;

describe.skipIf(noRealGuests)("two domains side by side", () => {
  it("killing one leaves the other running, and no frame is lost", { timeout: 600_000 }, async () => {
    const debian = await debianGuest();
    const machine = new MachineProcess(256);
    const config = { kernel: debian.kernel, ramdisk: debian.initrd, cmdline: "console=hvc0 quiet", memory: 128 };
    const a = machine.create("a", config);
    const b = machine.create("b", config);
    await Promise.all([a.expect(PROMPT, BOOT_MS), b.expect(PROMPT, BOOT_MS)]);
    expect((await machine.audit()).violations).toEqual([]);

    const killed = a.expect(/<destroyed: gone>/);
    await machine.destroy("a");
    await killed;
    expect((await machine.audit()).violations).toEqual([]);
    expect(await b.command("echo still here")).toContain("still here");

    const destroyed = machine.next("destroyed");
    b.send("poweroff -f\r");
    await b.expect(/<poweroff: gone>/, 60_000);
    await destroyed;
    expect(await machine.audit()).toEqual({ violations: [], leaked: 0 });
    expect(machine.errors).toEqual([]);
    await machine.end();
  });

  it("a guest that reboots starts again on the same console", { timeout: 600_000 }, async () => {
    const debian = await debianGuest();
    const machine = new MachineProcess(128);
    const config = { kernel: debian.kernel, ramdisk: debian.initrd, cmdline: "console=hvc0 quiet", memory: 128 };
    const guest = machine.create("again", config);
    await guest.expect(PROMPT, BOOT_MS);
    guest.send("reboot -f\r");
    await guest.expect(/<reboot: restarting>/, 60_000);
    await guest.expect(PROMPT, BOOT_MS);
    expect(await guest.command("cat /proc/uptime")).toMatch(/^\d+\.\d+ /);
    await machine.destroy("again");
    expect(await machine.audit()).toEqual({ violations: [], leaked: 0 });
    await machine.end();
  });
});
