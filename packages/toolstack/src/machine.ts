import { BlockScheduler } from "@xen-node/blkback";
import type { GuestProgramClass } from "@xen-node/guest-runtime";
import {
  type Clock,
  type CrashDump,
  type Domain,
  Hypervisor,
  type HypervisorOptions,
  type LogSink,
  type RandomSource,
  SeededRandom,
  type SuspendedDomain,
  silentLog,
  TraceRing,
  takeDump,
  WallClock,
} from "@xen-node/hypervisor-core";
import type { ByteInput } from "@xen-node/migration-stream";
import { createScheduler, type SchedulerName } from "@xen-node/schedulers";
import type { SwitchPort } from "@xen-node/virtual-network";
import { SHUTDOWN_crash } from "@xen-node/xen-abi";
import { XenStore } from "@xen-node/xenstore";
import { ConfigError } from "./config/config-error.ts";
import type { DomainConfig } from "./config/domain-config.ts";
import { type ProgramConfigInput, validateProgramConfig } from "./config/program-config.ts";
import { ConfiguredGuest } from "./configured-guest.ts";
import type { DeviceHost } from "./devices/domain-devices.ts";
import { randomMac } from "./devices/mac-address.ts";
import { NetworkHub } from "./devices/network-hub.ts";
import type { UplinkConfig } from "./devices/uplinks.ts";
import { Dom0 } from "./dom0/dom0.ts";
import type { Guest, GuestEvents } from "./guest.ts";
import { forkKernelDomain, readKernelDomain } from "./guest-domain.ts";
import { openGuestDisks } from "./images/guest-disks.ts";
import type { GuestFiles, GuestSource } from "./images/guest-files.ts";
import { RunLoop } from "./run-loop.ts";
import type { RunningState } from "./save/running-state.ts";
import { randomUuid } from "./uuid.ts";

export interface MachineOptions {
  /** Memory of all guests that will run at one time, MiB. */
  guestMemoryMiB: number;
  /**
   * How much may be given to guests in all, MiB, if more than there is: memory that a guest never writes, or shares with
   * others, takes none. A guest that writes when there is nothing left is ended. Default: `guestMemoryMiB`.
   */
  nominalMemoryMiB?: number | undefined;
  /** Default: the host's time. */
  clock?: Clock;
  /** Default: seeded by the clock's wall time. */
  random?: RandomSource;
  /** Where the hypervisor's messages go. Default: nowhere. */
  log?: LogSink;
  /** How hot guest code is translated; false: all of it is interpreted. */
  translator?: HypervisorOptions["translator"];
  /** Which scheduler divides the processors of Pool-0. Default: credit2. */
  scheduler?: SchedulerName | undefined;
  /** How many processors it has, 1 (the default) to 32. They take turns on the thread that it runs in. */
  cpus?: number | undefined;
  /** Trace records to keep; 0, the default, traces nothing. */
  traceRecords?: number;
  /** How bridges are joined to the world, by name. Default: DEFAULT_BRIDGE by NAT, others not at all. */
  uplinks?: ReadonlyMap<string, UplinkConfig>;
  /** Rules of every guest's interface, in the syntax of @xen-node/virtual-network. */
  rules?: readonly string[];
  /** A guest's interface was plugged into its switch; its capture and counters are there. */
  onVif?: (port: SwitchPort) => void;
  /** The run loop has stopped because something threw that should not: a fault of the hypervisor or of Dom0. */
  onError?(error: unknown): void;
}

/** A domain that came from elsewhere, until one of the two is called. */
export interface ReceivedGuest {
  /**
   * Makes it a guest.
   *
   * @throws DomainImageError or ConfigError, one sentence: nothing is left of it then; the files' disks are the caller's
   */
  start(files: GuestFiles, events?: GuestEvents, options?: { paused?: boolean }): Guest;
  discard(): void;
}

/** Address spaces that are at hand, each process of a guest has two: so many, and another process's for each guest. */
const TLB_BANKS = 64;
/** There is room for another one for so much of the guests' memory, up to the most that are of use. */
const MIB_PER_TLB_BANK = 3;
const TLB_BANK_MIB = 0.66;
const MOST_TLB_BANKS = 512;
/** What the hypervisor needs beside the guests' memory: `TLB_BANKS` soft TLBs, code, page tables of its own. */
const OVERHEAD_MIB = 128;
/** What grows with the guests' memory: the frame table, machine-to-physical table. */
const OVERHEAD_SHARE = 1 / 32;
/** The part of them that all memory has which may be given to guests, be it there or not. */
const NOMINAL_SHARE = 1 / 64;
/** Frames of the hypervisor's own, such as the guests' grant tables, MiB. */
const OWN_FRAMES_MIB = 64;
/** The part of its memory that a guest must find, and the part that a fork must. */
const LEAST_SHARE = 1 / 4;
const LEAST_FORK_SHARE = 1 / 16;
const PAGE_KIB = 4;
/** Pages that are looked at after a slice to see whether others are the same, some 2 us each; more when little is left. */
const MERGES_AT_A_TIME = 128;
const MERGES_WHEN_SCARCE = 1024;
const SCARCE_SHARE = 1 / 8;
/** WebAssembly's 32-bit memory, less its last 64 KiB. */
const MOST_MIB = 4095;

/** A hypervisor with its Dom0 and guests, running in Node's event loop. */
export class Machine {
  readonly hypervisor: Hypervisor;
  readonly dom0: Dom0;
  readonly store: XenStore;
  readonly clock: Clock;
  /** The switches that guests' interfaces are plugged into. */
  readonly networks: NetworkHub;
  /** What the backends of all guests share. */
  readonly devices: DeviceHost;
  private readonly onError: ((error: unknown) => void) | undefined;
  private readonly random: RandomSource;
  private readonly guestMemoryKib: number;
  private readonly promisesMore: boolean;
  private readonly loop: RunLoop;
  private readonly guests = new Set<ConfiguredGuest>();
  private closed = false;
  private readonly dumps = new Map<Domain, CrashDump>();
  private readonly destroying = new Map<Domain, () => void>();
  /** What a slice left to be done after it, outside of any hypercall. */
  private afterwards: (() => void)[] = [];

  /** @throws ConfigError if the guests' memory is more than a machine can have. */
  constructor(options: MachineOptions) {
    const nominalMiB = Math.max(options.guestMemoryMiB, options.nominalMemoryMiB ?? 0);
    const promisesMore = nominalMiB > options.guestMemoryMiB;
    this.promisesMore = promisesMore;
    const memoryMiB = Math.ceil(
      options.guestMemoryMiB * (1 + OVERHEAD_SHARE) + OVERHEAD_MIB + (promisesMore ? nominalMiB * NOMINAL_SHARE : 0),
    );
    if (memoryMiB > MOST_MIB) {
      const most = Math.floor((MOST_MIB - OVERHEAD_MIB) / (1 + OVERHEAD_SHARE));
      throw new ConfigError(
        `the guests' ${options.guestMemoryMiB} MiB are more than one machine can have: use at most ${most} MiB in all.`,
      );
    }
    const moreBanks = Math.min(
      Math.max(0, Math.floor(nominalMiB / MIB_PER_TLB_BANK) - TLB_BANKS),
      MOST_TLB_BANKS - TLB_BANKS,
      Math.floor((MOST_MIB - memoryMiB) / TLB_BANK_MIB),
    );
    this.guestMemoryKib = nominalMiB * 1024;
    this.onError = options.onError;
    this.clock = options.clock ?? new WallClock();
    this.random = options.random ?? new SeededRandom(this.clock.wallclockAtZeroNs / 1e6);
    this.hypervisor = new Hypervisor({
      memoryBytes: (memoryMiB + Math.ceil(moreBanks * TLB_BANK_MIB)) * 2 ** 20,
      nominalBytes: promisesMore ? (nominalMiB * (1 + NOMINAL_SHARE) + OWN_FRAMES_MIB) * 2 ** 20 : undefined,
      clock: this.clock,
      random: this.random,
      log: options.log ?? silentLog,
      tlbBanks: TLB_BANKS + moreBanks,
      translator: options.translator,
      scheduler: createScheduler(options.scheduler, options.cpus),
      trace: new TraceRing({ capacity: options.traceRecords ?? 0, enabled: (options.traceRecords ?? 0) > 0 }),
    });
    this.hypervisor.mmu.tlb.allow(TLB_BANKS);
    this.hypervisor.mmu.sharesCode = promisesMore;
    this.hypervisor.onWorkAvailable = () => this.loop.wake();
    this.hypervisor.listen({
      onCrash: (domain, dump) => this.dumps.set(domain, dump),
      onShutdown: (domain, reason) => {
        const hasState = domain.kind !== "typescript" && !this.dumps.has(domain);
        if (reason === SHUTDOWN_crash && hasState) this.dumps.set(domain, this.dumpOf(domain));
        this.afterwards.push(() => this.guestOf(domain)?.domainEnded(reason, this.dumps.get(domain)));
        // A guest in TypeScript ends itself between two turns of the loop, when that may be asleep.
        this.loop.wake();
      },
      onDestroyed: (domain) => this.afterwards.push(() => this.forget(domain)),
    });
    this.loop = new RunLoop({
      runSlice: (maxNs) => this.hypervisor.runSlice(maxNs),
      afterSlice: (idle) => {
        const isLeft = this.settle();
        return this.mergePages(idle && !isLeft) || isLeft;
      },
      nowNs: () => this.clock.nowNs(),
      onError: (error) => this.fail(error),
    });
    const defer = (work: () => void): void => {
      const { service } = this.hypervisor;
      const { beneficiary } = service;
      // What one guest's request leaves to be done later is still done for that guest.
      this.afterwards.push(beneficiary === undefined ? work : () => service.during(beneficiary, work));
      this.loop.wake();
    };
    const onBehalf = <T>(domid: number, work: () => T): T => this.hypervisor.service.during(domid, work);
    this.store = new XenStore({ defer });
    this.dom0 = this.createDom0();
    const log = options.log ?? silentLog;
    this.networks = new NetworkHub({
      uplinks: options.uplinks,
      rules: options.rules,
      onVif: options.onVif,
      defer,
      log,
    });
    this.devices = {
      dom0: this.dom0,
      store: this.store.client(),
      blocks: new BlockScheduler({ defer, onBehalf }),
      networks: this.networks,
      log,
      defer,
      onBehalf,
    };
  }

  /** A MAC address for an interface that is given none. */
  newMac(): string {
    return randomMac(this.random);
  }

  private createDom0(): Dom0 {
    const domain = this.hypervisor.createDomain({
      domid: 0,
      kind: "typescript",
      maxPages: 0,
      onEvent: (port) => dom0.onEvent(port),
    });
    const dom0 = new Dom0(domain.hypercalls, () => this.loop.wake());
    this.hypervisor.unpauseDomain(domain);
    return dom0;
  }

  /** Memory of all guests together, KiB: what may be given to them. */
  get totalMemoryKib(): number {
    return this.guestMemoryKib;
  }

  /**
   * Memory that another guest can have, KiB: what none has or may take. A guest whose balloon has not followed its target
   * yet counts with what it has.
   */
  get freeMemoryKib(): number {
    const { domains, mmu } = this.hypervisor;
    let pages = 0;
    for (const domain of domains.values()) {
      if (domain.domid === 0) continue;
      const owned = mmu.frames.ownedBy(domain.domid);
      pages += domain.state === "dying" ? owned : Math.max(domain.totalPages, domain.maxPages);
    }
    // Its next domain is built from the frames of the one before, which may be counted for the moment as well.
    for (const guest of this.guests)
      if (guest.domain === undefined && !guest.ended) pages += guest.config.memory * (1024 / PAGE_KIB);
    return Math.max(0, this.guestMemoryKib - pages * PAGE_KIB);
  }

  /**
   * Creates a guest and builds its first domain, which runs when the machine does, unless `options.paused`.
   *
   * @throws BuildError, one sentence, if the kernel cannot be laid out in the configured memory; ConfigError, one
   * sentence, if the machine has not enough memory left, or the kernel's file was changed or cut short since it was opened.
   */
  createGuest(
    config: DomainConfig,
    files: GuestFiles,
    events: GuestEvents = {},
    options: { paused?: boolean } = {},
  ): Guest {
    return this.add(config, files, events, options);
  }

  /**
   * Creates a guest that is a TypeScript class instead of a kernel: a domain without a processor, with xenstore, console,
   * disks and network interfaces as any other's. A restart makes another instance.
   *
   * @throws ConfigError, one sentence, for a configuration that cannot be, or for more memory than is left.
   */
  async createTypeScriptGuest(
    config: ProgramConfigInput,
    program: GuestProgramClass,
    events: GuestEvents = {},
  ): Promise<Guest> {
    const checked = validateProgramConfig(config, program.name);
    const disks = await openGuestDisks(checked.disks);
    try {
      return this.add(checked, { program, disks }, events);
    } catch (error) {
      await Promise.all(disks.map((disk) => disk?.close()));
      throw error;
    }
  }

  /**
   * Creates a guest whose first domain is a saved one. The files are for its later starts. It has the console, disks and
   * interfaces of its configuration, which its kernel joins anew.
   *
   * @param input libxl's stream, behind the header of a save file
   * @throws StreamError, DomainImageError or ConfigError, one sentence; the files' disks are the caller's then
   */
  async restoreGuest(
    config: DomainConfig,
    files: GuestFiles,
    input: ByteInput,
    events: GuestEvents = {},
    options: { paused?: boolean; state?: RunningState } = {},
  ): Promise<Guest> {
    const received = await this.receiveGuest(config, input, options.state);
    return received.start(files, events, options);
  }

  /**
   * The first half of `restoreGuest`: a domain with the memory of a saved one, which is no guest yet and needs no images.
   *
   * @throws StreamError, DomainImageError or ConfigError, one sentence
   */
  async receiveGuest(config: DomainConfig, input: ByteInput, state?: RunningState): Promise<ReceivedGuest> {
    this.requireMemory(config);
    const uuid = config.uuid ?? randomUuid(this.random);
    const restored = await readKernelDomain(this, { name: config.name, config, uuid }, input, state);
    return {
      start: (files, events = {}, options = {}) => {
        if (this.closed) {
          this.destroyDomain(restored.domain);
          throw new ConfigError("the machine was closed while a guest was restored.");
        }
        const guest = new ConfiguredGuest(this, config, uuid, files, events);
        guest.start({ ...options, restored });
        return this.keep(guest);
      },
      discard: () => this.destroyDomain(restored.domain),
    };
  }

  /**
   * Creates a guest from a suspended one, which goes on by itself: see `SuspendedGuest.fork`.
   *
   * @throws ConfigError or DomainImageError, one sentence; the files' disks are the caller's then
   */
  forkGuest(
    config: DomainConfig,
    files: GuestFiles,
    image: SuspendedDomain,
    events: GuestEvents = {},
    options: { paused?: boolean } = {},
  ): Guest {
    this.requireMemory(config, LEAST_FORK_SHARE);
    const uuid = config.uuid ?? randomUuid(this.random);
    const restored = forkKernelDomain(this, { name: config.name, config, uuid }, image);
    const guest = new ConfiguredGuest(this, config, uuid, files, events);
    guest.start({ ...options, restored });
    return this.keep(guest);
  }

  private add(
    config: DomainConfig,
    files: GuestSource,
    events: GuestEvents,
    options: { paused?: boolean } = {},
  ): Guest {
    this.requireMemory(config);
    const guest = new ConfiguredGuest(this, config, config.uuid ?? randomUuid(this.random), files, events);
    guest.start(options);
    return this.keep(guest);
  }

  /** @param share the part of its memory that must be there now */
  private requireMemory(config: DomainConfig, share = LEAST_SHARE): void {
    const freeMib = Math.floor(this.freeMemoryKib / 1024);
    if (config.memory > freeMib)
      throw new ConfigError(
        `${config.name} wants ${config.memory} MiB, and the machine has ${freeMib} MiB left: end another guest or give it less.`,
      );
    const needed = config.memory * share;
    if (needed > this.unusedMib && this.promisesMore) {
      const { frames, merger } = this.hypervisor.mmu;
      // Twice: what has not been looked at before is only remembered.
      for (let round = 0; round < 2; round++) merger.look(frames.places.total - frames.places.free);
    }
    const { unusedMib } = this;
    if (needed > unusedMib)
      throw new ConfigError(
        `${config.name} needs ${Math.ceil(needed)} MiB to begin with, and the other guests have left ${unusedMib} MiB unused: end one of them.`,
      );
  }

  /** Memory that no guest has written to. */
  private get unusedMib(): number {
    const { places, reserved } = this.hypervisor.mmu.frames;
    return Math.floor(((places.free - reserved) * PAGE_KIB) / 1024);
  }

  private keep(guest: ConfiguredGuest): Guest {
    this.guests.add(guest);
    // With fewer than there are guests that compute, each would find its translations thrown away at each of its turns.
    this.hypervisor.mmu.tlb.allow(TLB_BANKS + 2 * this.guests.size);
    guest.gone.then(() => this.guests.delete(guest));
    this.loop.wake();
    return guest;
  }

  /** Lets the guests run. The process stays alive until `stop`. */
  start(): void {
    this.loop.start();
  }

  /**
   * Instead of `start`: runs guests for a stretch of their time, and Dom0's programs behind it, and returns. With a
   * virtual clock this is the same on every host.
   */
  stepFor(ns: number): void {
    this.hypervisor.runSlice(ns);
    while (this.settle());
  }

  /**
   * Ends all guests at once and lets go of what they had of the host: images are flushed and closed, sockets and listening
   * ports too. The machine must be running, and stands still afterwards.
   */
  async close(): Promise<void> {
    this.closed = true;
    const guests = [...this.guests];
    for (const guest of guests) guest.destroy();
    await Promise.all(guests.map((guest) => guest.gone));
    this.networks.close();
    this.loop.stop();
  }

  /** Stands still. Guests keep their state; `start` goes on. */
  stop(): void {
    this.loop.stop();
  }

  /** To be called after changing something that may let a guest run: unpausing a domain, sending an event by hand. */
  wake(): void {
    this.loop.wake();
  }

  /**
   * Takes a guest's domain apart, in steps of the run loop. `then` is called when all its frames are free.
   * Not to be called from inside a hypercall.
   */
  destroyDomain(domain: Domain, then: () => void = () => {}): void {
    this.destroying.set(domain, then);
    this.hypervisor.destroyDomain(domain);
    this.loop.wake();
  }

  /** Stops the machine because of a fault of its own. */
  fail(error: unknown): void {
    this.loop.stop();
    if (this.onError === undefined) throw error;
    this.onError(error);
  }

  /** The state of a guest that says itself that it has crashed, as Linux does after a panic. */
  private dumpOf(domain: Domain): CrashDump {
    const { current } = this.hypervisor;
    const vcpu = current?.domain === domain ? current : domain.vcpus[0];
    return takeDump(this.hypervisor, vcpu, "the guest reported a crash of its own");
  }

  private guestOf(domain: Domain): ConfiguredGuest | undefined {
    return [...this.guests].find((guest) => guest.domain === domain);
  }

  private forget(domain: Domain): void {
    this.dumps.delete(domain);
    const then = this.destroying.get(domain);
    this.destroying.delete(domain);
    then?.();
  }

  /** On a machine that promises more memory than it has. True if there is more to do while nobody else has anything. */
  private mergePages(idle: boolean): boolean {
    if (!this.promisesMore) return false;
    const { frames, merger } = this.hypervisor.mmu;
    const { free, total } = frames.places;
    const isScarce = free < total * SCARCE_SHARE;
    return merger.work(isScarce ? MERGES_WHEN_SCARCE : MERGES_AT_A_TIME, idle || isScarce) && idle;
  }

  private settle(): boolean {
    const { afterwards } = this;
    this.afterwards = [];
    for (const action of afterwards) action();
    return afterwards.length > 0;
  }
}
