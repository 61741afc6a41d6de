import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { forkedConfig, type Guest, Machine, readGuestFiles, validateDomainConfig } from "@xen-node/toolstack";
import { expect, it, onTestFinished } from "vitest";
import { debianGuest, noRealGuests, PROMPT } from "./support/real-guests.ts";

const MIB = 112;
const FORKS = 3;
const DISK_BYTES = 2 ** 20;

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
  "forks of Debian's kernel go on beside it in the memory of one and a half, and keep to themselves what they write to memory and disk",
  { timeout: 400_000 },
  async () => {
    const { kernel, initrd } = await debianGuest();
    const folder = await mkdtemp(join(tmpdir(), "xen-node-forks-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const disk = join(folder, "disk.img");
    await writeFile(disk, "before\n");
    await truncate(disk, DISK_BYTES);
    const faults: unknown[] = [];
    const machine = new Machine({
      guestMemoryMiB: 1.5 * MIB,
      nominalMemoryMiB: (FORKS + 1) * MIB,
      onError: (error) => faults.push(error),
    });
    const { frames } = machine.hypervisor.mmu;
    const free = frames.freeFrames;
    machine.start();
    const config = validateDomainConfig({
      name: "deb",
      kernel,
      ramdisk: initrd,
      cmdline: "console=hvc0",
      memory: MIB,
      disks: [`${disk},raw,xvda,w`],
    });
    const files = await readGuestFiles(config);
    const parent = machine.createGuest(config, files);
    await hears(parent, PROMPT);
    await types(parent, "kept=$((40+2)); echo set-$kept", /set-42\r?\n/);

    const suspended = await parent.suspend();
    const forks: Guest[] = [];
    for (let n = 0; n < FORKS; n++) {
      const forked = forkedConfig(parent.currentConfig, `fork${n}`);
      forks.push(suspended.fork(forked, await suspended.forkedFiles(forked)));
    }
    const more = forkedConfig(parent.currentConfig, "more");
    const filesOfMore = await suspended.forkedFiles(more);
    expect(() => suspended.fork(more, filesOfMore)).toThrow(/machine has 0 MiB left/);
    for (const device of filesOfMore.disks) await device?.close();
    suspended.resume();
    const all = [parent, ...forks];
    // Each has the variable, and a file of its own.
    const asks = (line: (guest: Guest) => string): Promise<unknown> =>
      Promise.all(all.map((guest) => types(guest, line(guest), new RegExp(`this-is-${guest.name}-42\\r?\\n`))));
    await asks(({ name }) => `echo ${name}-$kept >/me; echo this-is-$(cat /me)`);
    // All have written by now.
    await asks(() => "echo this-is-$(cat /me)");
    // Each has the first sector as it was, and beside it what it wrote itself, to a sector of its own.
    const sectors = all.map((_, n) => n + 1);
    await Promise.all(
      all.map((guest, n) =>
        types(
          guest,
          `echo ${guest.name} | dd of=/dev/xvda bs=512 seek=${sectors[n]} conv=sync,fsync 2>/dev/null; echo wrote-$kept`,
          /wrote-42\r?\n/,
        ),
      ),
    );
    const read = `for s in 0 ${sectors.join(" ")}; do dd if=/dev/xvda bs=512 count=1 skip=$s 2>/dev/null | tr -d '\\000'; done`;
    await Promise.all(
      all.map((guest) =>
        types(guest, `echo "holds-$kept" $(${read}) end`, new RegExp(`holds-42 before ${guest.name} end\r?\n`)),
      ),
    );
    const usage = forks.map(({ domain }) => frames.usage(domain?.domid ?? -1));
    console.log(`frames of each fork: ${usage.map(({ own, shared }) => `${own} own, ${shared} shared`).join("; ")}`);
    for (const { own, shared } of usage) expect(shared).toBeGreaterThan(own);
    machine.stop();
    expect(machine.hypervisor.auditFrames()).toEqual([]);
    machine.start();

    expect(() => forks[0].move()).toThrow("neither saved nor moved");
    for (const guest of all) guest.destroy();
    await Promise.all(all.map((guest) => guest.gone));
    while ([...machine.hypervisor.domains.keys()].some((domid) => domid !== 0))
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(frames.freeFrames).toBe(free);
    await machine.close();
    // The image has what the first one wrote, and nothing of the others'.
    const words = (await readFile(disk, "latin1")).replace(/\0+/g, "").split("\n");
    expect(words.slice(0, -1)).toEqual(["before", parent.name]);
    expect(faults).toEqual([]);
  },
);
