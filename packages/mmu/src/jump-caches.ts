import { DomainMembers, NO_MEMBER } from "./domain-members.ts";
import type { MachineMemory } from "./memory.ts";
import { HALF, halfOf } from "./places.ts";
import { indexInTable, TableIndices } from "./table-indices.ts";
import { JUMP_CACHE_BYTES, JUMP_CACHE_MODE, JUMP_CACHE_STRIDE } from "./tlb-layout.ts";

const WORDS_PER_ENTRY = 4;
/** Offset in words of what an entry says besides the record: see tlb-layout.ts. */
const WORD = 3;
const PAGE = 4096;
const NO_CACHE = -1;
const INDICES = 512;
const L4_PARTS = INDICES / 32;
/** What is emptied at once: entries change places only within less. */
const GRANULE_BYTES = 512;
const GRANULE_WORDS = JUMP_CACHE_BYTES / GRANULE_BYTES / 32;
/** In place of an L4 table: the address space shares its cache with nobody. */
export const NO_L4 = -1;

/**
 * Where jumps lead, for generated code: a cache for each address space, or one for several of a domain, as its kernel's are.
 * A cache is dear to fill: each entry costs a walk and two Map look-ups. So address spaces share one as long as their L4
 * tables have the same entries above all that is in it, and when a mapping changes, only those entries go whose code may
 * lie behind it: those at addresses of that table entry, and of the page before it, whose last instruction may reach over.
 * Entries for translated code depend on other pages too: those are noted, and when one of them may have changed all such
 * entries go.
 */
export class JumpCaches {
  private readonly u32: Uint32Array;
  /** Indices above the pages of entries and the pages after them; never too few. */
  private readonly entries: TableIndices;
  /** Indices above the pages that entries with a word depend on. */
  private readonly spans: TableIndices;
  /** Per cache and index of the two sets' level 4: the L4 entry under which they were added, two words. */
  private readonly l4Entries: Uint32Array;
  /** Per cache: something was added since it was cleared. */
  private readonly used: Uint8Array;
  /** Per cache: the halves that its entries and what they depend on are in. */
  private readonly halves: Uint8Array;
  /** Per cache: a bit for each of its granules that has got an entry. A program's cache has few, and is emptied often. */
  private readonly filled: Uint32Array;
  /** Whose each cache is. */
  private readonly members: DomainMembers;
  /** Per cache: banks that have it, and of which kind they are. */
  private readonly users: Uint16Array;
  private readonly kindOf: Int8Array;
  private readonly cacheOf: Int16Array;
  /** Per bank: its cache has got an L4 index since that the bank's own table was not compared for. */
  private readonly mustCompare: Uint8Array;
  private readonly unused: number[] = [];
  /** Caches below this were used at least once. */
  private touched = 0;
  /** Another number whenever what a bank has noted by `dependOn` may be noted no more. */
  dependencies = 0;

  constructor(
    memory: MachineMemory,
    private readonly start: number,
    private readonly banks: number,
    /** Index of a word that counts changes of who has which cache, or is to have another. */
    private readonly changes: number,
  ) {
    this.u32 = memory.u32;
    this.entries = new TableIndices(banks);
    this.spans = new TableIndices(banks);
    this.l4Entries = new Uint32Array(banks * INDICES * 2);
    this.used = new Uint8Array(banks);
    this.halves = new Uint8Array(banks);
    this.filled = new Uint32Array(banks * GRANULE_WORDS);
    this.users = new Uint16Array(banks);
    this.members = new DomainMembers(banks);
    this.kindOf = new Int8Array(banks);
    this.cacheOf = new Int16Array(banks).fill(NO_CACHE);
    this.mustCompare = new Uint8Array(banks);
  }

  /** Host bytes that the caches of so many banks need. */
  static bytes(banks: number): number {
    return banks * JUMP_CACHE_STRIDE;
  }

  /** Host address of a bank's cache. */
  addressOf(bank: number): number {
    return this.start + this.cacheOf[bank] * JUMP_CACHE_STRIDE;
  }

  /** Whether `choose` is due before the bank is used. */
  isDue(bank: number): boolean {
    return this.mustCompare[bank] !== 0;
  }

  /**
   * Gives a bank a cache that says nothing wrong of its address space: the one that it has, or another of its domain, or an
   * empty one.
   * @param kind banks of different kinds share nothing
   * @param l4 word index of the L4 table's first entry, or NO_L4
   */
  choose(bank: number, domid: number, kind: number, l4: number): void {
    this.mustCompare[bank] = 0;
    const own = this.cacheOf[bank];
    this.u32[this.changes]++;
    if (own !== NO_CACHE && this.agrees(own, l4)) return;
    this.dependencies++;
    this.release(bank);
    let cache = l4 === NO_L4 ? NO_CACHE : this.findShared(domid, kind, l4);
    if (cache === NO_CACHE) {
      cache = this.unused.pop() ?? this.touched++;
      this.members.add(cache, domid);
      this.kindOf[cache] = l4 === NO_L4 ? NO_L4 : kind;
    }
    this.users[cache]++;
    this.cacheOf[bank] = cache;
  }

  /** The bank is no longer an address space's. */
  release(bank: number): void {
    const cache = this.cacheOf[bank];
    if (cache === NO_CACHE) return;
    this.cacheOf[bank] = NO_CACHE;
    if (--this.users[cache] > 0) return;
    this.empty(cache);
    this.members.remove(cache);
    this.unused.push(cache);
  }

  private findShared(domid: number, kind: number, l4: number): number {
    const { members, kindOf, used } = this;
    for (let cache = members.first(domid); cache !== NO_MEMBER; cache = members.next(cache)) {
      // An empty one would be left again at the first jump.
      if (kindOf[cache] !== kind || used[cache] === 0) continue;
      if (this.agrees(cache, l4)) return cache;
    }
    return NO_CACHE;
  }

  /** Whether an L4 table has the entries under which all was added that is in a cache. */
  private agrees(cache: number, l4: number): boolean {
    if (l4 === NO_L4) return true;
    const { u32, l4Entries, entries, spans } = this;
    for (let part = 0; part < L4_PARTS; part++) {
      for (let left = entries.part(cache, 4, part) | spans.part(cache, 4, part); left !== 0; left &= left - 1) {
        const at = (part * 32 + 31 - Math.clz32(left & -left)) * 2;
        const known = cache * INDICES * 2 + at;
        if (u32[l4 + at] !== l4Entries[known] || u32[l4 + at + 1] !== l4Entries[known + 1]) return false;
      }
    }
    return true;
  }

  /**
   * An entry for an address, given as its low and high 32 bits, is about to be added to a bank's cache.
   * @param l4 word index of the first entry of the bank's L4 table, or NO_L4
   * @param entry the entry's host address
   */
  add(bank: number, l4: number, lo: number, hi: number, entry: number): void {
    const cache = this.cacheOf[bank];
    this.used[cache] = 1;
    const granule = Math.floor((entry - this.addressOf(bank)) / GRANULE_BYTES);
    this.filled[cache * GRANULE_WORDS + (granule >>> 5)] |= 1 << (granule & 31);
    const next = (lo + PAGE) >>> 0;
    const nextHi = next < PAGE ? hi + 1 : hi;
    this.halves[cache] |= halfOf(hi) | halfOf(nextHi);
    this.compareAt(bank, l4, indexInTable(lo, hi, 4));
    this.entries.add(cache, lo, hi);
    this.compareAt(bank, l4, indexInTable(next, nextHi, 4));
    this.entries.add(cache, next, nextHi);
  }

  /** An entry with a word, about to be added, depends on the page of an address. */
  dependOn(bank: number, l4: number, lo: number, hi: number): void {
    this.compareAt(bank, l4, indexInTable(lo, hi, 4));
    this.halves[this.cacheOf[bank]] |= halfOf(hi);
    this.spans.add(this.cacheOf[bank], lo, hi);
  }

  /** What a bank adds from now on may lie behind an L4 index that its cache had nothing of: others must agree on that too. */
  private compareAt(bank: number, l4: number, index: number): void {
    const { cacheOf, mustCompare } = this;
    const cache = cacheOf[bank];
    if (l4 === NO_L4 || this.entries.has(cache, 4, index) || this.spans.has(cache, 4, index)) return;
    const known = (cache * INDICES + index) * 2;
    this.l4Entries[known] = this.u32[l4 + index * 2];
    this.l4Entries[known + 1] = this.u32[l4 + index * 2 + 1];
    if (this.users[cache] === 1) return;
    this.u32[this.changes]++;
    for (let other = 0; other < this.banks; other++) {
      if (cacheOf[other] === cache && other !== bank) mustCompare[other] = 1;
    }
  }

  /** Empties a bank's cache. */
  clear(bank: number): void {
    if (this.cacheOf[bank] !== NO_CACHE) this.empty(this.cacheOf[bank]);
  }

  /** Empties all caches. */
  clearAll(): void {
    for (let cache = 0; cache < this.touched; cache++) this.empty(cache);
  }

  /** Empties all caches of a domain. */
  clearDomain(domid: number): void {
    const { members } = this;
    for (let cache = members.first(domid); cache !== NO_MEMBER; cache = members.next(cache)) this.empty(cache);
  }

  private empty(cache: number): void {
    if (this.used[cache] === 0) return;
    this.used[cache] = 0;
    this.halves[cache] = 0;
    this.dependencies++;
    this.entries.clear(cache);
    this.spans.clear(cache);
    const { u32 } = this;
    this.forEachFilled(cache, (first, end) => u32.fill(0, first, end));
    this.filled.fill(0, cache * GRANULE_WORDS, (cache + 1) * GRANULE_WORDS);
    u32[(this.start + cache * JUMP_CACHE_STRIDE + JUMP_CACHE_MODE) >>> 2] = 0;
  }

  /**
   * An entry with this index in a table of a level (1-4) of the domain changed, wherever the table is used.
   * @param halves of address spaces in which jumps may have led behind it
   */
  forget(domid: number, level: number, index: number, halves: number = HALF.BOTH): void {
    const { members } = this;
    for (let cache = members.first(domid); cache !== NO_MEMBER; cache = members.next(cache))
      if ((this.halves[cache] & halves) !== 0) this.forgetIn(cache, level, index);
  }

  /** An entry with this index in a table of a level (1-4) of a bank's address space changed. */
  forgetInBank(bank: number, level: number, index: number): void {
    if (this.cacheOf[bank] !== NO_CACHE) this.forgetIn(this.cacheOf[bank], level, index);
  }

  private forgetIn(cache: number, level: number, index: number): void {
    if (this.spans.has(cache, level, index)) this.forgetSpanning(cache);
    if (this.entries.has(cache, level, index)) this.forgetBehind(cache, level, index);
  }

  /** All entries with a word go. */
  private forgetSpanning(cache: number): void {
    const { u32 } = this;
    this.forEachFilled(cache, (first, end) => {
      for (let p = first; p < end; p += WORDS_PER_ENTRY) if (u32[p + WORD] !== 0) u32.fill(0, p, p + WORDS_PER_ENTRY);
    });
    this.dependencies++;
    this.spans.clear(cache);
  }

  private forgetBehind(cache: number, level: number, index: number): void {
    const { u32 } = this;
    this.forEachFilled(cache, (first, end) => {
      for (let p = first; p < end; p += WORDS_PER_ENTRY) {
        const lo = u32[p];
        const hi = u32[p + 1];
        const next = (lo + PAGE) >>> 0;
        if (indexInTable(lo, hi, level) === index || indexInTable(next, next < PAGE ? hi + 1 : hi, level) === index)
          u32.fill(0, p, p + WORDS_PER_ENTRY);
      }
    });
    this.entries.delete(cache, level, index);
  }

  /** Calls with the ranges of words in which all of a cache's entries are. */
  private forEachFilled(cache: number, visit: (first: number, end: number) => void): void {
    const { filled } = this;
    const base = (this.start + cache * JUMP_CACHE_STRIDE) >>> 2;
    for (let i = 0; i < GRANULE_WORDS; i++) {
      for (let left = filled[cache * GRANULE_WORDS + i]; left !== 0; left &= left - 1) {
        const first = base + (i * 32 + 31 - Math.clz32(left & -left)) * (GRANULE_BYTES >>> 2);
        visit(first, first + (GRANULE_BYTES >>> 2));
      }
    }
  }
}
