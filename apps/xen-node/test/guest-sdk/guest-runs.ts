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

  /** Runs a guest to its end, or for `limitMs` of its time. */
  async run(name: string, kernel: string, settings: { vcpus?: number; memoryMiB?: number; limitMs?: number } = {}) {
    const { vcpus = 1, memoryMiB = 16, limitMs = 20_000 } = settings;
    const config = validateDomainConfig({ name, kernel, memory: memoryMiB, vcpus }, name);
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
    for (let ms = 0; ms < limitMs && run.end === undefined; ms++) this.machine.stepFor(MS);
    if (run.end === undefined) guest.destroy();
    // Its frames are given back in steps.
    for (let i = 0; i < 10; i++) this.machine.stepFor(MS);
    return run;
  }

  /** Violations of the frame table's invariants. */
  audit(): string[] {
    return this.machine.hypervisor.auditFrames();
  }
}
