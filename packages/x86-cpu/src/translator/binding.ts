import type { Block } from "../block.ts";
import type { CodeUse } from "../code-page.ts";
import { JUMP_CACHE_PLACES } from "../interpreter/jump-cache.ts";
import type { Translation } from "./compiler.ts";
import type { Place } from "./flow-graph.ts";

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
  private readonly checked = new Float64Array(5);
  /** How often an address space had other pages where the binding's should be. */
  misplaced = 0;

  constructor(
    readonly translation: Translation,
    readonly slot: number,
    /** Where the bytes of each of the translation's pages lie. */
    readonly places: ReadonlyMap<number, number>,
    /** Where its first instruction was when it was bound. */
    readonly va: number,
  ) {}

  /**
   * Whether nothing has changed since this was last asked, for the same address space: then its pages are still in their
   * places, and the soft TLB knows what depends on them. Else the caller is to see to both.
   */
  isUnchanged(anchor: number, l4Mfn: number, bank: number, generation: number, dependencies: number): boolean {
    const { checked } = this;
    const same =
      checked[0] === anchor &&
      checked[1] === l4Mfn &&
      checked[2] === bank &&
      checked[3] === generation &&
      checked[4] === dependencies;
    if (!same) {
      checked[0] = anchor;
      checked[1] = l4Mfn;
      checked[2] = bank;
      checked[3] = generation;
      checked[4] = dependencies;
    }
    return same;
  }

  /** What was checked is not so. */
  noteMisplaced(): void {
    this.checked[2] = 0;
    this.misplaced++;
  }

  /** A jump-cache entry, by the index of its first word, is about to lead here. */
  noteCached(entry: number): void {
    this.cached.add(entry & -JUMP_CACHE_SET);
  }

  /** Ranges of words in which all jump-cache entries that lead here are. */
  forEachRange(visit: (start: number, end: number) => void): void {
    for (const set of this.cached) visit(set, set + JUMP_CACHE_SET);
  }
}

/** Takes the jump-cache entries that lead to some regions by certain words out of all caches. */
export function forgetCached(i32: Int32Array, bindings: Iterable<Binding>, wanted: (word: number) => boolean): void {
  const forgetIn = (start: number, end: number): void => {
    for (let entry = start; entry < end; entry += WORDS_PER_ENTRY) {
      const word = i32[entry + REGION_WORD];
      if (word !== 0 && wanted(word)) i32.fill(0, entry, entry + WORDS_PER_ENTRY);
    }
  };
  for (const binding of bindings) binding.forEachRange(forgetIn);
}
