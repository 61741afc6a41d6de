import { setTimeout as sleep } from "node:timers/promises";
import { VirtualClock } from "@xen-node/hypervisor-core";
import { type DomainEnd, Machine, readGuestFiles, validateDomainConfig } from "@xen-node/toolstack";

const MS = 1e6;
const SEED_MS = 1_700_000_000_000;
/** Short, so that pauses fall between any two steps of what a guest does with others. */
const STRETCH_NS = 30_000;

export interface GuestRun {
  output: string;
  end: DomainEnd["kind"] | undefined;
  /** Registers of a guest that crashed. */
  dump: string;
}

export interface GuestSettings {
  vcpus?: number;
  memoryMiB?: number;
  disks?: string[];
  limitMs?: number;
  /** It is paused for so long after each `STRETCH_NS` of its time. */
  pausedMs?: number;
}

/** One machine in virtual time after the other's guests: each run is the same everywhere, and idle time costs nothing. */
export class GuestRuns {
  private readonly machine: Machine;
  private readonly clock = new VirtualClock({ wallclockMs: SEED_MS });

  constructor(guestMemoryMiB: number) {
    this.machine = new Machine({
      guestMemoryMiB,
      clock: this.clock,
      uplinks: new Map(),
    });
  }

  /** Runs a guest to its end, or for `limitMs` of its time. Its disks are in xl's syntax. */
  async run(name: string, kernel: string, settings: GuestSettings = {}): Promise<GuestRun> {
    const { vcpus = 1, memoryMiB = 16, disks = [], limitMs = 20_000, pausedMs } = settings;
    const config = validateDomainConfig({ name, kernel, memory: memoryMiB, vcpus, disks }, name);
    // Files answer between turns of Node's event loop.
    const pause = (): Promise<void> | undefined => (disks.length > 0 ? sleep(0) : undefined);
    const run: GuestRun = { output: "", end: undefined, dump: "" };
    const guest = this.machine.createGuest(config, await readGuestFiles(config), {
      onEnd: (end) => {
        run.end = end.kind;
        if (end.kind === "crash") run.dump = end.dump?.lines.join("\n") ?? "";
      },
    });
    guest.console.onOutput((bytes) => {
      run.output += Buffer.from(bytes).toString("latin1");
    });
    const stretchNs = pausedMs === undefined ? MS : STRETCH_NS;
    for (let ns = 0; ns < limitMs * MS && run.end === undefined; ns += stretchNs) {
      this.machine.stepFor(stretchNs);
      if (pausedMs !== undefined) {
        guest.pause();
        this.clock.advance(pausedMs * MS);
      }
      await pause();
      if (pausedMs !== undefined) guest.unpause();
    }
    if (run.end === undefined) guest.destroy();
    // Its frames are given back in steps, its devices closed between them.
    for (let i = 0; i < 10; i++) {
      this.machine.stepFor(MS);
      await pause();
    }
    return run;
  }

  /** Violations of the frame table's invariants. */
  audit(): string[] {
    return this.machine.hypervisor.auditFrames();
  }
}

/** Runs a guest as users do, in the host's time and with the machine's own network. */
export async function runLive(name: string, kernel: string, vifs: string[]): Promise<GuestRun> {
  const machine = new Machine({ guestMemoryMiB: 16 });
  const config = validateDomainConfig({ name, kernel, memory: 16, vcpus: 1, vifs }, name);
  const files = await readGuestFiles(config);
  const run: GuestRun = { output: "", end: undefined, dump: "" };
  await new Promise<void>((resolve) => {
    const guest = machine.createGuest(config, files, {
      onEnd: ({ kind }) => {
        run.end = kind;
        resolve();
      },
    });
    guest.console.onOutput((bytes) => {
      run.output += Buffer.from(bytes).toString("latin1");
    });
    machine.start();
  });
  await machine.close();
  return run;
}
