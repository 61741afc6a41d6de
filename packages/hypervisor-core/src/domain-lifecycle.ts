import { DOMID_XEN } from "@xen-node/mmu";
import {
  DOMID_FIRST_RESERVED,
  ERESTART,
  SHUTDOWN_crash,
  SHUTDOWN_suspend,
  VIRQ_DOM_EXC,
  XEN_LEGACY_MAX_VCPUS,
} from "@xen-node/xen-abi";
import { TABLE_WORK } from "./address-spaces.ts";
import { type CrashCause, takeDump } from "./crash.ts";
import { Domain, type DomainConfig } from "./domain.ts";
import { guestAbis } from "./guest-abi/index.ts";
import { GrantHostMapper } from "./host-mapper.ts";
import { createHypercalls } from "./hypercalls/create.ts";
import type { DomainListener, Hypervisor } from "./hypervisor.ts";
import { equipPaeRoot, freePaeRoot } from "./pae-roots.ts";
import { updateWallclock } from "./pvclock.ts";
import { equipNative, releaseNative, releaseNativeFrames } from "./pvh/create.ts";
import { RefusingMapper } from "./pvh/refusing-mapper.ts";
import { releaseGdt, releaseLdt } from "./segments.ts";
import { Vcpu } from "./vcpu.ts";
import type { VcpuWakeups } from "./vcpu-wakeups.ts";

const VCPU_INFO_BYTES = 64;
const MAX_VCPUS = 8192;
const OUT_OF_MEMORY = "the machine has no memory left for what the domain writes";

/** Stages of taking a domain apart, in order. */
const Stage = { stop: 0, memory: 1, rest: 2, wait: 3 } as const;

/** Creation, pausing, shutdown, crash and preemptible destruction of domains. */
export class DomainLifecycle {
  private nextDomid = 1;
  private readonly dying: Domain[] = [];
  /** Domains that the machine has no memory for. */
  private readonly short = new Set<Domain>();
  /** The TypeScript domains, which have events handed over by the run loop. */
  readonly typescript: Domain[] = [];

  constructor(
    private readonly hv: Hypervisor,
    private readonly wakeups: VcpuWakeups,
  ) {}

  create(config: DomainConfig): Domain {
    const { hv } = this;
    const domid = config.domid ?? this.freeDomid();
    const vcpus = config.vcpus ?? 1;
    if (hv.domains.has(domid) || hv.grants.pinnedEntries(domid) > 0 || hv.mmu.frames.ownedBy(domid) > 0) {
      throw new RangeError(`domain id ${domid} is in use`);
    }
    if (!(domid >= 0 && domid < DOMID_FIRST_RESERVED)) throw new RangeError(`${domid} is no domain id`);
    if (config.kind === "pvh" && vcpus !== 1)
      throw new RangeError(`${vcpus} vcpus: a PVH guest has one, since others would start in real mode`);
    if (!(vcpus >= 1 && vcpus <= MAX_VCPUS)) throw new RangeError(`${vcpus} vcpus: must be from 1 to ${MAX_VCPUS}`);
    const domain = new Domain(domid, config, guestAbis[config.abi ?? "x86_64"], config.pool ?? hv.cpupools.initial);
    if (config.kind === "typescript") this.equipTypescript(domain);
    else this.equipMachine(domain, vcpus);
    domain.hypercalls = createHypercalls(hv, domain);
    hv.domains.set(domid, domain);
    return domain;
  }

  private freeDomid(): number {
    for (let tries = 0; tries < DOMID_FIRST_RESERVED; tries++) {
      const domid = this.nextDomid;
      this.nextDomid = domid + 1 >= DOMID_FIRST_RESERVED ? 1 : domid + 1;
      const used = this.hv.domains.has(domid) || this.hv.grants.pinnedEntries(domid) > 0;
      if (!used && this.hv.mmu.frames.ownedBy(domid) === 0) return domid;
    }
    throw new RangeError("no domain id is free");
  }

  private equipMachine(domain: Domain, vcpus: number): void {
    const { hv } = this;
    const { domid, config } = domain;
    const { mmu } = hv;
    this.admit(domain, vcpus);
    const mfn = mmu.frames.alloc(DOMID_XEN);
    if (mfn < 0) {
      this.dismiss(domain);
      throw new RangeError("machine memory is too small for another domain");
    }
    mmu.types.shareWithGuest(mfn, domid, true);
    const sharedInfo = mmu.frames.hostAddress(mfn);
    for (let i = 0; i < XEN_LEGACY_MAX_VCPUS; i++) mmu.memory.u8[sharedInfo + i * VCPU_INFO_BYTES + 1] = 1;
    domain.sharedInfoMfn = mfn;
    hv.events.addDomain(domid, {
      vcpus,
      wordBits: domain.abi.wordBits,
      sharedInfo,
      privileged: domain.privileged,
      maxPort: config.maxEventChannel,
    });
    const rc = hv.grants.addDomain(domid, {
      privileged: domain.privileged,
      maxGrantFrames: config.maxGrantFrames,
      maxMaptrackFrames: config.maxMaptrackFrames,
      hostMapper: config.kind === "pvh" ? new RefusingMapper() : new GrantHostMapper(hv, domain),
      frameOf: config.kind === "pvh" ? (gfn) => domain.frameOf(gfn) : undefined,
    });
    if (rc !== 0) {
      hv.events.removeDomain(domid);
      mmu.types.unshare(mfn);
      this.dismiss(domain);
      throw new RangeError("machine memory is too small for another domain's grant table");
    }
    for (const vcpu of domain.vcpus) {
      this.wakeups.equip(vcpu);
      vcpu.infoHost = hv.events.vcpuInfo(domid, vcpu.id);
    }
    if (domain.abi.rootLevel === 3) this.equipPae(domain);
    if (config.kind === "pvh" && !equipNative(hv, domain)) {
      hv.events.removeDomain(domid);
      hv.grants.removeDomain(domid);
      mmu.types.unshare(mfn);
      this.dismiss(domain);
      throw new RangeError("machine memory is too small for another domain");
    }
    updateWallclock(hv, domain);
  }

  /** Makes vcpus, unless the scheduler has no place for them. */
  private admit(domain: Domain, vcpus: number): void {
    try {
      for (let id = 0; id < vcpus; id++) {
        const vcpu = new Vcpu(domain, id);
        vcpu.processor = domain.pool.processors[0] ?? 0;
        vcpu.unit = domain.pool.scheduler.admit(domain.domid, vcpu);
        domain.vcpus.push(vcpu);
      }
    } catch (error) {
      this.dismiss(domain);
      throw error;
    }
  }

  private dismiss(domain: Domain): void {
    for (const { unit } of domain.vcpus) domain.pool.scheduler.dismiss(unit, this.hv.now());
  }

  /** A 32-bit guest: its vcpus get the tables that stand above its own. */
  private equipPae(domain: Domain): void {
    const { hv } = this;
    hv.mmu.types.setPae(domain.domid, true);
    for (const vcpu of domain.vcpus) {
      if (equipPaeRoot(hv, vcpu)) continue;
      this.releasePae(domain);
      hv.events.removeDomain(domain.domid);
      hv.grants.removeDomain(domain.domid);
      hv.mmu.types.unshare(domain.sharedInfoMfn);
      this.dismiss(domain);
      throw new RangeError("machine memory is too small for another domain");
    }
  }

  private releasePae(domain: Domain): void {
    for (const vcpu of domain.vcpus) freePaeRoot(this.hv, vcpu);
  }

  private equipTypescript(domain: Domain): void {
    const { hv } = this;
    const { domid, config } = domain;
    domain.pauseCount = 0;
    const queue = domain.eventQueue;
    hv.events.addDomain(domid, {
      privileged: domain.privileged,
      maxPort: config.maxEventChannel,
      onEvent: (port) => {
        if (!queue.includes(port)) queue.push(port);
        hv.workAvailable();
      },
    });
    const rc = hv.grants.addDomain(domid, {
      privileged: domain.privileged,
      maxGrantFrames: config.maxGrantFrames,
      maxMaptrackFrames: config.maxMaptrackFrames,
    });
    if (rc !== 0) {
      hv.events.removeDomain(domid);
      throw new RangeError("machine memory is too small for another domain's grant table");
    }
    this.typescript.push(domain);
  }

  /** Some of them have ports to be handed over. */
  get hasEvents(): boolean {
    return this.typescript.some((domain) => domain.eventQueue.length > 0);
  }

  pause(domain: Domain): void {
    domain.pauseCount++;
    for (const vcpu of domain.vcpus) this.wakeups.standStill(vcpu);
  }

  unpause(domain: Domain): void {
    if (domain.pauseCount === 0) return;
    domain.pauseCount--;
    if (domain.pauseCount > 0) return;
    for (const vcpu of domain.vcpus) this.wakeups.enqueue(vcpu);
  }

  shutdown(domain: Domain, reason: number): void {
    if (domain.state !== "running") return;
    const counted = domain.shutdownCode ?? reason;
    this.stop(domain, counted);
    this.tell(domain, (listener) => listener.onShutdown?.(domain, counted));
  }

  /** Lets a suspended domain go on. False if it is none, or is being taken apart. */
  resume(domain: Domain): boolean {
    if (domain.state !== "shutdown" || domain.shutdownReason !== SHUTDOWN_suspend) return false;
    domain.state = "running";
    domain.shutdownReason = undefined;
    for (const vcpu of domain.vcpus) this.wakeups.enqueue(vcpu);
    return true;
  }

  private stop(domain: Domain, reason: number): void {
    domain.state = "shutdown";
    domain.shutdownReason = reason;
    for (const vcpu of domain.vcpus) this.wakeups.standStill(vcpu);
    this.hv.events.raiseGlobalVirq(VIRQ_DOM_EXC);
  }

  /** The machine has no place for a frame of the domain: it ends before it runs on. */
  noteShortage(domid: number): void {
    const domain = this.hv.domains.get(domid);
    // Dom0 writes to frames of its own only as a program of this process does, and its end would be the machine's.
    if (domain === undefined || domid === 0 || domain.state !== "running") return;
    this.short.add(domain);
    this.hv.workAvailable();
  }

  /** Whether some domain waits for `endShort`. */
  get hasShort(): boolean {
    return this.short.size !== 0;
  }

  /** Ends the domains that the machine has no memory for. To be called outside of any hypercall. */
  endShort(): void {
    for (const domain of this.short) {
      const current = this.hv.current?.domain === domain ? this.hv.current : domain.vcpus[0];
      if (current === undefined) this.shutdown(domain, SHUTDOWN_crash);
      else this.crash(current, OUT_OF_MEMORY, "machineMemory");
    }
    this.short.clear();
  }

  crash(vcpu: Vcpu, reason: string, cause?: CrashCause): void {
    const { domain } = vcpu;
    if (domain.state !== "running") return;
    const dump = takeDump(this.hv, vcpu, reason, cause);
    for (const line of dump.lines) this.hv.log.log("error", "domain", line);
    this.stop(domain, SHUTDOWN_crash);
    this.tell(domain, (listener) => listener.onCrash?.(domain, dump));
    this.tell(domain, (listener) => listener.onShutdown?.(domain, SHUTDOWN_crash));
  }

  private tell(domain: Domain, call: (listener: DomainListener) => void): void {
    for (const listener of this.hv.listeners) {
      try {
        call(listener);
      } catch (error) {
        this.hv.log.log("error", "domain", `d${domain.domid}: a listener failed: ${String(error)}`);
      }
    }
  }

  beginDestroy(domain: Domain): void {
    if (domain.state === "dying" || domain.state === "destroyed") return;
    domain.state = "dying";
    domain.teardownStage = Stage.stop;
    this.dying.push(domain);
    this.hv.workAvailable();
  }

  /** One step of work on each dying domain. True while some have more to do at once. */
  destroyStep(): boolean {
    let more = false;
    for (let i = this.dying.length - 1; i >= 0; i--) {
      const domain = this.dying[i];
      if (this.step(domain)) more = true;
      if (domain.state === "destroyed") this.dying.splice(i, 1);
    }
    return more;
  }

  private step(domain: Domain): boolean {
    const { hv } = this;
    const { types } = hv.mmu;
    const { domid } = domain;
    switch (domain.teardownStage) {
      case Stage.stop:
        this.stopForGood(domain);
        domain.teardownStage = Stage.memory;
        return true;
      case Stage.memory:
        if (types.releaseDomain(domid, TABLE_WORK) === -ERESTART) return true;
        domain.teardownStage = Stage.rest;
        return true;
      case Stage.rest:
        hv.grants.removeDomain(domid);
        if (domain.sharedInfoMfn !== 0) types.unshare(domain.sharedInfoMfn);
        domain.sharedInfoMfn = 0;
        releaseNativeFrames(hv, domain);
        domain.teardownStage = Stage.wait;
        return true;
      default:
        // Frames that others have mapped by grant live until those let go.
        if (hv.mmu.frames.ownedBy(domid) > 0 || hv.grants.pinnedEntries(domid) > 0) return false;
        domain.state = "destroyed";
        hv.mmu.types.setPae(domid, false);
        hv.domains.delete(domid);
        this.tell(domain, (listener) => listener.onDestroyed?.(domain));
        return false;
    }
  }

  /** Everything that could run or refer to its memory on the hypervisor's side. */
  private stopForGood(domain: Domain): void {
    const { hv } = this;
    const { types } = hv.mmu;
    if (hv.current?.domain === domain) hv.unload();
    hv.watchdogs.remove(domain);
    hv.events.removeDomain(domain.domid);
    for (const vcpu of domain.vcpus) {
      domain.pool.scheduler.dismiss(vcpu.unit, hv.now());
      for (const timer of [vcpu.periodicTimer, vcpu.singleshotTimer, vcpu.pollTimer, vcpu.domainTimer]) {
        hv.timers.stop(timer);
      }
      vcpu.infoHost = 0;
      vcpu.polling = false;
      if (vcpu.vcpuInfoMfn !== 0) types.putPageAndType(vcpu.vcpuInfoMfn);
      vcpu.vcpuInfoMfn = 0;
      releaseLdt(hv, vcpu);
      releaseGdt(hv, vcpu);
      releaseNative(hv, vcpu);
      hv.addressSpaces.release(vcpu);
      freePaeRoot(hv, vcpu);
    }
    const at = this.typescript.indexOf(domain);
    if (at >= 0) this.typescript.splice(at, 1);
  }
}
