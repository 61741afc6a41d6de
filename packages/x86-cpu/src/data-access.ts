import { Access, FrameFlags, type Mmu, PageFault } from "@xen-node/mmu";
import { isCanonical } from "./canonical.ts";
import type { CodeCache } from "./code-cache.ts";
import { ExitReason } from "./exit.ts";
import type { Faults } from "./faults.ts";
import { EA_ALLOWED, R_HANDLER, R_SCALE } from "./records.ts";
import { SplitWrite } from "./split-write.ts";
import {
  CALL_EA,
  EXIT_REASON,
  EXIT_UNFINISHED,
  L4_MFN,
  SPLIT_BYTES,
  SPLIT_READ,
  SPLIT_WRITE,
  TLB_BANK,
} from "./state.ts";

const PAGE = 4096;
const NO_FRAME = -1;

/** What generated code calls where the soft TLB does not answer: walks, operands across pages, stores to code. */
export class DataAccess {
  readonly split: SplitWrite;
  /** 64-bit code runs. */
  long = true;
  /** Compatibility mode's segments have been asked for every access. */
  segmented = false;
  private splitRead = 0;
  /** The frame of the last `missRead` if it has no place of its own, which it may leave at the next store. */
  private lentRead = NO_FRAME;
  private readonly i32: Int32Array;
  private readonly u16: Uint16Array;
  private readonly u8: Uint8Array;

  constructor(
    private readonly mmu: Mmu,
    private readonly code: CodeCache,
    private readonly faults: Faults,
    /** Handlers of string instructions that store several elements at once: see `missWrite`. */
    private readonly stringStores: ReadonlySet<number>,
  ) {
    this.i32 = mmu.memory.i32;
    this.u16 = mmu.memory.u16;
    this.u8 = mmu.memory.u8;
    this.split = new SplitWrite(mmu);
  }

  /** Of the active address space, as everything says it that changes that. */
  private get bank(): number {
    return this.i32[TLB_BANK >> 2] >>> 0;
  }

  private get l4Mfn(): number {
    return this.i32[L4_MFN >> 2];
  }

  /** High half of the address in CALL_EA; compatibility mode's linear addresses have 32 bits. */
  private highOfAddress(): number {
    return !this.long ? 0 : this.i32[(CALL_EA >> 2) + 1];
  }

  /** Whether an operand is canonical, or within the 4 GiB of compatibility mode's flat segments. */
  private isReachable(low: number, high: number, size: number, record: number): boolean {
    if (this.long) return isCanonical(high);
    return (low >>> 0) + size <= 2 ** 32 || this.segmented || this.wraps(low, size, record);
  }

  /** Whether an operand of flat segments' mode goes on at address 0. */
  private wraps(low: number, size: number, record: number): boolean {
    // Numbers of 80 bits go in two parts.
    return (this.u8[record + R_SCALE] & EA_ALLOWED) !== 0 || (size === 10 && low === -8);
  }

  /** From generated code: see `Imports`. */
  missRead(size: number, record: number): number {
    const low = this.i32[CALL_EA >> 2];
    const high = this.highOfAddress();
    if (!this.isReachable(low, high, size, record)) return this.faults.raiseNonCanonical(record);
    const offset = low & (PAGE - 1);
    if (offset + size <= PAGE) {
      const host = this.mmu.tlb.fill(this.bank, low, high, Access.read);
      const { frames, walker } = this.mmu;
      this.lentRead = (frames.flags[walker.mfn] & FrameFlags.borrowed) !== 0 ? walker.mfn : NO_FRAME;
      return host !== 0 ? host : this.faults.raisePageFault(this.mmu.walker.errorCode, low, high);
    }
    const buffer = SPLIT_READ + (this.splitRead ^= SPLIT_BYTES);
    return this.gather(low, high, size, Access.read, buffer, record) ? buffer : 0;
  }

  /** Copies an operand that crosses a page border into a buffer, after both pages have been checked for the access. */
  private gather(low: number, high: number, size: number, access: number, buffer: number, record: number): boolean {
    const { split, mmu, u8 } = this;
    const first = PAGE - (low & (PAGE - 1));
    const va = high * 2 ** 32 + (low >>> 0) + first;
    const nextLow = va | 0;
    const nextHigh = this.long ? Math.floor(va / 2 ** 32) | 0 : 0;
    if (!isCanonical(nextHigh)) return this.faults.raiseNonCanonical(record) !== 0;
    if (mmu.walker.walk(this.l4Mfn, low, high, access, true) !== 0) {
      this.faults.raisePageFault(mmu.walker.errorCode, low, high);
      return false;
    }
    const firstMfn = mmu.walker.mfn;
    const { departures } = this.code;
    if (access === Access.write && !mmu.frames.own(firstMfn, true)) return this.refuse(low, high);
    if (mmu.walker.walk(this.l4Mfn, nextLow, nextHigh, access, true) !== 0) {
      this.faults.raisePageFault(mmu.walker.errorCode, nextLow, nextHigh);
      return false;
    }
    if (access === Access.write && !mmu.frames.own(mmu.walker.mfn, true)) return this.refuse(nextLow, nextHigh);
    if (departures !== this.code.departures) return this.beginAgain() !== 0;
    // Now that neither moves any more.
    const host = mmu.frames.readAddress(firstMfn) + (low & (PAGE - 1));
    const secondHost = mmu.frames.readAddress(mmu.walker.mfn);
    u8.copyWithin(buffer, host, host + first);
    u8.copyWithin(buffer + first, secondHost, secondHost + size - first);
    if (access === Access.write) {
      split.begin(host, firstMfn, first);
      split.crossInto(secondHost, mmu.walker.mfn, size - first);
    }
    return true;
  }

  /** No memory is left for a page that would be written: whoever runs the processor sees that in its domain. */
  private refuse(low: number, high: number): false {
    this.faults.raisePageFault(PageFault.present | PageFault.write | PageFault.user, low, high);
    return false;
  }

  /**
   * The instruction would go on with what is no more: where its operand was, or itself. It has done nothing yet, and is looked
   * up anew.
   */
  private beginAgain(): 0 {
    this.i32[EXIT_REASON >> 2] = ExitReason.BUDGET;
    this.i32[EXIT_UNFINISHED >> 2] = 1;
    return 0;
  }

  missWrite(size: number, record: number): number {
    const { mmu, split } = this;
    const { departures } = this.code;
    const { lentRead } = this;
    this.lentRead = NO_FRAME;
    const low = this.i32[CALL_EA >> 2];
    const high = this.highOfAddress();
    if (!this.isReachable(low, high, size, record)) return this.faults.raiseNonCanonical(record);
    const offset = low & (PAGE - 1);
    if (offset + size > PAGE) return this.gather(low, high, size, Access.write, SPLIT_WRITE, record) ? SPLIT_WRITE : 0;
    // Size 0: a frame with code is dealt with here, once the bytes are known.
    const host = mmu.tlb.fill(this.bank, low, high, Access.write, 0);
    if (host === 0) return this.faults.raisePageFault(mmu.walker.errorCode, low, high);
    const { mfn } = mmu.walker;
    if (departures !== this.code.departures) return this.beginAgain();
    // A string instruction copies within a page that has just moved.
    if (mfn === lentRead && this.stringStores.has(this.u16[(record + R_HANDLER) >>> 1])) return this.beginAgain();
    if (!mmu.frames.hasCode(mfn)) return host;
    if (size > SPLIT_BYTES || this.stringStores.has(this.u16[(record + R_HANDLER) >>> 1])) {
      // These may read what they have just stored, so they store in place; nothing of their own block is left to do.
      this.code.invalidate(mfn, offset, size);
      return host;
    }
    // The store goes to the buffer, so that blocks are invalidated after it: the instruction itself may be among them.
    this.u8.copyWithin(SPLIT_WRITE, host, host + size);
    split.begin(host, mfn, size);
    return SPLIT_WRITE;
  }

  /** The same for translated code, which leaves before a store that is more than one: the interpreter does that. */
  missWriteRegion(size: number, record: number): number {
    const { mmu, code } = this;
    const { departures } = code;
    const low = this.i32[CALL_EA >> 2];
    const high = this.highOfAddress();
    if (!this.isReachable(low, high, size, record)) return this.faults.raiseNonCanonical(record);
    const offset = low & (PAGE - 1);
    if (offset + size <= PAGE) {
      const host = mmu.tlb.fill(this.bank, low, high, Access.write, 0);
      if (host === 0) return this.faults.raisePageFault(mmu.walker.errorCode, low, high);
      const { mfn } = mmu.walker;
      // The region itself may be no more.
      if (departures === code.departures && !(mmu.frames.hasCode(mfn) && code.hasCodeIn(mfn, offset, size)))
        return host;
    }
    this.i32[EXIT_REASON >> 2] = ExitReason.INTERPRET;
    return 0;
  }

  /** Host address of `size` bytes at a linear address for TypeScript's use, or 0 after a fault has been raised. */
  translateForRead(low: number, high: number, size: number, record: number): number {
    this.i32[CALL_EA >> 2] = low;
    this.i32[(CALL_EA >> 2) + 1] = high;
    return this.missRead(size, record);
  }

  /** The same for writing; `finishWrite` must follow. */
  translateForWrite(low: number, high: number, size: number, record: number): number {
    this.i32[CALL_EA >> 2] = low;
    this.i32[(CALL_EA >> 2) + 1] = high;
    return this.missWrite(size, record);
  }

  finishWrite(host: number): void {
    if (host === SPLIT_WRITE) this.split.commit();
  }
}
