import type { Place } from "./flow-graph.ts";
import { DATA_GLOBAL, type RegionData } from "./region-data.ts";
import type { RegionCode } from "./state-locals.ts";
import { pushFindTarget, type TargetTable, targetTable } from "./target-table.ts";

const PAGE = 4096;

/**
 * The states by which dispatchers know blocks. The hub names the region's entries by the first of them, and the region finds
 * those itself where an indirect transfer leads to one.
 */
export class BlockStates {
  private readonly states = new Map<Place, number>();
  private readonly entries: ReadonlyMap<Place, number>;
  /** The page that each state's entry lies in, and where that stands in memory once it is asked for. */
  private readonly entryPages: Int32Array;
  private pages: number | undefined;
  private targets: (TargetTable & { readonly at: number }) | undefined;

  constructor(
    entries: readonly Place[],
    private readonly data: RegionData,
  ) {
    for (const place of entries) this.states.set(place, this.states.size + 1);
    this.entries = new Map(this.states);
    this.entryPages = Int32Array.from([0, ...entries.map((place) => Math.floor(place / PAGE))]);
  }

  /** State of one of the region's entries; undefined for other blocks, which the outermost dispatcher does not know. */
  ofEntry(place: Place): number | undefined {
    return this.entries.get(place);
  }

  has(place: Place): boolean {
    return this.states.has(place);
  }

  /** State of a block that some dispatcher leads to; blocks that the hub does not know get the numbers after its own. */
  number(place: Place): number {
    let state = this.states.get(place);
    if (state === undefined) {
      state = this.states.size + 1;
      this.states.set(place, state);
    }
    return state;
  }

  /** Pops an address and pushes what the anchor is if that is the entry of a state, which is in a local. */
  pushAnchor(f: RegionCode, state: number): void {
    f.i64_const(-PAGE).i64_and();
    const { entryPages } = this;
    if (entryPages.every((page) => page === 0)) return;
    this.pages ??= this.data.keepTable(entryPages);
    f.get(state)
      .i32_const(2)
      .i32_shl()
      .globalGet(DATA_GLOBAL)
      .i32_add()
      .i64_load32_s(this.pages)
      .i64_const(12)
      .i64_shl()
      .i64_sub();
  }

  /** Pushes whether the place in a local is an entry of the region, and sets another local to its state: see pushFindTarget. */
  findTarget(f: RegionCode, locals: { readonly place: number; readonly slot: number; readonly state: number }): void {
    if (this.targets === undefined) {
      const table = targetTable(this.entries);
      this.targets = { ...table, at: this.data.keepTable(table.words) };
    }
    pushFindTarget(f, DATA_GLOBAL, this.targets, locals);
  }
}
