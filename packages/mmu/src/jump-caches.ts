import type { MachineMemory } from "./memory.ts";
import { BANK_BYTES, TLB_HEADER, TLB_JUMP_CACHE } from "./tlb-layout.ts";

const LEVELS = 4;
const INDICES = 512;
const WORDS_PER_LEVEL = INDICES / 32;
const WORDS = LEVELS * WORDS_PER_LEVEL;
const WORDS_PER_ENTRY = 4;
/** Offset in words of what an entry says besides the record: see tlb-layout.ts. */
const WORD = 3;
const PAGE = 4096;

/** Index of an address, given as its low and high 32 bits, in its table of a level (1-4). */
export function indexInTable(lo: number, hi: number, level: number): number {
  switch (level) {
    case 1:
      return (lo >>> 12) & 0x1ff;
    case 2:
      return (lo >>> 21) & 0x1ff;
    case 3:
      return ((hi & 0x7f) << 2) | (lo >>> 30);
    default:
      return (hi >>> 7) & 0x1ff;
  }
}

/** For each bank, sets of indices in tables of the four levels: which entries of tables lie above some addresses. */
class TableIndices {
  private readonly bits: Uint32Array;

  constructor(banks: number) {
    this.bits = new Uint32Array(banks * WORDS);
  }

  add(bank: number, lo: number, hi: number): void {
    const { bits } = this;
    for (let level = 1; level <= LEVELS; level++) {
      const index = indexInTable(lo, hi, level);
      bits[bank * WORDS + (level - 1) * WORDS_PER_LEVEL + (index >>> 5)] |= 1 << (index & 31);
    }
  }

  has(bank: number, level: number, index: number): boolean {
    return ((this.bits[bank * WORDS + (level - 1) * WORDS_PER_LEVEL + (index >>> 5)] >>> (index & 31)) & 1) !== 0;
  }

  delete(bank: number, level: number, index: number): void {
    this.bits[bank * WORDS + (level - 1) * WORDS_PER_LEVEL + (index >>> 5)] &= ~(1 << (index & 31));
  }

  /** Makes a bank's sets those of another one. */
  copy(from: number, to: number): void {
    this.bits.copyWithin(to * WORDS, from * WORDS, (from + 1) * WORDS);
  }

  clear(bank: number): void {
    this.bits.fill(0, bank * WORDS, (bank + 1) * WORDS);
  }
}

/**
 * What must leave the banks' jump caches when a mapping changes. A cache is dear to lose: each entry that is looked up
 * again costs a walk and two Map look-ups. So only the entries go whose code may lie behind what changed: those at
 * addresses of that table entry, and of the page before it, whose last instruction may reach over. Entries for translated
 * code depend on other pages too: those are noted, and when one of them may have changed all such entries go.
 */
export class JumpCaches {
  private readonly u32: Uint32Array;
  private readonly u8: Uint8Array;
  /** Indices above the pages of entries and the pages after them; never too few. */
  private readonly entries: TableIndices;
  /** Indices above the pages that entries with a word depend on. */
  private readonly spans: TableIndices;
  /** Per bank: something was added since it was cleared. */
  private readonly used: Uint8Array;

  constructor(
    memory: MachineMemory,
    private readonly start: number,
    banks: number,
  ) {
    this.u32 = memory.u32;
    this.u8 = memory.u8;
    this.entries = new TableIndices(banks);
    this.spans = new TableIndices(banks);
    this.used = new Uint8Array(banks);
  }

  /** An entry for an address, given as its low and high 32 bits, is about to be added. */
  add(bank: number, lo: number, hi: number): void {
    this.used[bank] = 1;
    this.entries.add(bank, lo, hi);
    const next = (lo + PAGE) >>> 0;
    this.entries.add(bank, next, next < PAGE ? hi + 1 : hi);
  }

  /** An entry with a word, about to be added, depends on the page of an address. */
  dependOn(bank: number, lo: number, hi: number): void {
    this.spans.add(bank, lo, hi);
  }

  /**
   * Fills an empty cache from another bank's, with what lies behind entries of their L4 tables that are the same.
   * @param isSame whether an index of the L4 tables is such a one
   * @param wordOf what to keep of the word of an entry at an address
   */
  inherit(
    from: number,
    to: number,
    isSame: (index: number) => boolean,
    wordOf: (lo: number, hi: number, word: number) => number,
  ): void {
    if (this.used[from] === 0) return;
    const { u32 } = this;
    const source = (this.start + from * BANK_BYTES + TLB_JUMP_CACHE) >>> 2;
    const end = (this.start + from * BANK_BYTES + TLB_HEADER) >>> 2;
    let target = (this.start + to * BANK_BYTES + TLB_JUMP_CACHE) >>> 2;
    this.used[to] = 1;
    this.entries.copy(from, to);
    this.spans.copy(from, to);
    for (let p = source; p < end; p += WORDS_PER_ENTRY, target += WORDS_PER_ENTRY) {
      const lo = u32[p];
      const hi = u32[p + 1];
      // An empty entry looks like one for address 0.
      if ((lo | hi) === 0 || !isSame(indexInTable(lo, hi, 4))) continue;
      const next = (lo + PAGE) >>> 0;
      if (next < PAGE && !isSame(indexInTable(next, hi + 1, 4))) continue;
      u32[target] = lo;
      u32[target + 1] = hi;
      u32[target + 2] = u32[p + 2];
      const word = u32[p + WORD];
      u32[target + WORD] = word === 0 ? 0 : wordOf(lo, hi, word);
    }
  }

  /** Empties a bank's cache. */
  clear(bank: number): void {
    if (this.used[bank] === 0) return;
    this.used[bank] = 0;
    this.entries.clear(bank);
    this.spans.clear(bank);
    const base = this.start + bank * BANK_BYTES;
    this.u8.fill(0, base + TLB_JUMP_CACHE, base + TLB_HEADER);
  }

  /** An entry with this index in a table of a level (1-4) changed. */
  forget(bank: number, level: number, index: number): void {
    if (this.spans.has(bank, level, index)) this.forgetSpanning(bank);
    if (this.entries.has(bank, level, index)) this.forgetBehind(bank, level, index);
  }

  /** All entries with a word go. */
  private forgetSpanning(bank: number): void {
    const { u32 } = this;
    const first = (this.start + bank * BANK_BYTES + TLB_JUMP_CACHE) >>> 2;
    const end = (this.start + bank * BANK_BYTES + TLB_HEADER) >>> 2;
    for (let p = first; p < end; p += WORDS_PER_ENTRY) if (u32[p + WORD] !== 0) u32.fill(0, p, p + WORDS_PER_ENTRY);
    this.spans.clear(bank);
  }

  private forgetBehind(bank: number, level: number, index: number): void {
    const { u32 } = this;
    const first = (this.start + bank * BANK_BYTES + TLB_JUMP_CACHE) >>> 2;
    const end = (this.start + bank * BANK_BYTES + TLB_HEADER) >>> 2;
    for (let p = first; p < end; p += WORDS_PER_ENTRY) {
      const lo = u32[p];
      const hi = u32[p + 1];
      const next = (lo + PAGE) >>> 0;
      if (indexInTable(lo, hi, level) !== index && indexInTable(next, next < PAGE ? hi + 1 : hi, level) !== index)
        continue;
      u32.fill(0, p, p + WORDS_PER_ENTRY);
    }
    this.entries.delete(bank, level, index);
  }
}
