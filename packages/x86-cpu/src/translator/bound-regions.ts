import type { Mmu } from "@xen-node/mmu";
import type { Block } from "../block.ts";
import type { CodeCache } from "../code-cache.ts";
import type { CodeUse } from "../code-page.ts";
import { ENTRY_BITS } from "../interpreter/hub.ts";
import { REGION_STALE } from "../state.ts";
import { Binding, forgetCached } from "./binding.ts";
import type { CodeReader } from "./code-reader.ts";
import type { RegionCompiler, Translation } from "./compiler.ts";
import type { Place } from "./flow-graph.ts";

const PAGE = 4096;
/** Of how often a binding's pages were found elsewhere: bits that are not set when it is looked whether they might be in their places. */
const MISPLACED_AGAIN = 15;

/** The regions that can be entered: which slot of the hub's table has which translation, for code in which places. */
export class BoundRegions {
  private readonly bySlot: (Binding | undefined)[] = [];
  /** Where each translation in use is bound. */
  private readonly bindings = new Map<Translation, Set<Binding>>();
  private readonly freeSlots: number[] = [];
  private oldest = 1;
  /** Regions given up because their code changed, and for lack of room. */
  invalidated = 0;
  evicted = 0;

  /** @param table the hub's */
  constructor(
    private readonly mmu: Mmu,
    private readonly code: CodeCache,
    private readonly reader: CodeReader,
    private readonly compiler: RegionCompiler,
    private readonly table: WebAssembly.Table,
    private readonly maxRegions: number,
  ) {
    for (let slot = maxRegions; slot >= 1; slot--) this.freeSlots.push(slot);
  }

  /** Of those that there are now. */
  get count(): number {
    return this.maxRegions - this.freeSlots.length;
  }

  isBound(translation: Translation): boolean {
    return this.bindings.has(translation);
  }

  /**
   * Jump-cache word for a block's region, or 0 where it is not to be entered by this address space.
   * @param bank the address space's soft-TLB bank
   * @param entry word index of the jump-cache entry that will hold it
   */
  wordFor(block: Block, va: number, l4Mfn: number, bank: number, entry: number): number {
    const word = block.regionWord;
    if (word === 0) return 0;
    const binding = this.bySlot[word >>> ENTRY_BITS];
    if (binding === undefined) return 0;
    const { translation } = binding;
    if (translation.pages.length > 1) {
      const place = translation.entries[(word & ((1 << ENTRY_BITS) - 1)) - 1];
      if (!this.isInPlace(binding, va - place, l4Mfn, bank)) return 0;
    }
    binding.noteCached(entry);
    return word;
  }

  /** Whether the pages around an anchor are a binding's; the soft TLB is told that jump-cache entries depend on it. */
  private isInPlace(binding: Binding, anchor: number, l4Mfn: number, bank: number): boolean {
    const { frames, walker, tlb } = this.mmu;
    if (binding.isUnchanged(anchor, l4Mfn, bank, walker.generation, tlb.dependencies)) return true;
    for (const [page, place] of binding.places) {
      const at = anchor + page * PAGE;
      const high = Math.floor(at / 2 ** 32) | 0;
      const mfn = walker.executedFrame(l4Mfn, at | 0, high);
      if (mfn < 0 || (this.code.placeOf(mfn) !== place && !this.bringTo(place, mfn, binding))) {
        binding.noteMisplaced();
        return false;
      }
      frames.places.noteJump(place, high);
      frames.noteRead(mfn, at | 0);
      tlb.dependOn(bank, at | 0, high);
    }
    return true;
  }

  /**
   * A frame is not at the place that a binding is for: brings it there if it has the same bytes. Else each entry of the region by
   * this address space would be looked up again. What has others is looked at less and less often.
   */
  private bringTo(place: number, mfn: number, binding: Binding): boolean {
    const { misplaced } = binding;
    if ((misplaced & (misplaced - 1)) !== 0 && (misplaced & MISPLACED_AGAIN) !== 0) return false;
    return this.code.shareAgain(mfn) && this.code.placeOf(mfn) === place && this.bySlot[binding.slot] === binding;
  }

  /** Makes a block that lies around the reader's anchor an entry of a region that is bound there already. */
  enterBound(translation: Translation, place: Place): boolean {
    for (const binding of this.bindings.get(translation) ?? []) {
      const isHere = translation.pages.every((page) => binding.places.get(page) === this.reader.placeOf(page));
      if (isHere) return this.enterAt(binding, place);
    }
    return false;
  }

  /**
   * Binds a translation to what lies around the reader's anchor.
   * @param isLatest it is of what was just recorded, and has seen more of what is executed together than any region before
   */
  bind(translation: Translation, va: number, isLatest: boolean): void {
    if (this.freeSlots.length === 0) this.evict();
    const slot = this.freeSlots.pop();
    if (slot === undefined) return;
    const places = new Map(translation.pages.map((page) => [page, this.reader.placeOf(page)]));
    const binding = new Binding(translation, slot, places, va);
    for (const { page, start, end } of translation.ranges) {
      const use: CodeUse = { place: places.get(page)!, start, end, onChange: () => this.invalidate(binding) };
      binding.uses.push(use);
      this.code.watch(use, this.reader.frameOf(page));
    }
    const before = new Set<number>();
    for (const place of translation.entries) {
      const word = this.entryBlock(translation, place)?.regionWord ?? 0;
      if (!isLatest && this.isLarger(word, translation)) continue;
      if (word !== 0) before.add(word);
      this.enterAt(binding, place);
    }
    this.bySlot[slot] = binding;
    const bindings = this.bindings.get(translation);
    if (bindings) bindings.add(binding);
    else this.bindings.set(translation, new Set([binding]));
    this.table.set(slot, this.compiler.functionOf(translation));
    if (before.size > 0) forgetCached(this.mmu.memory.i32, this.bindingsOf(before), (word) => before.has(word));
  }

  /** Whether the region of a word goes on for longer than another one, most likely: it has more code. */
  private isLarger(word: number, translation: Translation): boolean {
    const there = word === 0 ? undefined : this.bySlot[word >>> ENTRY_BITS];
    return there !== undefined && there.translation.instructions > translation.instructions;
  }

  private enterAt(binding: Binding, place: Place): boolean {
    const { translation, slot, blocks } = binding;
    const block = this.entryBlock(translation, place);
    if (block === undefined) return false;
    const word = (slot << ENTRY_BITS) | (translation.entries.indexOf(place) + 1);
    if (!this.code.enterRegionAt(block, word, translation.threshold)) return false;
    blocks.push({ block, place });
    return true;
  }

  private bindingsOf(words: ReadonlySet<number>): Set<Binding> {
    const bindings = new Set<Binding>();
    for (const word of words) {
      const binding = this.bySlot[word >>> ENTRY_BITS];
      if (binding !== undefined) bindings.add(binding);
    }
    return bindings;
  }

  /** The block at an entry of a translation that matches what lies around the reader's anchor. */
  entryBlock({ mode }: Translation, place: Place): Block | undefined {
    const page = Math.floor(place / PAGE);
    const mfn = this.reader.frameOf(page);
    const block = mfn < 0 ? undefined : this.code.blockAt(mfn, place & (PAGE - 1), mode);
    // Its first instruction may reach into the next page, which is another one for other address spaces.
    if (block === undefined || (block.secondPlace >= 0 && block.secondPlace !== this.reader.placeOf(page + 1)))
      return undefined;
    return block;
  }

  private invalidate(binding: Binding): void {
    this.invalidated++;
    this.unbind([binding]);
  }

  private unbind(bindings: readonly Binding[]): void {
    const bound = bindings.filter((binding) => this.bySlot[binding.slot] === binding);
    const slots = new Set(bound.map(({ slot }) => slot));
    for (const binding of bound) {
      const { slot, uses, blocks, translation } = binding;
      this.bySlot[slot] = undefined;
      for (const use of uses) this.code.unwatch(use);
      for (const { block } of blocks) if (block.regionWord >>> ENTRY_BITS === slot) this.code.leaveRegionAt(block);
      this.table.set(slot, null);
      this.freeSlots.push(slot);
      const bindings = this.bindings.get(translation);
      bindings?.delete(binding);
      if (bindings?.size === 0) this.bindings.delete(translation);
    }
    const { i32 } = this.mmu.memory;
    forgetCached(i32, bound, (word) => slots.has(word >>> ENTRY_BITS));
    i32[REGION_STALE >> 2] = 1;
  }

  /** Gives up the oldest eighth of the regions; their translations stay for those who come upon the same code again. */
  evict(): void {
    const count = Math.max(1, this.maxRegions >> 3);
    const oldest: Binding[] = [];
    for (let i = 0; i < count; i++) {
      const binding = this.bySlot[this.oldest];
      this.oldest = this.oldest >= this.maxRegions ? 1 : this.oldest + 1;
      if (binding !== undefined) oldest.push(binding);
    }
    this.evicted += oldest.length;
    this.unbind(oldest);
  }

  /** Gives up all regions. */
  evictAll(): void {
    const all = this.bySlot.filter((binding) => binding !== undefined);
    this.evicted += all.length;
    this.unbind(all);
  }
}
