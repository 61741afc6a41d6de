import { forkedConfig, type Guest, Machine, readGuestFiles, validateDomainConfig } from "@xen-node/toolstack";
import { expect, it } from "vitest";
import { debianGuest, noRealGuests, PROMPT } from "./support/real-guests.ts";

const MIB = 112;
const FORKS = 3;

function hears(guest: Guest, what: RegExp): Promise<void> {
  return new Promise((resolve) => {
    let text = "";
    guest.console.onOutput((bytes) => {
      text += Buffer.from(bytes).toString("latin1");
      if (what.test(text)) resolve();
    });
  });
}

function types(guest: Guest, line: string, answer: RegExp): Promise<void> {
  const answered = hears(guest, answer);
  guest.console.write(Buffer.from(`${line}\n`));
  return answered;
}

it.skipIf(noRealGuests)(
  "forks of Debian's kernel go on beside it in the memory of one and a half, and keep to themselves what they write",
  { timeout: 400_000 },
  async () => {
    const { kernel, initrd } = await debianGuest();
    const faults: unknown[] = [];
    const machine = new Machine({
      guestMemoryMiB: 1.5 * MIB,
      nominalMemoryMiB: (FORKS + 1) * MIB,
      onError: (error) => faults.push(error),
    });
    const { frames } = machine.hypervisor.mmu;
    const free = frames.freeFrames;
    machine.start();
    const config = validateDomainConfig({ name: "deb", kernel, ramdisk: initrd, cmdline: "console=hvc0", memory: MIB });
    const files = await readGuestFiles(config);
    const parent = machine.createGuest(config, files);
    await hears(parent, PROMPT);
    await types(parent, "kept=$((40+2)); echo set-$kept", /set-42\r?\n/);

    const suspended = await parent.suspend();
    const forks = Array.from({ length: FORKS }, (_, n) =>
      suspended.fork(forkedConfig(parent.currentConfig, `fork${n}`), { ...files, disks: [] }),
    );
    expect(() => suspended.fork(forkedConfig(parent.currentConfig, "more"), files)).toThrow(/machine has 0 MiB left/);
    suspended.resume();
    const all = [parent, ...forks];
    // Each has the variable, and a file of its own.
    const asks = (line: (guest: Guest) => string): Promise<unknown> =>
      Promise.all(all.map((guest) => types(guest, line(guest), new RegExp(`this-is-${guest.name}-42\\r?\\n`))));
    await asks(({ name }) => `echo ${name}-$kept >/me; echo this-is-$(cat /me)`);
    // All have written by now.
    await asks(() => "echo this-is-$(cat /me)");
    const usage = forks.map(({ domain }) => frames.usage(domain?.domid ?? -1));
    console.log(`frames of each fork: ${usage.map(({ own, shared }) => `${own} own, ${shared} shared`).join("; ")}`);
    for (const { own, shared } of usage) expect(shared).toBeGreaterThan(own);
    machine.stop();
    expect(machine.hypervisor.auditFrames()).toEqual([]);
    machine.start();

    for (const guest of all) guest.destroy();
    await Promise.all(all.map((guest) => guest.gone));
    while ([...machine.hypervisor.domains.keys()].some((domid) => domid !== 0))
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(frames.freeFrames).toBe(free);
    await machine.close();
    expect(faults).toEqual([]);
  },
);
