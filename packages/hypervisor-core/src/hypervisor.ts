import { EventChannels, type EventHost } from "@xen-node/event-channels";
import { GrantTables } from "@xen-node/grant-tables";
import { MachineMemory, Mmu } from "@xen-node/mmu";
import { type AnyScheduler, Credit2Scheduler } from "@xen-node/schedulers";
import type { CpuidModel, TranslatorOptions } from "@xen-node/x86-cpu";
import { VMASST_TYPE_m2p_strict } from "@xen-node/xen-abi";
import { HypercallDispatcher } from "./abi/dispatcher.ts";
import { AddressSpaces } from "./address-spaces.ts";
import { type Clock, WallClock } from "./clock.ts";
import { ControlRegisters } from "./control-registers.ts";
import { createProcessor } from "./cpu-adapter.ts";
import { Cpupools } from "./cpupools.ts";
import type { CrashDump } from "./crash.ts";
import { Debug } from "./debug-access.ts";
import type { Domain, DomainConfig } from "./domain.ts";
import { DomainLifecycle } from "./domain-lifecycle.ts";
import { SystemCallPath } from "./guest-abi/system-call-path.ts";
import { type BootState, bootVcpu } from "./guest-context.ts";
import { GuestMemory } from "./guest-memory.ts";
import type { Hypercalls } from "./hypercalls/interface.ts";
import { type LogLevel, type LogSink, silentLog } from "./log.ts";
import { Msrs } from "./msr.ts";
import type { Processor } from "./processor.ts";
import { WritablePageTables } from "./ptwr.ts";
import { bootNativeVcpu, type NativeBootState } from "./pvh/boot.ts";
import { type RandomSource, SeededRandom } from "./random.ts";
import { Gpr, Registers } from "./registers.ts";
import { RunLoop } from "./run-loop.ts";
import { Descriptors } from "./segments.ts";
import { ServiceTime } from "./service-time.ts";
import { Timers } from "./timers.ts";
import { TraceRing } from "./trace.ts";
import type { Vcpu } from "./vcpu.ts";
import { VcpuWakeups } from "./vcpu-wakeups.ts";
import { Watchdogs } from "./watchdogs.ts";

export interface HypervisorOptions {
  /** Machine memory in bytes. Default 1 GiB. */
  memoryBytes?: number;
  /** Bytes of all frames together; see FrameTableOptions. Default: what fits. */
  nominalBytes?: number | undefined;
  /** Address spaces that keep their translations at a time; see TlbBanksOptions. */
  tlbBanks?: number;
  /** Default: a WallClock. */
  clock?: Clock;
  /** Default: a SeededRandom of 0. */
  random?: RandomSource;
  log?: LogSink;
  trace?: TraceRing;
  /** Pool-0's, for as many processors as the machine is to have: they take turns on the one that there is. Default: credit2, for one. */
  scheduler?: AnyScheduler<Vcpu> | undefined;
  /** What CPUID shows, without the hypervisor's leaves. Default: x86-cpu's model. */
  cpuid?: CpuidModel;
  /** How hot guest code is translated; false: all of it is interpreted. */
  translator?: TranslatorOptions | false;
  /** Text of XENVER_commandline. */
  commandline?: string;
  /** Logs each kind of refused hypercall once per domain. */
  logsRefusals?: boolean;
  /** Makes the processor; for tests. */
  processor?(hypervisor: Hypervisor): Processor;
}

/** Things that happen to domains. Listeners run inside the run loop: they should note it and act later. */
export interface DomainListener {
  /** The guest shut itself down, or was shut down: SHUTDOWN_*. Its memory stays until `destroyDomain`. */
  onShutdown?(domain: Domain, reason: number): void;
  /** The domain was crashed; `onShutdown` with SHUTDOWN_crash follows. */
  onCrash?(domain: Domain, dump: CrashDump): void;
  /** All its frames are free; its domid may be used again. */
  onDestroyed?(domain: Domain): void;
}

/** Kinds of messages that `logOnce` writes for one domain. */
const MOST_MESSAGES = 256;

/** The machine: memory, one processor, all domains. Drive it with `runSlice` from an event loop. */
export class Hypervisor {
  readonly mmu: Mmu;
  readonly systemCalls: SystemCallPath;
  readonly processor: Processor;
  readonly regs: Registers;
  readonly guest: GuestMemory;
  readonly events: EventChannels;
  readonly grants: GrantTables;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly log: LogSink;
  readonly trace: TraceRing;
  readonly cpupools: Cpupools;
  readonly timers = new Timers();
  /** Whose time it is that TypeScript domains spend. */
  readonly service = new ServiceTime(this);
  readonly domains = new Map<number, Domain>();
  readonly descriptors: Descriptors;
  readonly msrs: Msrs;
  readonly control: ControlRegisters;
  readonly ptwr: WritablePageTables;
  readonly addressSpaces: AddressSpaces;
  readonly dispatcher: HypercallDispatcher;
  readonly watchdogs: Watchdogs;
  /** For debuggers: registers and memory of paused domains. */
  readonly debug: Debug;
  readonly commandline: string;
  readonly logsRefusals: boolean;
  readonly cpuidModel: CpuidModel | undefined;
  readonly translator: TranslatorOptions | false | undefined;
  /** Whether CR4.FSGSBASE may be set: CPUID leaf 7 says so. */
  readonly offersFsGsBase: boolean;
  readonly listeners = new Set<DomainListener>();
  /** The vcpu whose context is loaded. */
  current: Vcpu | undefined;
  /** Hypercalls served since the start. */
  hypercallCount = 0;
  /** Called when something becomes runnable while `runSlice` is not at work: the owner should call it soon. */
  onWorkAvailable: (() => void) | undefined;
  private accounted = 0;
  private readonly lifecycle: DomainLifecycle;
  private readonly runLoop: RunLoop;
  private readonly wakeups: VcpuWakeups;

  constructor(options: HypervisorOptions = {}) {
    this.clock = options.clock ?? new WallClock();
    this.random = options.random ?? new SeededRandom(0);
    this.log = options.log ?? silentLog;
    this.trace = options.trace ?? new TraceRing({ capacity: 0 });
    this.cpupools = new Cpupools(this, options.scheduler ?? new Credit2Scheduler());
    this.commandline = options.commandline ?? "";
    this.logsRefusals = options.logsRefusals ?? false;
    this.cpuidModel = options.cpuid;
    this.translator = options.translator;
    const showsMachineToPhys = (domid: number): boolean =>
      this.domains.get(domid)?.vmAssists.has(VMASST_TYPE_m2p_strict) ?? false;
    const policy = { showsMachineToPhys };
    this.mmu = new Mmu(new MachineMemory({ bytes: options.memoryBytes ?? 2 ** 30 }), {
      policy,
      banks: options.tlbBanks,
      nominalBytes: options.nominalBytes,
    });
    this.countFreedFrames();
    this.mmu.frames.onShortage = (domid) => this.lifecycle.noteShortage(domid);
    this.wakeups = new VcpuWakeups(this);
    const host: EventHost = {
      notifyVcpu: (domid, vcpu) => this.wakeups.notify(domid, vcpu),
      pollWake: (domid, vcpu) => this.wakeups.wakeById(domid, vcpu),
      isPausedByController: (domid) => (this.domains.get(domid)?.pauseCount ?? 0) > 0,
    };
    this.events = new EventChannels(this.mmu, host);
    this.grants = new GrantTables(this.mmu);
    this.descriptors = new Descriptors(this);
    this.systemCalls = new SystemCallPath(this);
    this.processor = options.processor?.(this) ?? createProcessor(this);
    this.regs = new Registers(this.mmu.memory.u32, this.processor);
    this.guest = new GuestMemory(this.mmu);
    this.msrs = new Msrs(this);
    this.control = new ControlRegisters(this);
    this.ptwr = new WritablePageTables(this);
    this.addressSpaces = new AddressSpaces(this);
    this.dispatcher = new HypercallDispatcher(this);
    this.watchdogs = new Watchdogs(this);
    this.debug = new Debug(this);
    this.lifecycle = new DomainLifecycle(this, this.wakeups);
    this.runLoop = new RunLoop(this, this.lifecycle, this.wakeups);
    const leaf7 = new Uint32Array(4);
    this.processor.cpuid(7, 0, leaf7);
    this.offersFsGsBase = (leaf7[1] & 1) !== 0;
  }

  /** A frame that its domain gave back counts until nobody refers to it any more: else a domain could have any number. */
  private countFreedFrames(): void {
    const { frames } = this.mmu;
    const { onFree } = frames;
    frames.onFree = (mfn) => {
      onFree(mfn);
      const domain = this.domains.get(frames.owner[mfn]);
      if (domain?.lingeringFrames.delete(mfn)) domain.totalPages--;
    };
  }

  // ---- domains ----

  /**
   * Creates a domain without memory, paused. A PV domain gets shared_info, a grant table, event channels and offline
   * vcpus; a TypeScript domain hypercalls and `onEvent`.
   * @throws RangeError if the domid is taken or memory is short
   */
  createDomain(config: DomainConfig): Domain {
    return this.lifecycle.create(config);
  }

  /** Starts vcpu 0 of a built domain. 0 or a negative errno. The domain still has to be unpaused. */
  bootDomain(domain: Domain, boot: BootState): number {
    return bootVcpu(this, domain.vcpus[0], boot);
  }

  /** The same for a PVH domain. */
  bootPvhDomain(domain: Domain, boot: NativeBootState): number {
    return bootNativeVcpu(this, domain.vcpus[0], boot);
  }

  /** A TypeScript domain's way in; the same calls that machine-code guests reach by SYSCALL. */
  hypercallsFor(domid: number): Hypercalls {
    const domain = this.domains.get(domid);
    if (domain === undefined) throw new RangeError(`no domain ${domid}`);
    return domain.hypercalls;
  }

  pauseDomain(domain: Domain): void {
    this.lifecycle.pause(domain);
  }

  unpauseDomain(domain: Domain): void {
    this.lifecycle.unpause(domain);
  }

  /** Takes a domain apart, in steps of `runSlice`; `onDestroyed` tells when all its frames are free. */
  destroyDomain(domain: Domain): void {
    this.lifecycle.beginDestroy(domain);
  }

  /** Ends a domain's run; SHUTDOWN_*. */
  shutdownDomain(domain: Domain, reason: number): void {
    this.lifecycle.shutdown(domain, reason);
  }

  /**
   * Lets a domain go on that has shut down to be suspended, as if it had not: its hypercall answers 1, which guests
   * whose kernel says SUSPEND_CANCEL understand. False if the domain is not suspended.
   */
  resumeDomain(domain: Domain): boolean {
    if (!this.lifecycle.resume(domain)) return false;
    this.withVcpu(domain.vcpus[0], () => this.regs.setNumber(Gpr.rax, 1));
    return true;
  }

  /** The guest did something that it cannot survive: dump, log, SHUTDOWN_crash. */
  crashDomain(vcpu: Vcpu, reason: string): void {
    this.lifecycle.crash(vcpu, reason);
  }

  /** Subscribes; returns the way to unsubscribe. */
  listen(listener: DomainListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  // ---- running ----

  /**
   * Runs whatever is due for about `maxNs`: timers, TypeScript domains' events, vcpus in turn, domains being destroyed.
   * Never throws for what a guest does.
   * @returns ns until it wants to be called again: 0 = at once, Infinity = when something from outside happens
   */
  runSlice(maxNs = 5_000_000): number {
    return this.runLoop.runSlice(maxNs);
  }

  /** Monotonic ns, up to date with the instructions retired so far. It is also the guests' TSC. */
  now(): number {
    const retired = this.processor.retired;
    if (retired !== this.accounted) {
      this.clock.retire(retired - this.accounted);
      this.accounted = retired;
    }
    return this.clock.nowNs();
  }

  /** Stops the slice that is running (from a hook or a hypercall), after the present exit. */
  yieldVcpu(): void {
    this.runLoop.yielded = true;
    const { current } = this;
    if (current?.running) current.domain.pool.scheduler.yield(current.unit, this.now());
  }

  blockVcpu(vcpu: Vcpu): void {
    this.wakeups.block(vcpu);
  }

  wake(vcpu: Vcpu): void {
    this.wakeups.wake(vcpu);
  }

  bringUp(vcpu: Vcpu): void {
    this.wakeups.bringUp(vcpu);
  }

  takeDown(vcpu: Vcpu): void {
    this.wakeups.takeDown(vcpu);
  }

  writeRunstate(vcpu: Vcpu): void {
    this.wakeups.writeRunstate(vcpu);
  }

  /** Something can run: tells the owner if the run loop is not at work. */
  workAvailable(): void {
    if (!this.runLoop.active) this.onWorkAvailable?.();
  }

  // ---- the processor ----

  isLoaded(vcpu: Vcpu): boolean {
    return this.current === vcpu;
  }

  /** Puts a vcpu's registers on the processor, saving the ones there. Its address space is entered separately. */
  load(vcpu: Vcpu): void {
    if (this.current === vcpu) return;
    if (this.current !== undefined) this.processor.saveContext(this.current.context);
    this.processor.loadContext(vcpu.context);
    this.processor.setTscAux?.(vcpu.tscAux);
    this.current = vcpu;
  }

  /** Takes the loaded vcpu's registers off the processor. */
  unload(): void {
    if (this.current !== undefined) this.processor.saveContext(this.current.context);
    this.current = undefined;
  }

  /** Runs `action` with a vcpu's registers loaded, then puts the former ones back, with their address space. */
  withVcpu<T>(vcpu: Vcpu, action: () => T): T {
    const former = this.current;
    this.load(vcpu);
    try {
      return action();
    } finally {
      if (former !== undefined && former !== vcpu) {
        this.load(former);
        if (former.activeRoot !== 0) this.addressSpaces.enter(former);
      }
    }
  }

  /** Offers a #DB or #BP to the domain's debugger; true if it took it, and the domain is paused now. */
  debuggerTook(vcpu: Vcpu, vector: number): boolean {
    const { debugger: attached } = vcpu.domain;
    if (attached === undefined || !attached.onTrap(vcpu, vector)) return false;
    if (!vcpu.stepping) this.pauseDomain(vcpu.domain);
    return true;
  }

  // ---- reporting ----

  logOnce(domain: Domain, subsystem: string, message: string, level: LogLevel = "info"): void {
    // A guest chooses numbers that messages name: what it can make us remember and write has an end.
    if (domain.loggedOnce.has(message) || domain.loggedOnce.size >= MOST_MESSAGES) return;
    domain.loggedOnce.add(message);
    this.log.log(level, subsystem, `d${domain.domid}: ${message}`);
  }

  traceEvent(kind: number, vcpu: Vcpu, a: number, b: number, value: number): void {
    this.trace.add(kind, this.now(), vcpu.domain.domid, vcpu.id, a, b, value);
  }

  traceDomainEvent(kind: number, domain: Domain, a: number): void {
    this.trace.add(kind, this.now(), domain.domid, this.current?.domain === domain ? this.current.id : 0, a, 0, 0);
  }

  /** Checks every invariant of frames, page tables, soft TLB and grants; violations in words. */
  auditFrames(): string[] {
    return [...this.mmu.audit(), ...this.grants.audit()];
  }
}
