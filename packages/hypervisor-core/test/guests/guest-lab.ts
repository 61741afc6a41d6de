import { readFileSync } from "node:fs";
import { readKernelImage } from "@xen-node/guest-images";
import {
  builderTarget,
  buildPvDomain,
  type CrashDump,
  type Domain,
  type GuestAbiName,
  Hypervisor,
  type HypervisorOptions,
  VirtualClock,
} from "../../src/index.ts";

const MS = 1_000_000;
const PAGES_PER_MIB = 256;
/** Offsets in struct xencons_interface. */
const Ring = { out: 1024, outBytes: 2048, outCons: 3080, outProd: 3084 } as const;
const CONSOLE_GRANT = 0;
const SLICE_NS = MS;

export interface LabGuestOptions {
  commandLine?: string;
  memoryMiB?: number;
  vcpus?: number;
  consoleIo?: boolean;
  maxGrantFrames?: number;
  /** Default: 64-bit. */
  abi?: GuestAbiName;
}

/** One of our guests, and what came of it. */
export class LabGuest {
  output = "";
  dump: CrashDump | undefined;
  shutdownReason: number | undefined;
  destroyed = false;
  /** The builder's list: machine frame of each pfn. */
  p2m: Uint32Array = new Uint32Array(0);
  private console: Uint8Array | undefined;
  private grant: { handle: number; port: number } | undefined;

  constructor(
    private readonly lab: GuestLab,
    readonly domain: Domain,
  ) {}

  get ended(): boolean {
    return this.shutdownReason !== undefined;
  }

  /** All that is known of it. */
  get story(): string {
    this.drain();
    const end = this.ended ? `shutdown ${this.shutdownReason}` : this.domain.vcpus.map(({ state }) => state).join(" ");
    return `${this.domain.name} (${end}): ${this.output}${this.dump?.lines.join("\n") ?? ""}`;
  }

  /** What failed: lines of output, with the source line that they name. */
  get failures(): string[] {
    return this.output.split("\n").flatMap((line) => {
      const failed = line.match(/^FAIL line (\d+)/);
      if (failed !== null) return [`${line}  ${sourceLine(this.domain.name, Number(failed[1]))}`];
      return line.startsWith("unexpected") ? [line] : [];
    });
  }

  /** The number that the guest reported under a name. */
  value(name: string): number {
    const found = this.output.match(new RegExp(`^${name} = (-?\\w+)$`, "m"));
    if (found === null) throw new Error(`the guest did not report "${name}":\n${this.output}`);
    return Number(found[1]);
  }

  /** Dom0's side of its console. */
  connect(remotePort: number): void {
    const { grantTable, memory, eventChannel } = this.lab.dom0.hypercalls;
    const mapping = grantTable.mapGrantRef(this.domain.domid, CONSOLE_GRANT, 0);
    this.console = memory.frameBytes(mapping.mfn);
    if (this.console === undefined) throw new Error(`console of ${this.domain.name}: ${mapping.status}`);
    const port = eventChannel.bindInterdomain(this.domain.domid, remotePort);
    this.lab.handlers.set(port, () => this.drain());
    this.grant = { handle: mapping.handle, port };
  }

  drain(): void {
    if (this.console === undefined) return;
    const view = new DataView(this.console.buffer, this.console.byteOffset);
    const produced = view.getUint32(Ring.outProd, true);
    let consumed = view.getUint32(Ring.outCons, true);
    if (produced - consumed > Ring.outBytes) return;
    for (; consumed !== produced; consumed = (consumed + 1) >>> 0) {
      this.output += String.fromCharCode(this.console[Ring.out + (consumed & (Ring.outBytes - 1))]);
    }
    view.setUint32(Ring.outCons, consumed, true);
  }

  disconnect(): void {
    if (this.grant === undefined) return;
    this.drain();
    const { grantTable, eventChannel } = this.lab.dom0.hypercalls;
    this.lab.handlers.delete(this.grant.port);
    eventChannel.close(this.grant.port);
    grantTable.unmapGrantRef(this.grant.handle);
    this.console = this.grant = undefined;
  }
}

/**
 * A machine in virtual time with a TypeScript Dom0 and a neighbour: a guest that answers events. Frames are audited after
 * every slice, and the neighbour must answer at the end of every run.
 */
export class GuestLab {
  readonly hypervisor: Hypervisor;
  readonly clock = new VirtualClock({ nsPerInstruction: 10, wallclockMs: 1_700_000_000_000 });
  readonly dom0: Domain;
  readonly handlers = new Map<number, () => void>();
  readonly logs: string[] = [];
  readonly guests: LabGuest[] = [];
  private readonly freeAtFirst: number;
  private neighbour: LabGuest | undefined;
  private pingPort = 0;
  private answers = 0;
  private asked = 0;

  private constructor(options: HypervisorOptions) {
    this.hypervisor = new Hypervisor({
      memoryBytes: 160 * 2 ** 20,
      clock: this.clock,
      log: { log: (level, subsystem, message) => this.logs.push(`${level} ${subsystem}: ${message}`) },
      ...options,
    });
    this.dom0 = this.hypervisor.createDomain({
      domid: 0,
      kind: "typescript",
      maxPages: 0,
      onEvent: (port) => this.handlers.get(port)?.(),
    });
    this.hypervisor.unpauseDomain(this.dom0);
    this.hypervisor.listen({
      onCrash: (domain, dump) => {
        const guest = this.guestOf(domain);
        if (guest !== undefined) guest.dump = dump;
      },
      onShutdown: (domain, reason) => {
        const guest = this.guestOf(domain);
        if (guest !== undefined) guest.shutdownReason = reason;
      },
      onDestroyed: (domain) => {
        const guest = this.guestOf(domain);
        if (guest !== undefined) guest.destroyed = true;
      },
    });
    this.freeAtFirst = this.hypervisor.mmu.frames.freeFrames;
  }

  static async create(options: HypervisorOptions = {}): Promise<GuestLab> {
    const lab = new GuestLab(options);
    await lab.addNeighbour();
    return lab;
  }

  private async addNeighbour(): Promise<void> {
    const { eventChannel } = this.dom0.hypercalls;
    const guest = this.create("neighbour", {});
    this.pingPort = eventChannel.allocUnbound(0, guest.domain.domid);
    this.handlers.set(this.pingPort, () => this.answers++);
    await this.build(guest, "neighbour", { commandLine: `port=${this.pingPort}` });
    this.neighbour = guest;
    this.run(() => eventChannel.status(0, this.pingPort) !== undefined && guest.domain.vcpus[0].blocked);
    // Binding leaves Dom0's end alone and the neighbour's pending, so it has served one ping of its own accord.
    this.runSlice();
    this.asked = this.answers;
  }

  private guestOf(domain: Domain): LabGuest | undefined {
    return this.guests.find((guest) => guest.domain === domain);
  }

  private create(name: string, options: LabGuestOptions): LabGuest {
    const domain = this.hypervisor.createDomain({
      kind: "pv",
      abi: options.abi,
      name,
      maxPages: (options.memoryMiB ?? 6) * PAGES_PER_MIB,
      vcpus: options.vcpus,
      consoleIo: options.consoleIo,
      maxGrantFrames: options.maxGrantFrames,
    });
    const guest = new LabGuest(this, domain);
    this.guests.push(guest);
    return guest;
  }

  private async build(guest: LabGuest, image: string, options: LabGuestOptions): Promise<void> {
    const { hypervisor } = this;
    const { domain } = guest;
    const { eventChannel } = this.dom0.hypercalls;
    const storeEvtchn = eventChannel.allocUnbound(domain.domid, 0);
    const consoleEvtchn = eventChannel.allocUnbound(domain.domid, 0);
    const built = buildPvDomain(builderTarget(hypervisor.mmu, hypervisor.grants, domain), {
      kernel: await guestImage(image),
      commandLine: options.commandLine ?? "",
      pages: domain.maxPages,
      storeEvtchn,
      consoleEvtchn,
    });
    guest.p2m = built.p2m;
    const rc = hypervisor.bootDomain(domain, built.vcpu);
    if (rc !== 0) throw new Error(`${image} does not boot: ${rc}`);
    guest.connect(consoleEvtchn);
    hypervisor.unpauseDomain(domain);
  }

  /** Creates a guest from one of our images; it runs with `run`. */
  async start(image: string, options: LabGuestOptions = {}): Promise<LabGuest> {
    const guest = this.create(image, options);
    await this.build(guest, image, options);
    return guest;
  }

  /** Starts several guests, each of which knows the domids of all: dom0=, dom1= ... on their command lines. */
  async startTogether(image: string, count: number, options: LabGuestOptions = {}): Promise<LabGuest[]> {
    const guests = Array.from({ length: count }, () => this.create(image, options));
    const domids = guests.map((guest, i) => `dom${i}=${guest.domain.domid}`).join(" ");
    for (const [i, guest] of guests.entries()) {
      const commandLine = `role=${i} ${domids} ${options.commandLine ?? ""}`;
      await this.build(guest, image, { ...options, commandLine });
    }
    return guests;
  }

  /** One slice, and an audit. @throws Error with the violations */
  runSlice(ns = SLICE_NS): number {
    const wait = this.hypervisor.runSlice(ns);
    this.audit();
    return wait;
  }

  audit(): void {
    const problems = this.hypervisor.auditFrames();
    if (problems.length > 0) throw new Error(`frames: ${problems.slice(0, 5).join("; ")}`);
  }

  /** Runs slices until something holds. @throws Error if it does not within `limitMs` of virtual time */
  run(until: () => boolean, limitMs = 2000): void {
    const end = this.hypervisor.now() + limitMs * MS;
    while (!until()) {
      const wait = this.runSlice();
      if (until()) return;
      if (wait === Number.POSITIVE_INFINITY || this.hypervisor.now() > end) {
        const texts = this.guests.map((g) => g.story);
        throw new Error(`nothing came of it (${this.hypervisor.now() / MS} ms):\n${texts.join("\n")}`);
      }
    }
  }

  /** Runs until a guest has shut down or crashed, asking the neighbour now and then. */
  runToEnd(guest: LabGuest, limitMs = 2000): void {
    this.run(() => guest.ended, limitMs);
    guest.drain();
    this.ping();
  }

  /** The neighbour must answer within `limitMs` of virtual time, whatever the others do. */
  ping(limitMs = 200): void {
    const { neighbour } = this;
    if (neighbour === undefined || neighbour.ended) throw new Error(`no neighbour: ${neighbour?.output}`);
    this.asked++;
    this.dom0.hypercalls.eventChannel.send(this.pingPort);
    this.run(() => this.answers >= this.asked, limitMs);
  }

  /** Ends a guest and gives all its memory back; others may still hold some of its frames. */
  destroy(guest: LabGuest): void {
    guest.disconnect();
    this.hypervisor.destroyDomain(guest.domain);
    this.run(() => guest.destroyed || guest.domain.state === "dying", 100);
    for (let i = 0; i < 20 && !guest.destroyed; i++) this.runSlice();
  }

  /** Ends all guests. @throws Error if frames are lost */
  close(): void {
    for (const guest of this.guests) if (!guest.destroyed) this.destroy(guest);
    const left = this.guests.filter((guest) => !guest.destroyed).map((guest) => guest.domain.name);
    if (left.length > 0) throw new Error(`not destroyed: ${left.join(", ")}`);
    const { freeFrames } = this.hypervisor.mmu.frames;
    if (freeFrames !== this.freeAtFirst) throw new Error(`${this.freeAtFirst - freeFrames} frames are lost`);
  }
}

/** The bytes of a built guest. */
export function guestBytes(name: string): Uint8Array {
  return readFileSync(new URL(`bin/${name}.elf`, import.meta.url));
}

function sourceLine(name: string, line: number): string {
  const source = readFileSync(new URL(`src/${name}.c`, import.meta.url), "utf8");
  return (source.split("\n")[line - 1] ?? "").trim();
}

function guestImage(name: string): ReturnType<typeof readKernelImage> {
  return readKernelImage(guestBytes(name));
}
