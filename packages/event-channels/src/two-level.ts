import { ENOSYS } from "@xen-node/xen-abi";
import type { EventDomain } from "./event-domain.ts";
import type { PortAbi } from "./port-abi.ts";

/** Where the ABI of one word size keeps its bits (xen/include/public/xen.h; vcpu_info and shared_info). */
interface TwoLevelLayout {
  readonly pending: number;
  readonly mask: number;
  readonly selector: number;
  /** log2 of the word size: selector bit = port >>> wordShift. */
  readonly wordShift: number;
}

const layouts: Record<32 | 64, TwoLevelLayout> = {
  64: { pending: 2048, mask: 2560, selector: 8, wordShift: 6 },
  32: { pending: 2048, mask: 2176, selector: 4, wordShift: 5 },
};

/** Byte offset of evtchn_pending_sel in vcpu_info, and its size. */
export function selectorField(wordBits: 32 | 64): { offset: number; size: number } {
  return { offset: layouts[wordBits].selector, size: wordBits / 8 };
}

/** The original ABI: pending and mask bitmaps in shared_info, a selector word in each vcpu_info. */
export class TwoLevelPorts implements PortAbi {
  readonly maxPorts: number;
  /** Index in u32 of the bitmaps' first word. */
  private readonly pendingWords: number;
  private readonly maskWords: number;
  private readonly layout: TwoLevelLayout;

  constructor(
    private readonly domain: EventDomain,
    private readonly u32: Uint32Array,
    sharedInfo: number,
    wordBits: 32 | 64,
  ) {
    this.maxPorts = wordBits * wordBits;
    this.layout = layouts[wordBits];
    this.pendingWords = (sharedInfo + this.layout.pending) >>> 2;
    this.maskWords = (sharedInfo + this.layout.mask) >>> 2;
  }

  init(): void {}

  setPending(vcpu: number, port: number): void {
    const word = this.pendingWords + (port >>> 5);
    const bit = 1 << (port & 31);
    const pending = this.u32[word];
    if (pending & bit) return;
    this.u32[word] = pending | bit;
    if ((this.u32[this.maskWords + (port >>> 5)] & bit) === 0) this.select(vcpu, port);
    this.domain.wakePollers(port);
  }

  /** Sets the port's selector bit and, if that was clear, upcall_pending. */
  private select(vcpu: number, port: number): void {
    const info = this.domain.vcpuInfo[vcpu];
    if (info === 0) return;
    const group = port >>> this.layout.wordShift;
    const word = ((info + this.layout.selector) >>> 2) + (group >>> 5);
    const bit = 1 << (group & 31);
    const selector = this.u32[word];
    if (selector & bit) return;
    this.u32[word] = selector | bit;
    this.domain.markEventsPending(vcpu);
  }

  clearPending(port: number): void {
    this.u32[this.pendingWords + (port >>> 5)] &= ~(1 << (port & 31));
  }

  unmask(port: number): void {
    const word = this.maskWords + (port >>> 5);
    const bit = 1 << (port & 31);
    const mask = this.u32[word];
    if ((mask & bit) === 0) return;
    this.u32[word] = mask & ~bit;
    if (this.isPending(port)) this.select(this.domain.notifyVcpu[port], port);
  }

  isPending(port: number): boolean {
    return ((this.u32[this.pendingWords + (port >>> 5)] >>> (port & 31)) & 1) === 1;
  }

  isMasked(port: number): boolean {
    return ((this.u32[this.maskWords + (port >>> 5)] >>> (port & 31)) & 1) === 1;
  }

  isBusy(): boolean {
    return false;
  }

  setPriority(): number {
    return -ENOSYS;
  }

  destroy(): void {}
}
