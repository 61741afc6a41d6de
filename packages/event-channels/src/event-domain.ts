import { EBUSY, EINVAL, ENOSPC, NR_VIRQS } from "@xen-node/xen-abi";
import type { EventHost } from "./host.ts";
import type { PortAbi } from "./port-abi.ts";

/** State of a port. Zero is free, so that fresh table space needs no filling. */
export const PortState = { free: 0, reserved: 1, unbound: 2, interdomain: 3, virq: 4, ipi: 5 } as const;

/** Ports come into being in buckets of this many, as in Xen: a port of a bucket not reached yet is not valid. */
const PORTS_PER_BUCKET = 64;

/** Bits of `flags`. */
export const PortFlag = {
  /** Pending while the ABI had no place to say so (FIFO: event array page missing; callback: masked). */
  pending: 1,
  /** Callback ABI only: the others keep the mask in guest memory. */
  masked: 2,
} as const;

/** One domain's port table as a structure of arrays, and what its ABIs share: vcpu_info addresses and pollers. */
export class EventDomain {
  /** Set once, right after construction: an ABI needs its domain. */
  abi!: PortAbi;
  dying = false;
  /** Ports that are neither free nor reserved. */
  activePorts = 0;
  /** First port that `reset` has still to close; 0 = no reset under way. */
  nextReset = 0;

  validPorts = PORTS_PER_BUCKET;
  state = new Uint8Array(PORTS_PER_BUCKET);
  flags = new Uint8Array(PORTS_PER_BUCKET);
  notifyVcpu = new Uint16Array(PORTS_PER_BUCKET);
  /** Remote domain of an unbound or interdomain port. */
  remoteDom = new Uint16Array(PORTS_PER_BUCKET);
  /** Remote port of an interdomain port, VIRQ number of a virq port. */
  detail = new Uint32Array(PORTS_PER_BUCKET);
  /** FIFO: queue for the next linking. */
  priority = new Uint8Array(PORTS_PER_BUCKET);
  /** FIFO: queue (vcpu * 16 + priority) that the port was last linked into. */
  lastQueue = new Uint32Array(PORTS_PER_BUCKET);

  /** [vcpu * NR_VIRQS + virq] -> port, 0 = not bound. Domain-wide VIRQs are kept at vcpu 0. */
  readonly virqPort: Uint32Array;
  /** Host address of each vcpu's vcpu_info, 0 = none. */
  readonly vcpuInfo: Uint32Array;
  readonly vcpuInfoMoved: Uint8Array;
  /** Per vcpu: 0 = not polling, -1 = any port, otherwise the port. */
  private readonly pollPort: Int32Array;
  private pollers = 0;
  /** No free port lies below. */
  private freeHint = 1;

  constructor(
    readonly domid: number,
    readonly vcpus: number,
    readonly maxPort: number,
    readonly privileged: boolean,
    private readonly u8: Uint8Array,
    private readonly host: EventHost,
  ) {
    this.state[0] = PortState.reserved;
    this.virqPort = new Uint32Array(vcpus * NR_VIRQS);
    this.vcpuInfo = new Uint32Array(vcpus);
    this.vcpuInfoMoved = new Uint8Array(vcpus);
    this.pollPort = new Int32Array(vcpus);
  }

  isValid(port: number): boolean {
    return port >= 0 && port < this.validPorts;
  }

  /** Something is bound to this valid port. */
  isUsable(port: number): boolean {
    return this.state[port] > PortState.reserved;
  }

  hasVcpu(vcpu: number): boolean {
    return vcpu >= 0 && vcpu < this.vcpus;
  }

  /** Lowest free port, still in state free: `-EINVAL` for a dying domain, `-ENOSPC` at the limit. */
  findFreePort(): number {
    if (this.dying) return -EINVAL;
    let firstFree = 0;
    for (let port = this.freeHint; port <= this.maxPort; port++) {
      const rc = this.tryPort(port);
      // A busy port is free but for its guest: the hint must not pass it.
      if (firstFree === 0 && (rc === 0 || this.state[port] === PortState.free)) firstFree = port;
      if (rc === 0) {
        this.freeHint = firstFree;
        return port;
      }
      if (rc !== -EBUSY) return rc;
    }
    return -ENOSPC;
  }

  private tryPort(port: number): number {
    if (port > this.maxPort || port >= this.abi.maxPorts) return -ENOSPC;
    if (port >= this.validPorts) {
      this.grow(port);
      return 0;
    }
    return this.state[port] !== PortState.free || this.abi.isBusy(port) ? -EBUSY : 0;
  }

  private grow(port: number): void {
    const valid = (Math.floor(port / PORTS_PER_BUCKET) + 1) * PORTS_PER_BUCKET;
    if (valid > this.state.length) {
      const capacity = Math.max(valid, this.state.length * 2);
      const { state, flags, notifyVcpu, remoteDom, detail, priority, lastQueue } = this;
      this.state = new Uint8Array(capacity);
      this.state.set(state);
      this.flags = new Uint8Array(capacity);
      this.flags.set(flags);
      this.notifyVcpu = new Uint16Array(capacity);
      this.notifyVcpu.set(notifyVcpu);
      this.remoteDom = new Uint16Array(capacity);
      this.remoteDom.set(remoteDom);
      this.detail = new Uint32Array(capacity);
      this.detail.set(detail);
      this.priority = new Uint8Array(capacity);
      this.priority.set(priority);
      this.lastQueue = new Uint32Array(capacity);
      this.lastQueue.set(lastQueue);
    }
    this.validPorts = valid;
  }

  /** Takes a port that `findFreePort` gave. */
  bind(port: number, state: number, vcpu: number, remoteDom: number, detail: number): void {
    this.state[port] = state;
    this.notifyVcpu[port] = vcpu;
    this.remoteDom[port] = remoteDom;
    this.detail[port] = detail;
    this.activePorts++;
    this.abi.init(port);
  }

  /** Makes a usable port free. Its pending bit goes, so that the next user does not see an old event. */
  release(port: number): void {
    this.abi.clearPending(port);
    this.flags[port] = 0;
    this.state[port] = PortState.free;
    this.notifyVcpu[port] = 0;
    this.activePorts--;
    if (port < this.freeHint) this.freeHint = port;
  }

  /** Sets the vcpu's upcall_pending; tells the host if it was clear. */
  markEventsPending(vcpu: number): void {
    const info = this.vcpuInfo[vcpu];
    // Without an area nothing can be marked: registering one marks everything.
    if (info === 0) return;
    const flag = this.u8[info];
    if (flag & 1) return;
    this.u8[info] = flag | 1;
    this.host.notifyVcpu(this.domid, vcpu);
  }

  armPoll(vcpu: number, port: number): void {
    if (this.pollPort[vcpu] === 0) this.pollers++;
    this.pollPort[vcpu] = port;
  }

  cancelPoll(vcpu: number): void {
    if (this.pollPort[vcpu] === 0) return;
    this.pollPort[vcpu] = 0;
    this.pollers--;
  }

  /** `port` went from not pending to pending: wakes the vcpus that poll for it or for anything. */
  wakePollers(port: number): void {
    if (this.pollers === 0) return;
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) {
      const awaited = this.pollPort[vcpu];
      if (awaited !== -1 && awaited !== port) continue;
      this.cancelPoll(vcpu);
      this.host.pollWake(this.domid, vcpu);
    }
  }
}
