import {
  EINVAL,
  ENOSPC,
  EVTCHN_FIFO_BUSY,
  EVTCHN_FIFO_LINK_MASK,
  EVTCHN_FIFO_LINKED,
  EVTCHN_FIFO_MASKED,
  EVTCHN_FIFO_MAX_QUEUES,
  EVTCHN_FIFO_NR_CHANNELS,
  EVTCHN_FIFO_PENDING,
  EVTCHN_FIFO_PRIORITY_DEFAULT,
  EVTCHN_FIFO_PRIORITY_MIN,
} from "@xen-node/xen-abi";
import { type EventDomain, PortFlag } from "./event-domain.ts";
import { pinGuestPage, unpinGuestPage } from "./guest-page.ts";
import type { EventMmu } from "./host.ts";
import type { PortAbi } from "./port-abi.ts";

const PENDING = 1 << EVTCHN_FIFO_PENDING;
const MASKED = 1 << EVTCHN_FIFO_MASKED;
const LINKED = 1 << EVTCHN_FIFO_LINKED;
const BUSY = 1 << EVTCHN_FIFO_BUSY;

const PAGE_SIZE = 4096;
const WORDS_PER_PAGE = PAGE_SIZE / 4;
const MAX_ARRAY_PAGES = EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE;
/** struct evtchn_fifo_control_block: ready u32, reserved u32, head u32[16]. */
const CONTROL_BLOCK_SIZE = 8 + 4 * EVTCHN_FIFO_MAX_QUEUES;

/**
 * The FIFO ABI: an event word for each port in pages that the guest gives, linked into 16 queues per vcpu whose heads
 * lie in the vcpu's control block. The hypervisor appends at tails that only it knows; the guest takes from the heads.
 * One host thread runs guests and hypervisor in turn, so plain reads and writes are the atomic ones of real hardware and
 * BUSY, which locks a word against the guest between two of them, is never set.
 */
export class FifoPorts implements PortAbi {
  readonly maxPorts = EVTCHN_FIFO_NR_CHANNELS;
  private readonly u32: Uint32Array;
  /** Per array page: index of its first word in u32. */
  private readonly arrayWords = new Uint32Array(MAX_ARRAY_PAGES);
  private readonly arrayMfns: number[] = [];
  private portCount = 0;
  /** Per vcpu: index of the control block's first word in u32, 0 = none. */
  private readonly controlWords: Uint32Array;
  private readonly controlMfns: number[] = [];
  /** Per queue (vcpu * 16 + priority): port last linked, 0 = none. */
  private readonly tails: Uint32Array;

  constructor(
    private readonly domain: EventDomain,
    private readonly mmu: EventMmu,
  ) {
    this.u32 = mmu.memory.u32;
    this.controlWords = new Uint32Array(domain.vcpus);
    this.tails = new Uint32Array(domain.vcpus * EVTCHN_FIFO_MAX_QUEUES);
  }

  /** Offset errors of init_control; they come before the page is looked at. */
  static checkControlOffset(offset: number): number {
    return offset > PAGE_SIZE - CONTROL_BLOCK_SIZE || offset & 7 ? -EINVAL : 0;
  }

  /** 0, or -EINVAL: this vcpu has a control block already, or the frame is not the domain's to write. */
  mapControlBlock(vcpu: number, gfn: number, offset: number): number {
    if (this.controlWords[vcpu] !== 0) return -EINVAL;
    if (!pinGuestPage(this.mmu, gfn, this.domain.domid)) return -EINVAL;
    this.controlMfns.push(gfn);
    this.controlWords[vcpu] = (this.mmu.frames.hostAddress(gfn) + offset) >>> 2;
    return 0;
  }

  /** Adds a page of event words; events that were pending for want of it are raised now. */
  addArrayPage(gfn: number): number {
    const domain = this.domain;
    if (this.arrayMfns.length >= MAX_ARRAY_PAGES) return -ENOSPC;
    if (!pinGuestPage(this.mmu, gfn, domain.domid)) return -EINVAL;
    const first = this.portCount;
    this.arrayWords[this.arrayMfns.length] = this.mmu.frames.hostAddress(gfn) >>> 2;
    this.arrayMfns.push(gfn);
    this.portCount += WORDS_PER_PAGE;
    const end = Math.min(this.portCount, domain.validPorts);
    for (let port = first; port < end; port++) {
      if ((domain.flags[port] & PortFlag.pending) === 0) continue;
      domain.flags[port] &= ~PortFlag.pending;
      this.setPending(domain.notifyVcpu[port], port);
    }
    return 0;
  }

  /** Index of the port's event word in u32, or 0 while its page is missing. */
  private wordOf(port: number): number {
    if (port >= this.portCount) return 0;
    return this.arrayWords[port >>> 10] + (port & (WORDS_PER_PAGE - 1));
  }

  init(port: number): void {
    this.domain.priority[port] = EVTCHN_FIFO_PRIORITY_DEFAULT;
  }

  setPending(vcpu: number, port: number): void {
    const domain = this.domain;
    const u32 = this.u32;
    const at = this.wordOf(port);
    if (at === 0) {
      domain.flags[port] |= PortFlag.pending;
      return;
    }
    // No control block: the guest broke the rule to set one up before it uses the vcpu, and loses the event.
    const control = this.controlWords[vcpu];
    if (control === 0) return;

    const before = u32[at];
    if (before & (MASKED | LINKED)) {
      u32[at] = before | PENDING;
    } else {
      u32[at] = before | PENDING | LINKED;
      const priority = domain.priority[port];
      if (this.append(vcpu * EVTCHN_FIFO_MAX_QUEUES + priority, port)) {
        u32[control + 2 + priority] = port;
        const ready = u32[control];
        const bit = 1 << priority;
        if ((ready & bit) === 0) {
          u32[control] = ready | bit;
          domain.markEventsPending(vcpu);
        }
      }
    }
    if ((before & PENDING) === 0) domain.wakePollers(port);
  }

  /** Makes `port`, linked just now, the queue's tail. True if the queue was empty: the port must become its head. */
  private append(queue: number, port: number): boolean {
    const lastQueue = this.domain.lastQueue;
    const oldQueue = lastQueue[port];
    // The guest has taken the port off its old queue. If it was the tail there, that queue is empty; a stale tail would
    // look linked (we have just set LINKED) and tie the two queues together.
    if (this.tails[oldQueue] === port) this.tails[oldQueue] = 0;
    lastQueue[port] = queue;
    const tail = this.tails[queue];
    this.tails[queue] = port;
    return tail === 0 || !this.link(this.wordOf(tail), port);
  }

  /** Points a queue's old tail at its successor; false if the guest has consumed it, which means an empty queue. */
  private link(at: number, port: number): boolean {
    const word = this.u32[at];
    if ((word & LINKED) === 0) return false;
    this.u32[at] = (word & ~(BUSY | EVTCHN_FIFO_LINK_MASK)) | port;
    return true;
  }

  /** Only the PENDING bit: the guest unlinks the word when it comes to it and ignores it. */
  clearPending(port: number): void {
    this.domain.flags[port] &= ~PortFlag.pending;
    const at = this.wordOf(port);
    if (at !== 0) this.u32[at] &= ~PENDING;
  }

  unmask(port: number): void {
    const at = this.wordOf(port);
    if (at === 0) return;
    this.u32[at] &= ~MASKED;
    if (this.u32[at] & PENDING) this.setPending(this.domain.notifyVcpu[port], port);
  }

  isPending(port: number): boolean {
    const at = this.wordOf(port);
    return at !== 0 && (this.u32[at] & PENDING) !== 0;
  }

  isMasked(port: number): boolean {
    const at = this.wordOf(port);
    return at === 0 || (this.u32[at] & MASKED) !== 0;
  }

  isBusy(port: number): boolean {
    const at = this.wordOf(port);
    return at !== 0 && (this.u32[at] & LINKED) !== 0;
  }

  setPriority(port: number, priority: number): number {
    if (priority > EVTCHN_FIFO_PRIORITY_MIN) return -EINVAL;
    // For the next linking; a port on a queue stays there.
    this.domain.priority[port] = priority;
    return 0;
  }

  destroy(): void {
    for (const mfn of this.arrayMfns) unpinGuestPage(this.mmu, mfn);
    for (const mfn of this.controlMfns) unpinGuestPage(this.mmu, mfn);
    this.arrayMfns.length = 0;
    this.controlMfns.length = 0;
    this.portCount = 0;
    this.controlWords.fill(0);
  }
}
