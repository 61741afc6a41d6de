import { TLB_HEADER, TLB_JUMP_CACHE } from "@xen-node/mmu";
import type { Block, CodeUse } from "../code-cache.ts";
import { JUMP_CACHE_PLACES } from "../interpreter/jump-cache.ts";
import type { Translation } from "./compiler.ts";
import type { Place } from "./flow-graph.ts";

const PAGE = 4096;
/** Bytes behind an entry of an L4 table. */
const L4_BYTES = 2 ** 39;
const WORDS_PER_ENTRY = 4;
/** Words of jump-cache entries that may change places. */
const JUMP_CACHE_SET = WORDS_PER_ENTRY * JUMP_CACHE_PLACES;
/** The word of an entry that says which region is entered. */
const REGION_WORD = 3;

/** A translation in use for certain frames. */
export class Binding {
  readonly uses: CodeUse[] = [];
  readonly blocks: { readonly block: Block; readonly place: Place }[] = [];
  /** Sets of jump-cache entries (word indices of the first) that have led here: within one they change places. */
  private readonly cached = new Set<number>();
  /** Banks that took over entries that lead here from others: thousands at a time, so it is not noted which. */
  private readonly heirs = new Set<number>();
  private lastHeir = 0;
  private readonly firstPage: number;
  private readonly lastPage: number;

  constructor(
    readonly translation: Translation,
    readonly slot: number,
    /** Frame of each of the translation's pages. */
    readonly frames: ReadonlyMap<number, number>,
    /** Where its first instruction was when it was bound. */
    readonly va: number,
  ) {
    this.firstPage = Math.min(...translation.pages);
    this.lastPage = Math.max(...translation.pages);
  }

  /** A jump-cache entry, by the index of its first word, is about to lead here. */
  noteCached(entry: number): void {
    this.cached.add(entry & -JUMP_CACHE_SET);
  }

  /** A bank, by its host address, is about to take over entries that lead here. */
  noteHeir(bank: number): void {
    if (bank === this.lastHeir) return;
    this.lastHeir = bank;
    this.heirs.add(bank);
  }

  /** Whether all pages lie behind the same L4 entry as the address of one of its places. */
  liesBehindOneL4Entry(va: number, place: Place): boolean {
    const anchor = va - place;
    const index = Math.floor(va / L4_BYTES);
    return (
      Math.floor((anchor + this.firstPage * PAGE) / L4_BYTES) === index &&
      Math.floor((anchor + this.lastPage * PAGE) / L4_BYTES) === index
    );
  }

  /** Ranges of words in which all jump-cache entries that lead here are. */
  forEachRange(visit: (start: number, end: number) => void): void {
    for (const set of this.cached) visit(set, set + JUMP_CACHE_SET);
  }

  addHeirsTo(banks: Set<number>): void {
    for (const bank of this.heirs) banks.add(bank);
  }
}

/** Takes the jump-cache entries that lead to some regions by certain words out of all banks. */
export function forgetCached(i32: Int32Array, bindings: Iterable<Binding>, wanted: (word: number) => boolean): void {
  const forgetIn = (start: number, end: number): void => {
    for (let entry = start; entry < end; entry += WORDS_PER_ENTRY) {
      const word = i32[entry + REGION_WORD];
      if (word !== 0 && wanted(word)) i32.fill(0, entry, entry + WORDS_PER_ENTRY);
    }
  };
  const heirs = new Set<number>();
  for (const binding of bindings) {
    binding.forEachRange(forgetIn);
    binding.addHeirsTo(heirs);
  }
  for (const bank of heirs) forgetIn((bank + TLB_JUMP_CACHE) >>> 2, (bank + TLB_HEADER) >>> 2);
}
