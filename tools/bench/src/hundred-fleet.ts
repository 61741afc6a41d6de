import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { PlaceUsage } from "@xen-node/mmu";
import {
  type GuestFiles,
  Machine,
  type MachineOptions,
  openGuestDisks,
  readGuestFiles,
  validateDomainConfig,
} from "@xen-node/toolstack";
import type { DebianGuest } from "xen-node";
import { HundredGuest } from "./hundred-guest.ts";
import { stopwatch, withEach } from "./hundred-progress.ts";
import { MissingPeer } from "./missing-peer.ts";

type MachineSizes = Required<Pick<MachineOptions, "guestMemoryMiB" | "nominalMemoryMiB">>;

/** Not the default one, which is joined to the host's network. */
const BRIDGE = "between";
const DISK_BYTES = 1 << 20;
/** For so many guests at least, so that runs with fewer use the same kept translations. */
const LEAST_GUESTS = 100;
/** About what a machine can have beside its tables. */
const MACHINE_MIB = 3456;
/** What a guest takes at most, of many that boot at one time: measured with 128 MiB, of which the rest is shared or zeros. */
const TAKEN_MIB = 34;
/** How often what they take is looked at. */
const WATCH_MS = 250;
const IDLE_MS = 5000;
const PAGE_BYTES = 4096;

/** A machine with Debian guests, each with a network interface and a disk of its own. */
export class HundredFleet {
  readonly machine: Machine;
  readonly guests: HundredGuest[] = [];
  /** Kernel and ram disk of all. */
  private files: GuestFiles | undefined;
  /** Most memory behind frames at one time so far, bytes. */
  peakBytes = 0;
  private readonly watch: NodeJS.Timeout;
  private readonly folder = mkdtempSync(join(tmpdir(), "bench-hundred-"));

  constructor(
    sizes: MachineSizes,
    private readonly debian: DebianGuest,
    private readonly memory: number,
    translator: MachineOptions["translator"],
    private readonly note: (text: string) => void,
  ) {
    this.machine = new Machine({
      ...sizes,
      translator,
      log: { log: (level, _, message) => void (level === "error" && note(message)) },
    });
    this.machine.start();
    this.watch = setInterval(() => this.notePeak(), WATCH_MS).unref();
  }

  /** Memory of a machine for so many guests: less than they are given. @throws MissingPeer if they take more than that */
  static sizes(guests: number, memory: number): MachineSizes {
    const most = Math.floor(MACHINE_MIB / TAKEN_MIB);
    if (guests > most)
      throw new MissingPeer(
        `Each guest takes some ${TAKEN_MIB} MiB while it boots, and one machine has ${MACHINE_MIB}: use at most --guests ${most}, or bench:forks, whose guests share theirs.`,
      );
    return { nominalMemoryMiB: memory * (Math.max(guests, LEAST_GUESTS) + 1), guestMemoryMiB: MACHINE_MIB };
  }

  /** Starts guests, and waits until their shells take commands, `together` at a time. */
  async boot(count: number, together: number): Promise<void> {
    const { note } = this;
    while (this.guests.length < count) {
      const first = this.guests.length;
      const taken = stopwatch();
      while (this.guests.length < Math.min(count, first + together)) await this.create(this.guests.length + 1);
      const created = this.guests.slice(first);
      const { ms, processorMs } = taken();
      note(
        `guests ${first + 1} to ${this.guests.length} are created (${ms.toFixed(0)} ms, ${processorMs.toFixed(0)} ms of processor time)`,
      );
      await withEach(created, "are in userspace", note, (guest) => guest.ready);
    }
  }

  private notePeak(): void {
    const { places } = this.machine.hypervisor.mmu.frames;
    this.peakBytes = Math.max(this.peakBytes, (places.total - places.free) * PAGE_BYTES);
  }

  /** Another guest: the next. */
  peerOf(guest: HundredGuest): HundredGuest {
    return this.guests[(this.guests.indexOf(guest) + 1) % this.guests.length];
  }

  /** What the frames of each are. */
  usage(): PlaceUsage[] {
    const { frames } = this.machine.hypervisor.mmu;
    return this.guests.map(({ guest }) => frames.usage(guest.domain?.domid ?? -1));
  }

  /** How much of a processor this process uses while nobody asks anything of the guests. */
  async idleShare(): Promise<number> {
    const before = process.cpuUsage();
    const start = performance.now();
    await sleep(IDLE_MS);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000 / (performance.now() - start);
  }

  /** Resolves when no domain is left but Dom0. */
  async allDestroyed(): Promise<void> {
    while (this.machine.hypervisor.domains.size > 1) await sleep(10);
  }

  async close(): Promise<void> {
    clearInterval(this.watch);
    await this.machine.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async create(number: number): Promise<void> {
    const address = `10.77.0.${number}`;
    const disk = join(this.folder, `${number}.raw`);
    writeFileSync(disk, new Uint8Array(DISK_BYTES));
    const config = validateDomainConfig({
      name: `guest${number}`,
      kernel: this.debian.kernel,
      ramdisk: this.debian.initrd,
      cmdline: `console=hvc0 ip=${address}:::255.255.255.0::eth0:off`,
      memory: this.memory,
      vifs: [`bridge=${BRIDGE}`],
      disks: [`format=raw,vdev=xvda,access=w,target=${disk}`],
    });
    this.files ??= await readGuestFiles({ ...config, disks: [] });
    this.guests.push(
      new HundredGuest(
        this.machine,
        config,
        { ...this.files, disks: await openGuestDisks(config.disks) },
        address,
        disk,
      ),
    );
  }
}
