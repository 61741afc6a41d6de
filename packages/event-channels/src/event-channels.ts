import {
  DOMID_SELF,
  EACCES,
  EAGAIN,
  EBUSY,
  EEXIST,
  EINVAL,
  ENOENT,
  EOPNOTSUPP,
  EPERM,
  ERESTART,
  ESRCH,
  EVTCHN_FIFO_NR_CHANNELS,
  EVTCHN_FIFO_PRIORITY_DEFAULT,
  EVTCHNSTAT_closed,
  EVTCHNSTAT_interdomain,
  EVTCHNSTAT_ipi,
  EVTCHNSTAT_unbound,
  EVTCHNSTAT_virq,
  NR_VIRQS,
} from "@xen-node/xen-abi";
import { CallbackPorts } from "./callback-ports.ts";
import { EventDomain, PortFlag, PortState } from "./event-domain.ts";
import { FifoPorts } from "./fifo.ts";
import type { EventDomainSettings, EventHost, EventMmu, PortListing, PortStatus } from "./host.ts";
import type { PortAbi } from "./port-abi.ts";
import { selectorField, TwoLevelPorts } from "./two-level.ts";
import { GlobalVirqHandlers, virqScope } from "./virq.ts";

/** Vcpus that have a vcpu_info in shared_info (XEN_LEGACY_MAX_VCPUS), and its size. */
const LEGACY_VCPUS = 32;
const VCPU_INFO_SIZE = 64;
/** SCHEDOP_poll's limit on ports. */
const MAX_POLLED_PORTS = 128;
/** libxl's default for `event_channels`. */
const DEFAULT_MAX_PORT = 1023;

/** EVTCHNSTAT_* by PortState. */
const statusOfState = [
  EVTCHNSTAT_closed,
  EVTCHNSTAT_closed,
  EVTCHNSTAT_unbound,
  EVTCHNSTAT_interdomain,
  EVTCHNSTAT_virq,
  EVTCHNSTAT_ipi,
];

export interface EventChannelsOptions {
  /** Domain that global VIRQs go to unless a handler was set. Default 0. */
  hardwareDomain?: number;
  /** Physical IRQ numbers that exist; none may be bound. Default 48. */
  pirqs?: number;
}

interface DomainEntry {
  readonly domain: EventDomain;
  /** Absent for a callback domain. */
  readonly machine?: { readonly twoLevel: TwoLevelPorts; readonly wordBits: 32 | 64 };
  fifo?: FifoPorts;
}

/**
 * Event channels of all domains (xen/include/public/event_channel.h). `caller` is always the domid that makes the
 * hypercall and must have been added; other domids are as guests give them, DOMID_SELF included. Results are 0, a port
 * (> 0) or a negative Xen errno.
 */
export class EventChannels {
  private readonly entries: (DomainEntry | undefined)[] = [];
  private readonly globalVirqs: GlobalVirqHandlers;
  private readonly pirqs: number;

  constructor(
    private readonly mmu: EventMmu,
    private readonly host: EventHost,
    options: EventChannelsOptions = {},
  ) {
    this.globalVirqs = new GlobalVirqHandlers(options.hardwareDomain ?? 0);
    this.pirqs = options.pirqs ?? 48;
  }

  /** @throws if the domid is taken, or a machine-code domain's shared_info does not start a page */
  addDomain(domid: number, settings: EventDomainSettings): void {
    if (this.entries[domid] !== undefined) throw new Error(`domain ${domid} has event channels already`);
    const u8 = this.mmu.memory.u8;
    const privileged = settings.privileged ?? false;
    if ("onEvent" in settings) {
      const maxPort = settings.maxPort ?? EVTCHN_FIFO_NR_CHANNELS - 1;
      const domain = new EventDomain(domid, settings.vcpus ?? 1, maxPort, privileged, u8, this.host);
      domain.abi = new CallbackPorts(domain, settings.onEvent);
      this.entries[domid] = { domain };
      return;
    }
    const { sharedInfo, wordBits, vcpus } = settings;
    if (sharedInfo === 0 || sharedInfo % 4096 !== 0) throw new Error(`shared_info at ${sharedInfo} is not a page`);
    const domain = new EventDomain(domid, vcpus, settings.maxPort ?? DEFAULT_MAX_PORT, privileged, u8, this.host);
    for (let vcpu = 0; vcpu < Math.min(vcpus, LEGACY_VCPUS); vcpu++) {
      domain.vcpuInfo[vcpu] = sharedInfo + vcpu * VCPU_INFO_SIZE;
    }
    const twoLevel = new TwoLevelPorts(domain, this.mmu.memory.u32, sharedInfo, wordBits);
    domain.abi = twoLevel;
    this.entries[domid] = { domain, machine: { twoLevel, wordBits } };
  }

  /** From now on the domain allocates no ports (-EINVAL). */
  markDying(domid: number): void {
    this.entryOf(domid).domain.dying = true;
  }

  /**
   * Closes all its ports (peers go back to unbound) and forgets the domain. Call before its frames are freed: pending
   * bits are still cleared in them and the FIFO pages' references dropped.
   */
  removeDomain(domid: number): void {
    const entry = this.entries[domid];
    if (entry === undefined) return;
    const domain = entry.domain;
    domain.dying = true;
    for (let port = domain.validPorts - 1; port > 0; port--) {
      if (domain.isUsable(port)) this.closePort(domain, port);
    }
    this.globalVirqs.forget(domid);
    entry.fifo?.destroy();
    this.entries[domid] = undefined;
  }

  private entryOf(domid: number): DomainEntry {
    const entry = this.entries[domid];
    if (entry === undefined) throw new Error(`domain ${domid} has no event channels`);
    return entry;
  }

  /** The domain that a guest names by `dom`, if there is one. */
  private resolve(caller: number, dom: number): EventDomain | undefined {
    return this.entries[dom === DOMID_SELF ? caller : dom]?.domain;
  }

  private mayControl(caller: number, target: EventDomain): boolean {
    return caller === target.domid || this.entryOf(caller).domain.privileged;
  }

  /** EVTCHNOP_alloc_unbound. -ESRCH, -ENOSPC, -EPERM (another domain's table), -EINVAL (dying). */
  allocUnbound(caller: number, dom: number, remoteDom: number): number {
    const domain = this.resolve(caller, dom);
    if (domain === undefined) return -ESRCH;
    const port = domain.findFreePort();
    if (port < 0) return port;
    if (!this.mayControl(caller, domain)) return -EPERM;
    domain.bind(port, PortState.unbound, 0, remoteDom === DOMID_SELF ? caller : remoteDom, 0);
    return port;
  }

  /**
   * EVTCHNOP_bind_interdomain: the new local port, pending at once because a send to the unbound remote port may have
   * been lost. -ESRCH, -ENOSPC, -EINVAL (remote port is not unbound, or not for the caller).
   */
  bindInterdomain(caller: number, remoteDom: number, remotePort: number): number {
    const remote = this.resolve(caller, remoteDom);
    if (remote === undefined) return -ESRCH;
    const local = this.entryOf(caller).domain;
    const port = local.findFreePort();
    if (port < 0) return port;
    if (!remote.isValid(remotePort)) return -EINVAL;
    if (remote.state[remotePort] !== PortState.unbound || remote.remoteDom[remotePort] !== caller) return -EINVAL;
    local.bind(port, PortState.interdomain, 0, remote.domid, remotePort);
    remote.state[remotePort] = PortState.interdomain;
    remote.remoteDom[remotePort] = caller;
    remote.detail[remotePort] = port;
    local.abi.setPending(0, port);
    return port;
  }

  /**
   * EVTCHNOP_bind_virq. -EINVAL (no such VIRQ, or not vcpu 0 for one that is not per-vcpu), -ENOENT (no such vcpu),
   * -EBUSY (another domain handles this global VIRQ), -EEXIST (bound already), -ENOSPC.
   */
  bindVirq(caller: number, virq: number, vcpu: number): number {
    const domain = this.entryOf(caller).domain;
    if (virq < 0 || virq >= NR_VIRQS) return -EINVAL;
    const scope = virqScope(virq);
    if (scope !== "vcpu" && vcpu !== 0) return -EINVAL;
    if (!domain.hasVcpu(vcpu)) return -ENOENT;
    if (scope === "global" && this.globalVirqs.handlerOf(virq) !== caller) return -EBUSY;
    const slot = vcpu * NR_VIRQS + virq;
    if (domain.virqPort[slot] !== 0) return -EEXIST;
    const port = domain.findFreePort();
    if (port < 0) return port;
    domain.bind(port, PortState.virq, vcpu, 0, virq);
    domain.virqPort[slot] = port;
    return port;
  }

  /** EVTCHNOP_bind_ipi. -ENOENT (no such vcpu), -ENOSPC. */
  bindIpi(caller: number, vcpu: number): number {
    const domain = this.entryOf(caller).domain;
    if (!domain.hasVcpu(vcpu)) return -ENOENT;
    const port = domain.findFreePort();
    if (port < 0) return port;
    domain.bind(port, PortState.ipi, vcpu, 0, 0);
    return port;
  }

  /** EVTCHNOP_bind_pirq: no domain has access to a physical IRQ. -EINVAL (no such IRQ), -EPERM. */
  bindPirq(_caller: number, pirq: number): number {
    return pirq >= this.pirqs ? -EINVAL : -EPERM;
  }

  /** EVTCHNOP_bind_vcpu. -ENOENT (no such vcpu), -EINVAL (port free, an IPI, or a per-vcpu VIRQ). */
  bindVcpu(caller: number, port: number, vcpu: number): number {
    const domain = this.entryOf(caller).domain;
    if (!domain.hasVcpu(vcpu)) return -ENOENT;
    if (!domain.isValid(port)) return -EINVAL;
    switch (domain.state[port]) {
      case PortState.virq:
        if (virqScope(domain.detail[port]) === "vcpu") return -EINVAL;
        break;
      case PortState.unbound:
      case PortState.interdomain:
        break;
      default:
        return -EINVAL;
    }
    domain.notifyVcpu[port] = vcpu;
    return 0;
  }

  /** EVTCHNOP_close. -EINVAL for a port that is not in use. */
  close(caller: number, port: number): number {
    const domain = this.entryOf(caller).domain;
    if (!domain.isValid(port) || !domain.isUsable(port)) return -EINVAL;
    this.closePort(domain, port);
    return 0;
  }

  /** Frees a usable port; the peer of an interdomain port waits, unbound, for this domain to come back. */
  private closePort(domain: EventDomain, port: number): void {
    const state = domain.state[port];
    if (state === PortState.virq) {
      const virq = domain.detail[port];
      const vcpu = virqScope(virq) === "vcpu" ? domain.notifyVcpu[port] : 0;
      domain.virqPort[vcpu * NR_VIRQS + virq] = 0;
    }
    const peer = state === PortState.interdomain ? this.entryOf(domain.remoteDom[port]).domain : undefined;
    const peerPort = domain.detail[port];
    domain.release(port);
    if (peer !== undefined) {
      // Unbound for the domain that it was connected to: remoteDom stays.
      peer.state[peerPort] = PortState.unbound;
      peer.detail[peerPort] = 0;
    }
  }

  /** EVTCHNOP_send. -EINVAL unless the port is interdomain, IPI, or unbound (which drops the event). */
  send(caller: number, port: number): number {
    const domain = this.entryOf(caller).domain;
    if (!domain.isValid(port)) return -EINVAL;
    switch (domain.state[port]) {
      case PortState.interdomain: {
        const remote = this.entryOf(domain.remoteDom[port]).domain;
        const remotePort = domain.detail[port];
        remote.abi.setPending(remote.notifyVcpu[remotePort], remotePort);
        return 0;
      }
      case PortState.ipi:
        domain.abi.setPending(domain.notifyVcpu[port], port);
        return 0;
      case PortState.unbound:
        return 0;
      default:
        return -EINVAL;
    }
  }

  /** EVTCHNOP_status, into `out`. -ESRCH, -EINVAL (no such port), -EPERM. A port never used may be closed or -EINVAL. */
  status(caller: number, dom: number, port: number, out: PortStatus): number {
    const domain = this.resolve(caller, dom);
    if (domain === undefined) return -ESRCH;
    if (!domain.isValid(port)) return -EINVAL;
    if (!this.mayControl(caller, domain)) return -EPERM;
    this.describe(domain, port, out);
    return 0;
  }

  /** Domain at the other end of an interdomain port; -1: it is none. */
  peerOf(domid: number, port: number): number {
    const { domain } = this.entryOf(domid);
    return domain.isValid(port) && domain.state[port] === PortState.interdomain ? domain.remoteDom[port] : -1;
  }

  private describe(domain: EventDomain, port: number, out: PortStatus): void {
    const state = domain.state[port];
    const interdomain = state === PortState.interdomain;
    out.status = statusOfState[state];
    out.vcpu = domain.notifyVcpu[port];
    out.dom = interdomain || state === PortState.unbound ? domain.remoteDom[port] : 0;
    out.port = interdomain ? domain.detail[port] : 0;
    out.virq = state === PortState.virq ? domain.detail[port] : 0;
  }

  /** EVTCHNOP_unmask. -EINVAL for a port outside the table; a free port is left alone. */
  unmask(caller: number, port: number): number {
    const domain = this.entryOf(caller).domain;
    if (!domain.isValid(port)) return -EINVAL;
    if (domain.isUsable(port)) domain.abi.unmask(port);
    return 0;
  }

  /** Masks a port of a callback domain; others write their mask bit themselves. -EINVAL, -EOPNOTSUPP. */
  mask(caller: number, port: number): number {
    const domain = this.entryOf(caller).domain;
    if (!(domain.abi instanceof CallbackPorts)) return -EOPNOTSUPP;
    if (!domain.isValid(port) || !domain.isUsable(port)) return -EINVAL;
    domain.abi.mask(port);
    return 0;
  }

  /**
   * EVTCHNOP_reset: closes all ports and goes back to the 2-level ABI. -ESRCH, -EPERM, -EINVAL (another domain that its
   * controller has not paused), -EBUSY (a reset is under way); -ERESTART when `budget` ports were looked at and more
   * are left: call again with `resuming`.
   */
  reset(caller: number, dom: number, resuming = false, budget = Number.POSITIVE_INFINITY): number {
    const domain = this.resolve(caller, dom);
    if (domain === undefined) return -ESRCH;
    if (!this.mayControl(caller, domain)) return -EPERM;
    if (domain.domid !== caller && !(this.host.isPausedByController?.(domain.domid) ?? false)) return -EINVAL;
    let port = resuming ? domain.nextReset : domain.nextReset === 0 ? 1 : 0;
    if (port === 0) return -EBUSY;
    domain.nextReset = port;
    for (let done = 0; domain.isValid(port) && domain.activePorts > 0; port++, done++) {
      if (done >= budget) {
        domain.nextReset = port;
        return -ERESTART;
      }
      if (domain.isUsable(port)) this.closePort(domain, port);
    }
    domain.nextReset = 0;
    // Ports bound meanwhile, below where the scan stood.
    if (domain.activePorts > 0) return -EAGAIN;
    const entry = this.entryOf(domain.domid);
    if (entry.fifo !== undefined && entry.machine !== undefined) {
      domain.abi = entry.machine.twoLevel;
      entry.fifo.destroy();
      entry.fifo = undefined;
    }
    return 0;
  }

  /**
   * EVTCHNOP_init_control: gives a vcpu its control block; the first one switches the domain to the FIFO ABI, keeping
   * what is pending until the event array has the port's page. The answer's link_bits is EVTCHN_FIFO_LINK_BITS.
   * -ENOENT (no such vcpu), -EINVAL (offset unaligned or crossing the page, bad frame, given already), -EOPNOTSUPP
   * (callback domain).
   */
  initControl(caller: number, vcpu: number, gfn: number, offset: number): number {
    const entry = this.entryOf(caller);
    const domain = entry.domain;
    if (entry.machine === undefined) return -EOPNOTSUPP;
    if (!domain.hasVcpu(vcpu)) return -ENOENT;
    const badOffset = FifoPorts.checkControlOffset(offset);
    if (badOffset !== 0) return badOffset;
    if (entry.fifo !== undefined) return entry.fifo.mapControlBlock(vcpu, gfn, offset);
    const fifo = new FifoPorts(domain, this.mmu);
    const rc = fifo.mapControlBlock(vcpu, gfn, offset);
    if (rc !== 0) return rc;
    const twoLevel = entry.machine.twoLevel;
    const end = Math.min(domain.validPorts, twoLevel.maxPorts);
    for (let port = 1; port < end; port++) {
      if (twoLevel.isPending(port)) domain.flags[port] |= PortFlag.pending;
      domain.priority[port] = EVTCHN_FIFO_PRIORITY_DEFAULT;
    }
    domain.abi = fifo;
    entry.fifo = fifo;
    return 0;
  }

  /** EVTCHNOP_expand_array. -EOPNOTSUPP before init_control, -ENOSPC after 128 pages, -EINVAL (bad frame). */
  expandArray(caller: number, gfn: number): number {
    return this.entryOf(caller).fifo?.addArrayPage(gfn) ?? -EOPNOTSUPP;
  }

  /** EVTCHNOP_set_priority. -EINVAL (port or priority), -ENOSYS (not the FIFO ABI), -EACCES (port not in use). */
  setPriority(caller: number, port: number, priority: number): number {
    const { domain, fifo } = this.entryOf(caller);
    if (!domain.isValid(port)) return -EINVAL;
    if (fifo !== undefined && !domain.isUsable(port)) return -EACCES;
    return domain.abi.setPriority(port, priority);
  }

  /** Raises a per-vcpu VIRQ, or (whatever `vcpu`) another one of this domain. False: nothing is bound to it. */
  raiseVirq(domid: number, vcpu: number, virq: number): boolean {
    const domain = this.entries[domid]?.domain;
    if (domain === undefined) return false;
    const perVcpu = virqScope(virq) === "vcpu";
    const port = domain.virqPort[(perVcpu ? vcpu : 0) * NR_VIRQS + virq];
    if (port === 0 || port === undefined) return false;
    domain.abi.setPending(perVcpu ? vcpu : domain.notifyVcpu[port], port);
    return true;
  }

  /** Raises a global VIRQ at the domain that handles it. False: nothing is bound to it there. */
  raiseGlobalVirq(virq: number): boolean {
    return this.raiseVirq(this.globalVirqs.handlerOf(virq), 0, virq);
  }

  /**
   * Makes a domain the handler of a global VIRQ. -EINVAL (not global, or the domain is gone or dying), -EBUSY (the
   * present handler has it bound).
   */
  setGlobalVirqHandler(domid: number, virq: number): number {
    if (virq < 0 || virq >= NR_VIRQS || virqScope(virq) !== "global") return -EINVAL;
    const present = this.globalVirqs.handlerOf(virq);
    const domain = this.entries[domid]?.domain;
    if (domain === undefined || domain.dying) return -EINVAL;
    if (present !== domid && this.entries[present]?.domain.virqPort[virq]) return -EBUSY;
    this.globalVirqs.set(virq, domid);
    return 0;
  }

  /** True if the vcpu has an upcall to deliver: upcall_pending set and upcall_mask clear in its vcpu_info. */
  upcallDue(domid: number, vcpu: number): boolean {
    const info = this.entryOf(domid).domain.vcpuInfo[vcpu];
    if (info === 0) return false;
    const u8 = this.mmu.memory.u8;
    return u8[info] !== 0 && u8[info + 1] === 0;
  }

  /**
   * SCHEDOP_poll, once the caller has seen that no upcall is due. 0: a port is pending, go on. 1: armed; the vcpu blocks
   * until `host.pollWake`, and if anything else wakes it the caller must `cancelPoll`. -EINVAL: more than 128 ports, or
   * one that is not in use.
   */
  poll(domid: number, vcpu: number, ports: ArrayLike<number>, count = ports.length): number {
    if (count > MAX_POLLED_PORTS) return -EINVAL;
    const domain = this.entryOf(domid).domain;
    for (let i = 0; i < count; i++) {
      const rc = this.isPending(domid, ports[i]);
      if (rc !== 0) return Math.min(rc, 0);
    }
    domain.armPoll(vcpu, count === 1 ? ports[0] : -1);
    return 1;
  }

  cancelPoll(domid: number, vcpu: number): void {
    this.entryOf(domid).domain.cancelPoll(vcpu);
  }

  /** 1 pending, 0 not, -EINVAL for a port that is not in use. */
  isPending(domid: number, port: number): number {
    const domain = this.entryOf(domid).domain;
    if (!domain.isValid(port) || !domain.isUsable(port)) return -EINVAL;
    return domain.abi.isPending(port) ? 1 : 0;
  }

  /** Host address of the vcpu's vcpu_info; 0 if it has none (vcpu 32 and above before it registers one). */
  vcpuInfo(domid: number, vcpu: number): number {
    return this.entryOf(domid).domain.vcpuInfo[vcpu];
  }

  /**
   * Moves a vcpu's vcpu_info to a host address (8-byte aligned, in a page that the caller has pinned), copying the old
   * one, and marks every selector bit and upcall_pending so that nothing is lost. -EBUSY the second time.
   */
  registerVcpuInfo(domid: number, vcpu: number, hostAddress: number): number {
    const { domain, machine } = this.entryOf(domid);
    if (machine === undefined) return -EOPNOTSUPP;
    if (!domain.hasVcpu(vcpu)) return -ENOENT;
    if (domain.vcpuInfoMoved[vcpu]) return -EBUSY;
    const u8 = this.mmu.memory.u8;
    const old = domain.vcpuInfo[vcpu];
    if (old !== 0) {
      u8.copyWithin(hostAddress, old, old + VCPU_INFO_SIZE);
    } else {
      u8.fill(0, hostAddress, hostAddress + VCPU_INFO_SIZE);
      u8[hostAddress + 1] = 1;
    }
    domain.vcpuInfo[vcpu] = hostAddress;
    domain.vcpuInfoMoved[vcpu] = 1;
    const selector = selectorField(machine.wordBits);
    u8.fill(0xff, hostAddress + selector.offset, hostAddress + selector.offset + selector.size);
    domain.markEventsPending(vcpu);
    return 0;
  }

  /** The ABI in use: what the guest must look at for its events. */
  abiOf(domid: number): "2-level" | "fifo" | "callback" {
    const { machine, fifo } = this.entryOf(domid);
    if (machine === undefined) return "callback";
    return fifo === undefined ? "2-level" : "fifo";
  }

  /** All ports in use, in order: for `xl` and traces. */
  listPorts(domid: number): PortListing[] {
    const domain = this.entryOf(domid).domain;
    const abi: PortAbi = domain.abi;
    const list: PortListing[] = [];
    for (let port = 1; port < domain.validPorts; port++) {
      if (!domain.isUsable(port)) continue;
      const status: PortStatus = { status: 0, vcpu: 0, dom: 0, port: 0, virq: 0 };
      this.describe(domain, port, status);
      list.push({ localPort: port, pending: abi.isPending(port), masked: abi.isMasked(port), ...status });
    }
    return list;
  }
}
