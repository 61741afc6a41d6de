import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MachineProcess } from "./support/machine-process.ts";
import { debianGuest, noRealGuests, PROMPT } from "./support/real-guests.ts";

const GUESTS = 4;
const MIB = 128;
/** Less than they are given: each takes some 85 MiB. */
const MACHINE_MIB = (GUESTS * MIB * 3) / 4;
const BOOT_MS = 300_000;
const DISK_BYTES = 1 << 20;

describe.skipIf(noRealGuests)("Debian guests that boot at one time in one process", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "xen-node-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("reach userspace, each other and their disks, and leave nothing behind", { timeout: 2 * BOOT_MS }, async () => {
    const { kernel, initrd } = await debianGuest();
    const machine = new MachineProcess(MACHINE_MIB, GUESTS * MIB);
    const guests = Array.from({ length: GUESTS }, (_, n) => {
      const [name, address, disk] = [`guest${n + 1}`, `10.77.0.${n + 1}`, join(folder, `${n + 1}.raw`)];
      writeFileSync(disk, new Uint8Array(DISK_BYTES));
      const stream = machine.create(name, {
        memory: MIB,
        kernel,
        ramdisk: initrd,
        cmdline: `console=hvc0 ip=${address}:::255.255.255.0::eth0:off`,
        vifs: ["bridge=between"],
        disks: [`format=raw,vdev=xvda,access=w,target=${disk}`],
      });
      return { name, address, disk, stream };
    });
    const started = performance.now();
    await Promise.all(guests.map(({ stream }) => stream.expect(PROMPT, BOOT_MS)));
    console.log(`${GUESTS} guests in userspace after ${((performance.now() - started) / 1000).toFixed(1)} s`);

    await Promise.all(
      guests.map(async ({ name, stream }, n) => {
        const { address } = guests[(n + 1) % GUESTS];
        stream.send(`ping -c 1 -W 30 ${address}\n`);
        await stream.expect(/1 packets transmitted, 1 packets received/, BOOT_MS);
        stream.send(`echo ${name} >/dev/xvda && sync && echo written-$?\n`);
        await stream.expect(/^written-0/m, BOOT_MS);
      }),
    );

    let destroyed = 0;
    const allDestroyed = new Promise<void>((resolve) => {
      machine.onDestroyed(() => {
        if (++destroyed === GUESTS) resolve();
      });
    });
    for (const { name } of guests) machine.shutDown(name);
    await Promise.all(guests.map(({ stream }) => stream.expect(/<poweroff: gone>/, BOOT_MS)));
    await allDestroyed;
    for (const { name, disk } of guests) expect(readFileSync(disk).toString("latin1")).toMatch(`${name}\n`);
    expect(await machine.audit()).toEqual({ violations: [], leaked: 0 });
    await machine.end();
    expect(machine.errors).toEqual([]);
  });
});
