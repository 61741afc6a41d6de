import { readFileSync } from "node:fs";
import { readKernelImage } from "@xen-node/guest-images";
import {
  buildPvhDomain,
  type CrashDump,
  type Domain,
  Hypervisor,
  type HypervisorOptions,
  pvhBuilderTarget,
  VirtualClock,
} from "../../src/index.ts";

const MS = 1_000_000;
const PAGES = 16 * 256;
const SLICE_NS = MS;
const GUEST = new URL("bin/guest.elf", import.meta.url);

/** A machine in virtual time with PVH guests, which print by Xen's debug port, and a Dom0 that does nothing. */
export class PvhLab {
  readonly hypervisor: Hypervisor;
  readonly lines: string[] = [];
  readonly freeAtFirst: number;
  shutdownReason: number | undefined;
  dump: CrashDump | undefined;

  constructor(options: HypervisorOptions = {}) {
    this.hypervisor = new Hypervisor({
      memoryBytes: 96 * 2 ** 20,
      clock: new VirtualClock({ nsPerInstruction: 10, wallclockMs: 1_700_000_000_000 }),
      log: { log: (_level, _subsystem, message) => this.lines.push(message) },
      ...options,
    });
    this.hypervisor.createDomain({ domid: 0, kind: "typescript", maxPages: 0 });
    this.hypervisor.listen({
      onShutdown: (_domain, reason) => {
        this.shutdownReason = reason;
      },
      onCrash: (_domain, dump) => {
        this.dump = dump;
      },
    });
    this.freeAtFirst = this.hypervisor.mmu.frames.freeFrames;
  }

  /** The guest of this folder. */
  async start(): Promise<Domain> {
    const { hypervisor } = this;
    const domain = hypervisor.createDomain({ kind: "pvh", maxPages: PAGES });
    const built = buildPvhDomain(pvhBuilderTarget(hypervisor.mmu, hypervisor.grants, domain), domain, {
      kernel: await readKernelImage(new Uint8Array(readFileSync(GUEST)), { guestType: "pvh" }),
      pages: PAGES,
      storeEvtchn: hypervisor.events.allocUnbound(0, domain.domid, 0),
      consoleEvtchn: hypervisor.events.allocUnbound(0, domain.domid, 0),
    });
    hypervisor.bootPvhDomain(domain, built.vcpu);
    hypervisor.unpauseDomain(domain);
    return domain;
  }

  /** Runs until the guest shuts down, with an audit after each slice. @throws Error if nothing comes of it */
  runToEnd(limitMs = 2000): void {
    const { hypervisor } = this;
    const end = hypervisor.now() + limitMs * MS;
    while (this.shutdownReason === undefined) {
      const wait = hypervisor.runSlice(SLICE_NS);
      this.audit();
      if (this.shutdownReason === undefined && (wait === Number.POSITIVE_INFINITY || hypervisor.now() > end))
        throw new Error(`nothing came of it:\n${this.story}`);
    }
  }

  audit(): void {
    const problems = this.hypervisor.auditFrames();
    if (problems.length > 0) throw new Error(`frames: ${problems.slice(0, 5).join("; ")}\n${this.story}`);
  }

  get story(): string {
    return [...this.lines, ...(this.dump?.lines ?? [])].join("\n");
  }

  destroy(domain: Domain): void {
    this.hypervisor.destroyDomain(domain);
    while (domain.state !== "destroyed") this.hypervisor.runSlice(SLICE_NS);
    this.audit();
  }
}
