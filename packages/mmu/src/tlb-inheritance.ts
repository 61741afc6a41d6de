import type { MachineMemory } from "./memory.ts";
import { Pte } from "./pte.ts";
import type { TableIndices } from "./table-indices.ts";
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
/** Of a TableIndices' parts of level 4: those of the upper half. */
const UPPER_PARTS = [8, 9, 10, 11, 12, 13, 14, 15];
/** Words of a bank's set of slots. */
const SLOT_WORDS = (2 * TLB_ENTRIES) / 32;
/** What is known of two L4 tables' entries of an index. */
const UNKNOWN = 0;
const SAME = 1;
const OTHER = 2;

/**
 * Fills an empty bank from another one: what lies behind entries of their L4 tables that are the same is mapped in the same
 * way. All is copied at once, and what is not the heir's dropped again. That is what programs have: of a kernel's translations
 * everything stays, so they are not looked at one by one.
 */
export class TlbInheritance {
  private readonly u32: Uint32Array;
  private readonly u16: Uint16Array;
  private readonly u8: Uint8Array;
  /** Per bank: a bit for each slot, those of the write array behind the others, that got an entry of the lower half. */
  private readonly lower: Uint32Array;
  /** Indices of the first words of both L4 tables, and what is known of their entries. */
  private heirL4 = 0;
  private donorL4 = 0;
  private readonly sameL4 = new Uint8Array(INDICES);

  /** @param above per bank: indices above the pages of its translations */
  constructor(
    memory: MachineMemory,
    banks: number,
    private readonly above: TableIndices,
  ) {
    const { u32, u16, u8 } = memory;
    this.u32 = u32;
    this.u16 = u16;
    this.u8 = u8;
    this.lower = new Uint32Array(banks * SLOT_WORDS);
  }

  /** A bank has got an entry of the lower half, given as the log has it. */
  noteLower(bank: number, logged: number): void {
    this.lower[bank * SLOT_WORDS + (logged >>> 5)] |= 1 << (logged & 31);
  }

  /** A bank is empty. */
  clear(bank: number): void {
    this.lower.fill(0, bank * SLOT_WORDS, (bank + 1) * SLOT_WORDS);
  }

  /**
   * @param donor the bank that is copied, whose host address is `from`
   * @param heir an empty bank, whose host address is `base`
   * @param heirL4 word index of the empty bank's L4 table
   * @returns false where nothing was copied: hardly anything is the heir's, or nobody knows any more what the other bank has
   */
  copy(donor: number, from: number, heir: number, base: number, heirL4: number, donorL4: number): boolean {
    const { u32, u16, u8, lower } = this;
    const count = u32[(from + TLB_HEADER + HEADER_FILL_COUNT) >>> 2];
    if (count === FILL_LOG_OVERFLOW) return false;
    this.heirL4 = heirL4;
    this.donorL4 = donorL4;
    this.sameL4.fill(UNKNOWN);
    const first = donor * SLOT_WORDS;
    let ofPrograms = 0;
    for (let word = 0; word < SLOT_WORDS; word++) ofPrograms += bitsOf(lower[first + word]);
    // Programs have hardly anything in common, kernels all: to copy a quarter at most does not pay.
    if ((count - ofPrograms) * 4 <= count || !this.isKernelSame(donor)) return false;
    u8.copyWithin(base + TLB_READ, from + TLB_READ, from + TLB_HEADER);
    const donorLog = (from + TLB_HEADER + HEADER_FILL_LOG) >>> 1;
    const log = (base + TLB_HEADER + HEADER_FILL_LOG) >>> 1;
    u16.copyWithin(log, donorLog, donorLog + count);
    u32[(base + TLB_HEADER + HEADER_FILL_COUNT) >>> 2] = count;
    lower.copyWithin(heir * SLOT_WORDS, first, first + SLOT_WORDS);
    for (let word = 0; word < SLOT_WORDS; word++) {
      for (let left = lower[first + word]; left !== 0; left &= left - 1) {
        const logged = word * 32 + 31 - Math.clz32(left & -left);
        const p = this.wordOf(base, logged);
        if (this.isSame(u32[p + 1])) continue;
        // As a dropped entry is: it never hits, and is in the log.
        u32[p] = ((logged & (TLB_ENTRIES - 1)) ^ 1) << 12;
        u32[p + 1] = 1;
      }
    }
    return true;
  }

  /** Whether all that the donor has of the upper half is mapped in the same way for the heir. */
  private isKernelSame(donor: number): boolean {
    for (const part of UPPER_PARTS) {
      for (let left = this.above.part(donor, 4, part); left !== 0; left &= left - 1) {
        // Where the index is in the upper half of an address.
        if (!this.isSame((part * 32 + 31 - Math.clz32(left & -left)) << 7)) return false;
      }
    }
    return true;
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

/** How many bits are set. */
function bitsOf(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
