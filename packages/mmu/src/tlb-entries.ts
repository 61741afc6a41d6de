import type { MachineMemory } from "./memory.ts";
import { HALF, halfOf } from "./places.ts";
import { indexInTable, TableIndices } from "./table-indices.ts";
import { TlbInheritance } from "./tlb-inheritance.ts";
import {
  BANK_BYTES,
  FILL_LOG_CAPACITY,
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
/** Where the write array's bits begin in `filled`. */
const FILLED_WRITE = 8;
/** Kinds of entries, as bits of `filled`. */
export const READ_ENTRIES = (1 << FILLED_WRITE) - 1;
export const ALL_ENTRIES = (1 << (2 * FILLED_WRITE)) - 1;
/** With more entries than this, a bank is emptied as a whole. */
const MANY_FILLED = 512;

/**
 * The translations in the soft TLB's banks, and what is kept about them so that those which have to go are found without a
 * look at all others.
 */
export class BankEntries {
  private readonly u32: Uint32Array;
  private readonly u16: Uint16Array;
  private readonly u8: Uint8Array;
  /**
   * Per bank and L1 index (the low nine bits of a page number): which of the eight entries with that index were filled
   * since the last flush; bits 0-7 in the read array, 8-15 in the write array. So that a page-table update looks at the
   * one entry that matters, and not at sixteen which all fall into one set of the host's cache.
   */
  private readonly filled: Uint16Array;
  /** Per bank: indices above the pages of its translations, never too few. */
  private readonly above: TableIndices;
  private readonly inheritance: TlbInheritance;

  /**
   * @param start host address of the first of so many banks
   * @param empty host address of room for TLB_HEADER bytes: both arrays as they are when they are empty
   */
  constructor(
    memory: MachineMemory,
    private readonly start: number,
    banks: number,
    private readonly empty: number,
  ) {
    this.u32 = memory.u32;
    this.u16 = memory.u16;
    this.u8 = memory.u8;
    this.filled = new Uint16Array(banks * INDICES);
    this.above = new TableIndices(banks);
    this.inheritance = new TlbInheritance(memory, banks, this.above);
    for (const array of [TLB_READ, TLB_WRITE]) {
      const first = (empty + array) >>> 2;
      for (let slot = 0; slot < TLB_ENTRIES; slot++) this.u32[first + slot * 4] = (slot ^ 1) << 12;
    }
  }

  /** Adds a translation to one of a bank's arrays, which is named by its offset and its bit in the log. */
  insert(bank: number, array: number, logBit: number, vaLo: number, vaHi: number, hostPage: number): void {
    const u32 = this.u32;
    const base = this.start + bank * BANK_BYTES;
    const slot = (vaLo >>> 12) & 0xfff;
    const p = (base + array + (slot << 4)) >>> 2;
    this.above.add(bank, vaLo, vaHi);
    if (halfOf(vaHi) === HALF.LOWER) this.inheritance.noteLower(bank, slot | logBit);
    if (u32[p] === (slot ^ 1) << 12 && u32[p + 1] === 0) {
      const filled = bank * INDICES + (slot & (INDICES - 1));
      this.filled[filled] |= 1 << ((slot >>> 9) + (logBit === 0 ? 0 : FILLED_WRITE));
      const countWord = (base + TLB_HEADER + HEADER_FILL_COUNT) >>> 2;
      const count = u32[countWord];
      if (count < FILL_LOG_CAPACITY) {
        this.u16[((base + TLB_HEADER + HEADER_FILL_LOG) >>> 1) + count] = slot | logBit;
        u32[countWord] = count + 1;
      } else {
        u32[countWord] = FILL_LOG_OVERFLOW;
      }
    }
    const tag = vaLo & 0xfffff000;
    u32[p] = tag;
    u32[p + 1] = vaHi;
    u32[p + 2] = hostPage - tag;
  }

  /** Makes the arrays of a bank that was never used. */
  initialize(bank: number): void {
    this.clearArrays(this.start + bank * BANK_BYTES);
  }

  /** Empties a bank, in time proportional to what was filled. */
  flush(bank: number): void {
    const u32 = this.u32;
    const base = this.start + bank * BANK_BYTES;
    const header = (base + TLB_HEADER) >>> 2;
    const count = u32[header + (HEADER_FILL_COUNT >>> 2)];
    const filled = bank * INDICES;
    if (count > MANY_FILLED) {
      this.filled.fill(0, filled, filled + INDICES);
      this.clearArrays(base);
    } else if (count !== 0) {
      const log = (base + TLB_HEADER + HEADER_FILL_LOG) >>> 1;
      for (let i = 0; i < count; i++) {
        const logged = this.u16[log + i];
        const slot = logged & 0xfff;
        this.filled[filled + (slot & (INDICES - 1))] = 0;
        const p = (base + ((logged & FILL_LOG_WRITE) << 4) + (slot << 4)) >>> 2;
        u32[p] = (slot ^ 1) << 12;
        u32[p + 1] = 0;
      }
    }
    u32[header + (HEADER_FILL_COUNT >>> 2)] = 0;
    this.above.clear(bank);
    this.inheritance.clear(bank);
  }

  /**
   * Fills an empty bank with those of another's translations that are as good there; see TlbInheritance.
   * @param heirL4 word index of the empty bank's L4 table
   */
  inherit(donor: number, heir: number, heirL4: number, donorL4: number): void {
    const { start } = this;
    const from = start + donor * BANK_BYTES;
    if (!this.inheritance.copy(donor, from, heir, start + heir * BANK_BYTES, heirL4, donorL4)) return;
    this.filled.copyWithin(heir * INDICES, donor * INDICES, (donor + 1) * INDICES);
    this.above.copy(donor, heir);
  }

  /** Drops those of a page, or of all 2 MiB around it. */
  dropPage(bank: number, vaLo: number, vaHi: number, large: boolean): void {
    const { u32 } = this;
    const base = this.start + bank * BANK_BYTES;
    const page = (vaLo >>> 12) & 0xfff;
    const first = large ? page & ~0x1ff : page;
    const tag = (large ? vaLo & ~0x1fffff : vaLo & ~0xfff) >>> 0;
    for (let i = 0; i < (large ? INDICES : 1); i++) {
      for (const array of [TLB_READ, TLB_WRITE]) {
        const p = (base + array + ((first + i) << 4)) >>> 2;
        if (u32[p] === tag + i * 4096 && u32[p + 1] === vaHi >>> 0) this.drop(p, first + i);
      }
    }
  }

  /** Which entries of an L1 index are filled, as bits of `filled`: asked of many banks, of which few have any. */
  filledAt(bank: number, index: number): number {
    return this.filled[bank * INDICES + index];
  }

  /** Drops those of an L1 index's entries, named as by `filledAt`, that lead to a host page. */
  dropFilled(bank: number, index: number, slots: number, hostPage: number): void {
    const u32 = this.u32;
    const base = this.start + bank * BANK_BYTES;
    for (let left = slots; left !== 0; left &= left - 1) {
      const bit = 31 - Math.clz32(left & -left);
      const slot = index + (bit & (FILLED_WRITE - 1)) * INDICES;
      const p = (base + (bit < FILLED_WRITE ? TLB_READ : TLB_WRITE) + (slot << 4)) >>> 2;
      if ((u32[p] + u32[p + 2]) >>> 0 === hostPage && ((u32[p] >>> 12) & 0xfff) === slot) this.drop(p, slot);
    }
  }

  /** Drops those whose address lies behind an entry, given by its index, of a table of a level. */
  dropBehind(bank: number, level: number, index: number): void {
    if (!this.above.has(bank, level, index)) return;
    this.above.delete(bank, level, index);
    this.dropLogged(this.start + bank * BANK_BYTES, level, index);
  }

  private dropLogged(base: number, level: number, index: number): void {
    const u32 = this.u32;
    for (let i = 0, count = this.count(base); i < count; i++) {
      const logged = this.logged(base, i, count);
      const slot = logged & (TLB_ENTRIES - 1);
      const p = (base + ((logged & FILL_LOG_WRITE) << 4) + (slot << 4)) >>> 2;
      const lo = u32[p];
      if (((lo >>> 12) & 0xfff) === slot && indexInTable(lo, u32[p + 1], level) === index) this.drop(p, slot);
    }
  }

  /** Drops those that lead to one of the places that are marked by 1. */
  dropMarked(bank: number, marks: Uint8Array): void {
    const u32 = this.u32;
    const base = this.start + bank * BANK_BYTES;
    for (let i = 0, count = this.count(base); i < count; i++) {
      const logged = this.logged(base, i, count);
      const slot = logged & (TLB_ENTRIES - 1);
      const p = (base + ((logged & FILL_LOG_WRITE) << 4) + (slot << 4)) >>> 2;
      if (((u32[p] >>> 12) & 0xfff) !== slot) continue;
      if (marks[((u32[p] + u32[p + 2]) >>> 0) >>> 12] === 1) this.drop(p, slot);
    }
  }

  /** Drops those of one array, named as for `insert`, that lead to a host page, or all for -1. */
  dropLeadingTo(bank: number, hostPage: number, array: number, logBit: number): void {
    const u32 = this.u32;
    const base = this.start + bank * BANK_BYTES;
    for (let i = 0, count = this.count(base); i < count; i++) {
      const logged = this.logged(base, i, count);
      if ((logged & FILL_LOG_WRITE) !== logBit) continue;
      const slot = logged & (TLB_ENTRIES - 1);
      const p = (base + array + (slot << 4)) >>> 2;
      if (((u32[p] >>> 12) & 0xfff) !== slot) continue;
      if (hostPage < 0 || (u32[p] + u32[p + 2]) >>> 0 === hostPage) this.drop(p, slot);
    }
  }

  /** The entry never hits again, and is known to be in the log already. */
  private drop(word: number, slot: number): void {
    this.u32[word] = (slot ^ 1) << 12;
    this.u32[word + 1] = 1;
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

  private clearArrays(base: number): void {
    this.u8.copyWithin(base + TLB_READ, this.empty, this.empty + TLB_HEADER);
  }
}
