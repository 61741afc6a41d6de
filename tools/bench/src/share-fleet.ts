import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { buildGuest } from "@xen-node/guest-sdk";
import type { SchedulerName } from "@xen-node/schedulers";
import { type Guest, Machine, readGuestFiles, validateDomainConfig } from "@xen-node/toolstack";

/** Memory of a guest, MiB. */
const GUEST_MIB = 4;
const START_LIMIT_MS = 120_000;

/** From the sources or from dist, this package's folder. */
const source = fileURLToPath(new URL("../guest/shares/worker.c", import.meta.url));

/** A small guest that computes for ever, or sleeps; both answer what is typed. */
export class FleetGuest {
  private listeners: (() => void)[] = [];

  constructor(readonly guest: Guest) {
    guest.console.onOutput(() => {
      const { listeners } = this;
      this.listeners = [];
      for (const listener of listeners) listener();
    });
  }

  /** Instructions that it has run. */
  get retired(): number {
    return this.guest.domain?.vcpus[0].retired ?? 0;
  }

  /** Time that it had the processor, ns. */
  get ranNs(): number {
    return this.guest.domain?.vcpus[0].runstate.timeNs[0] ?? 0;
  }

  get domid(): number {
    return this.guest.domain?.domid ?? -1;
  }

  heard(): Promise<void> {
    return new Promise((resolve) => this.listeners.push(resolve));
  }

  /** How long it takes to send a byte back, ms. */
  async ping(): Promise<number> {
    const answered = this.heard();
    const start = performance.now();
    this.guest.console.write(new Uint8Array([0x2e]));
    await answered;
    return performance.now() - start;
  }
}

/** A machine full of them, in this process. */
export class Fleet {
  readonly workers: FleetGuest[] = [];
  readonly machine: Machine;
  private active = 0;

  private constructor(
    scheduler: SchedulerName,
    guests: number,
    private readonly folder: string,
    private readonly kernel: string,
  ) {
    this.machine = new Machine({ guestMemoryMiB: guests * GUEST_MIB, scheduler });
  }

  /** Starts `workers` that compute; there is room for one more guest. @throws Error if they do not come up */
  static async start(scheduler: SchedulerName, workers: number): Promise<Fleet> {
    const folder = mkdtempSync(join(tmpdir(), "bench-shares-"));
    const kernel = buildGuest({ sources: [source], output: join(folder, "worker.elf") });
    const fleet = new Fleet(scheduler, workers + 1, folder, kernel);
    fleet.machine.start();
    fleet.workers.push(...(await Promise.all(Array.from({ length: workers }, (_, n) => fleet.add(`worker${n}`, "")))));
    fleet.active = workers;
    return fleet;
  }

  /** Adds the one that sleeps. */
  addIdle(): Promise<FleetGuest> {
    return this.add("idle", "idle");
  }

  private async add(name: string, cmdline: string): Promise<FleetGuest> {
    const config = validateDomainConfig({ name, kernel: this.kernel, cmdline, memory: GUEST_MIB });
    const files = await readGuestFiles(config);
    const guest = new FleetGuest(this.machine.createGuest(config, files));
    const patience = new AbortController();
    const late = sleep(START_LIMIT_MS, undefined, { signal: patience.signal }).then(() => {
      throw new Error(`${name} did not start within ${START_LIMIT_MS / 1000} s.`);
    });
    await Promise.race([guest.heard(), late]);
    late.catch(() => {});
    patience.abort();
    return guest;
  }

  /** Lets the first `count` workers run, and no others. */
  activate(count: number): void {
    for (; this.active > count; this.active--) this.workers[this.active - 1].guest.pause();
    for (; this.active < count; this.active++) this.workers[this.active].guest.unpause();
  }

  async close(): Promise<void> {
    await this.machine.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
