import type { MachineMemory } from "./memory.ts";
import { indexInTable } from "./table-indices.ts";
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
/** Where the write array's bits begin in TlbBanks' `filled`. */
export const FILLED_WRITE = 8;

/** Drops translations out of a bank, which is given by its host address: those of its fill log that lead somewhere. */
export class BankEntries {
  private readonly u32: Uint32Array;
  private readonly u16: Uint16Array;

  constructor({ u32, u16 }: MachineMemory) {
    this.u32 = u32;
    this.u16 = u16;
  }

  /** The entry never hits again, and is known to be in the log already. */
  drop(word: number, slot: number): void {
    this.u32[word] = (slot ^ 1) << 12;
    this.u32[word + 1] = 1;
  }

  /** Those of an L1 index's entries, named by bits as in TlbBanks' `filled`, that lead to a host page. */
  dropFilled(base: number, index: number, slots: number, hostPage: number): void {
    const u32 = this.u32;
    for (let left = slots; left !== 0; left &= left - 1) {
      const bit = 31 - Math.clz32(left & -left);
      const slot = index + (bit & (FILLED_WRITE - 1)) * INDICES;
      const p = (base + (bit < FILLED_WRITE ? TLB_READ : TLB_WRITE) + (slot << 4)) >>> 2;
      if ((u32[p] + u32[p + 2]) >>> 0 === hostPage && ((u32[p] >>> 12) & 0xfff) === slot) this.drop(p, slot);
    }
  }

  /** Those whose address lies behind an entry, given by its index, of a table of a level. */
  dropBehind(base: number, level: number, index: number): void {
    const u32 = this.u32;
    for (let i = 0, count = this.count(base); i < count; i++) {
      const logged = this.logged(base, i, count);
      const slot = logged & (TLB_ENTRIES - 1);
      const p = (base + ((logged & FILL_LOG_WRITE) << 4) + (slot << 4)) >>> 2;
      const lo = u32[p];
      if (((lo >>> 12) & 0xfff) === slot && indexInTable(lo, u32[p + 1], level) === index) this.drop(p, slot);
    }
  }

  /** Those that lead to one of the places that are marked by 1. */
  dropMarked(base: number, marks: Uint8Array): void {
    const u32 = this.u32;
    for (let i = 0, count = this.count(base); i < count; i++) {
      const logged = this.logged(base, i, count);
      const slot = logged & (TLB_ENTRIES - 1);
      const p = (base + ((logged & FILL_LOG_WRITE) << 4) + (slot << 4)) >>> 2;
      if (((u32[p] >>> 12) & 0xfff) !== slot) continue;
      if (marks[((u32[p] + u32[p + 2]) >>> 0) >>> 12] === 1) this.drop(p, slot);
    }
  }

  /** Those of one array, named by its offset and its bit in the log, that lead to a host page, or all for -1. */
  dropLeadingTo(base: number, hostPage: number, array: number, logBit: number): void {
    const u32 = this.u32;
    for (let i = 0, count = this.count(base); i < count; i++) {
      const logged = this.logged(base, i, count);
      if ((logged & FILL_LOG_WRITE) !== logBit) continue;
      const slot = logged & (TLB_ENTRIES - 1);
      const p = (base + array + (slot << 4)) >>> 2;
      if (((u32[p] >>> 12) & 0xfff) !== slot) continue;
      if (hostPage < 0 || (u32[p] + u32[p + 2]) >>> 0 === hostPage) this.drop(p, slot);
    }
  }

  /** Entries that come into question: those in the log, or all of both arrays where it has overflowed. */
  private count(base: number): number {
    const count = this.u32[(base + TLB_HEADER + HEADER_FILL_COUNT) >>> 2];
    return count === FILL_LOG_OVERFLOW ? 2 * TLB_ENTRIES : count;
  }

  /** The i-th of `count`, as the log has it; the log itself has no room for so many as there are in both arrays. */
  private logged(base: number, i: number, count: number): number {
    return count === 2 * TLB_ENTRIES ? i : this.u16[((base + TLB_HEADER + HEADER_FILL_LOG) >>> 1) + i];
  }
}
