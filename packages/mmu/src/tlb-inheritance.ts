import type { MachineMemory } from "./memory.ts";
import { Pte } from "./pte.ts";
import {
  FILL_LOG_OVERFLOW,
  FILL_LOG_WRITE,
  HEADER_FILL_COUNT,
  HEADER_FILL_LOG,
  TLB_ENTRIES,
  TLB_HEADER,
  TLB_READ,
  TLB_WRITE,
} from "./tlb-layout.ts";

const INDICES = 512;
/** Of about so many entries is judged whether copying pays. */
const SAMPLE = 512;
/** What is known of two L4 tables' entries of an index. */
const UNKNOWN = 0;
const SAME = 1;
const OTHER = 2;

/**
 * Fills an empty bank from another one: what lies behind entries of their L4 tables that are the same is mapped in the same
 * way. All is copied at once, and what is not the heir's dropped again: of a kernel's translations, nearly everything stays.
 */
export class TlbInheritance {
  private readonly u32: Uint32Array;
  private readonly u16: Uint16Array;
  private readonly u8: Uint8Array;
  /** Indices of the first words of both L4 tables, and what is known of their entries. */
  private heirL4 = 0;
  private donorL4 = 0;
  private readonly sameL4 = new Uint8Array(INDICES);

  constructor(memory: MachineMemory) {
    const { u32, u16, u8 } = memory;
    this.u32 = u32;
    this.u16 = u16;
    this.u8 = u8;
  }

  /**
   * @param from host address of the bank that is copied
   * @param base host address of an empty bank
   * @param heirL4 word index of the empty bank's L4 table
   * @returns false where nothing was copied: nothing is the heir's, or nobody knows any more what the other bank has
   */
  copy(from: number, base: number, heirL4: number, donorL4: number): boolean {
    const { u32, u16, u8 } = this;
    const count = u32[(from + TLB_HEADER + HEADER_FILL_COUNT) >>> 2];
    if (count === FILL_LOG_OVERFLOW) return false;
    this.heirL4 = heirL4;
    this.donorL4 = donorL4;
    this.sameL4.fill(UNKNOWN);
    if (!this.hasMuchInCommon(from, count)) return false;
    u8.copyWithin(base + TLB_READ, from + TLB_READ, from + TLB_HEADER);
    const donorLog = (from + TLB_HEADER + HEADER_FILL_LOG) >>> 1;
    const log = (base + TLB_HEADER + HEADER_FILL_LOG) >>> 1;
    u16.copyWithin(log, donorLog, donorLog + count);
    u32[(base + TLB_HEADER + HEADER_FILL_COUNT) >>> 2] = count;
    for (let i = 0; i < count; i++) {
      const logged = u16[log + i];
      const p = this.wordOf(base, logged);
      if (this.isSame(u32[p + 1])) continue;
      // As a dropped entry is: it never hits, and is in the log.
      u32[p] = ((logged & (TLB_ENTRIES - 1)) ^ 1) << 12;
      u32[p + 1] = 1;
    }
    return true;
  }

  /** Programs have hardly anything in common, kernels nearly all: to copy a quarter at most does not pay. */
  private hasMuchInCommon(from: number, count: number): boolean {
    const { u32, u16 } = this;
    const log = (from + TLB_HEADER + HEADER_FILL_LOG) >>> 1;
    const step = Math.ceil(count / SAMPLE);
    let common = 0;
    for (let i = 0; i < count; i += step) if (this.isSame(u32[this.wordOf(from, u16[log + i]) + 1])) common++;
    return common * step * 4 > count;
  }

  /** Index of the first word of a logged entry of a bank. */
  private wordOf(base: number, logged: number): number {
    const array = (logged & FILL_LOG_WRITE) === 0 ? TLB_READ : TLB_WRITE;
    return (base + array + ((logged & (TLB_ENTRIES - 1)) << 4)) >>> 2;
  }

  /**
   * Whether the donor's and the heir's L4 entries for an address are one and walks go through it without changing it.
   * @param high the address's upper half, which has all of the L4 index
   */
  private isSame(high: number): boolean {
    const { sameL4 } = this;
    const index = (high >>> 7) & (INDICES - 1);
    if (sameL4[index] === UNKNOWN) sameL4[index] = this.compare(index << 1) ? SAME : OTHER;
    return sameL4[index] === SAME;
  }

  private compare(at: number): boolean {
    const { u32, heirL4, donorL4 } = this;
    const wanted = Pte.present | Pte.accessed;
    const lo = u32[heirL4 + at];
    return (lo & wanted) === wanted && lo === u32[donorL4 + at] && u32[heirL4 + at + 1] === u32[donorL4 + at + 1];
  }
}
