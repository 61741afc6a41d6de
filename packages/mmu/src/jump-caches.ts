import type { MachineMemory } from "./memory.ts";
import { BANK_BYTES, HEADER_JUMP_CACHE_DIRTY, TLB_HEADER, TLB_JUMP_CACHE } from "./tlb-layout.ts";

const L1_INDICES = 512;
const WORDS = L1_INDICES / 32;
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

/**
 * What must leave the banks' jump caches when a mapping changes. A cache is dear to lose: each entry that is looked up
 * again costs a walk and two Map look-ups. So only the entries go whose code may lie behind what changed: those at
 * addresses of that table entry, and of the page before it, whose last instruction may reach over. Entries for translated
 * code depend on other pages too: those are noted, and when one of them changes all such entries go.
 */
export class JumpCaches {
  private readonly u32: Uint32Array;
  private readonly u8: Uint8Array;
  /** Per bank: bits of the L1 indices that entries had when the dirty word was last found set; never too few. */
  private readonly indices: Uint32Array;
  /** Per bank: `indices` has bits. */
  private readonly known: Uint8Array;
  /** Per bank: bits of the L1 indices of pages that entries with a word depend on. */
  private readonly spans: Uint32Array;
  /** Per bank: `spans` has bits. */
  private readonly spanning: Uint8Array;

  constructor(
    memory: MachineMemory,
    private readonly start: number,
    banks: number,
  ) {
    this.u32 = memory.u32;
    this.u8 = memory.u8;
    this.indices = new Uint32Array(banks * WORDS);
    this.known = new Uint8Array(banks);
    this.spans = new Uint32Array(banks * WORDS);
    this.spanning = new Uint8Array(banks);
  }

  /** An entry with a word, about to be added, depends on the page of an address, given as its low 32 bits. */
  dependOn(bank: number, lo: number): void {
    const index = indexInTable(lo, 0, 1);
    this.spans[bank * WORDS + (index >>> 5)] |= 1 << (index & 31);
    this.spanning[bank] = 1;
  }

  /** Empties a bank's cache. */
  clear(bank: number): void {
    const dirty = this.dirtyWord(bank);
    if (this.u32[dirty] === 0 && this.known[bank] === 0) return;
    this.u32[dirty] = 0;
    this.known[bank] = 0;
    this.forgetSpans(bank);
    this.indices.fill(0, bank * WORDS, (bank + 1) * WORDS);
    const base = this.start + bank * BANK_BYTES;
    this.u8.fill(0, base + TLB_JUMP_CACHE, base + TLB_HEADER);
  }

  /** An L1 entry with this index changed. */
  forgetPage(bank: number, index: number): void {
    const before = (index - 1) & (L1_INDICES - 1);
    this.refresh(bank);
    const { indices } = this;
    const word = bank * WORDS;
    if (((this.spans[word + (index >>> 5)] >>> (index & 31)) & 1) !== 0) this.forgetSpanning(bank);
    if (((indices[word + (index >>> 5)] >>> (index & 31)) | (indices[word + (before >>> 5)] >>> (before & 31))) & 1) {
      this.forget(bank, 1, index);
      indices[word + (index >>> 5)] &= ~(1 << (index & 31));
      indices[word + (before >>> 5)] &= ~(1 << (before & 31));
    }
  }

  /** An entry with this index in a table of level 2 to 4 changed. */
  forgetTable(bank: number, level: number, index: number): void {
    this.refresh(bank);
    if (this.spanning[bank] !== 0) this.forgetSpanning(bank);
    if (this.known[bank] !== 0) this.forget(bank, level, index);
  }

  /** All entries with a word go. */
  private forgetSpanning(bank: number): void {
    const { u32 } = this;
    const first = (this.start + bank * BANK_BYTES + TLB_JUMP_CACHE) >>> 2;
    const end = (this.start + bank * BANK_BYTES + TLB_HEADER) >>> 2;
    for (let p = first; p < end; p += WORDS_PER_ENTRY) if (u32[p + WORD] !== 0) u32.fill(0, p, p + WORDS_PER_ENTRY);
    this.forgetSpans(bank);
  }

  private forgetSpans(bank: number): void {
    this.spans.fill(0, bank * WORDS, (bank + 1) * WORDS);
    this.spanning[bank] = 0;
  }

  /** Takes stock of a cache to which entries were added. */
  private refresh(bank: number): void {
    const { u32, indices } = this;
    const dirty = this.dirtyWord(bank);
    if (u32[dirty] === 0) return;
    u32[dirty] = 0;
    const word = bank * WORDS;
    indices.fill(0, word, word + WORDS);
    const first = (this.start + bank * BANK_BYTES + TLB_JUMP_CACHE) >>> 2;
    const end = (this.start + bank * BANK_BYTES + TLB_HEADER) >>> 2;
    for (let p = first; p < end; p += WORDS_PER_ENTRY) {
      // Empty entries look like ones of address 0.
      const index = (u32[p] >>> 12) & (L1_INDICES - 1);
      indices[word + (index >>> 5)] |= 1 << (index & 31);
    }
    this.known[bank] = 1;
  }

  private forget(bank: number, level: number, index: number): void {
    const { u32 } = this;
    const first = (this.start + bank * BANK_BYTES + TLB_JUMP_CACHE) >>> 2;
    const end = (this.start + bank * BANK_BYTES + TLB_HEADER) >>> 2;
    for (let p = first; p < end; p += WORDS_PER_ENTRY) {
      const lo = u32[p];
      const hi = u32[p + 1];
      const next = (lo + PAGE) >>> 0;
      if (indexInTable(lo, hi, level) !== index && indexInTable(next, next < lo ? hi + 1 : hi, level) !== index)
        continue;
      u32.fill(0, p, p + WORDS_PER_ENTRY);
    }
  }

  private dirtyWord(bank: number): number {
    return (this.start + bank * BANK_BYTES + TLB_HEADER + HEADER_JUMP_CACHE_DIRTY) >>> 2;
  }
}
