import { VirtualClock } from "@xen-node/hypervisor-core";
import { type DomainEnd, Machine, readGuestFiles, validateDomainConfig } from "@xen-node/toolstack";

const MS = 1e6;
const SEED_MS = 1_700_000_000_000;

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
  vifs?: string[];
  limitMs?: number;
}

/** One machine in virtual time after the other's guests: each run is the same everywhere, and idle time costs nothing. */
export class GuestRuns {
  private readonly machine: Machine;

  constructor(guestMemoryMiB: number) {
    this.machine = new Machine({
      guestMemoryMiB,
      clock: new VirtualClock({ wallclockMs: SEED_MS }),
      uplinks: new Map(),
    });
  }

  /** Runs a guest to its end, or for `limitMs` of its time. Its disks and interfaces are in xl's syntax. */
  async run(name: string, kernel: string, settings: GuestSettings = {}): Promise<GuestRun> {
    const { vcpus = 1, memoryMiB = 16, disks = [], vifs = [], limitMs = 20_000 } = settings;
    const config = validateDomainConfig({ name, kernel, memory: memoryMiB, vcpus, disks, vifs }, name);
    const hasDevices = disks.length + vifs.length > 0;
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
    for (let ms = 0; ms < limitMs && run.end === undefined; ms++) {
      this.machine.stepFor(MS);
      // Files and sockets answer between turns of Node's event loop.
      if (hasDevices) await new Promise((resolve) => setImmediate(resolve));
    }
    if (run.end === undefined) guest.destroy();
    // Its frames are given back in steps, its devices closed between them.
    for (let i = 0; i < 10; i++) {
      this.machine.stepFor(MS);
      if (hasDevices) await new Promise((resolve) => setImmediate(resolve));
    }
    return run;
  }

  /** Violations of the frame table's invariants. */
  audit(): string[] {
    return this.machine.hypervisor.auditFrames();
  }
}
