import type { Mmu } from "@xen-node/mmu";
import type { Block } from "./block.ts";
import { BlockDecoder } from "./block-decoder.ts";
import { CodeBreakpoints } from "./code-breakpoints.ts";
import { CodePage, type CodeUse } from "./code-page.ts";
import { withoutFusion } from "./interpreter/handlers.ts";
import { BlockWriter } from "./lower/block-writer.ts";
import {
  MAX_BLOCK_INSTRUCTIONS,
  R_HANDLER,
  R_INDEX,
  R_NEXT,
  R_PLAIN,
  R_THRESHOLD,
  RECORD_BYTES,
  REGION_HANDLER,
  STALE_HANDLER,
} from "./records.ts";

/** How often a page of code that changes is looked for elsewhere: one that goes on changing is nobody else's. */
const MOST_TRIALS = 8;
/** Blocks that are decoded before an instruction is through that was begun anew because its operands had moved: fewer. */
const UNSETTLED_BLOCKS = 16;
/** Default size of the arena that the records lie in. */
const ARENA_BYTES = 32 << 20;
const MIN_ARENA_BYTES = 64 << 10;
/** An instruction is at most this many records. */
const MAX_RECORDS_PER_INSTRUCTION = 12;
const BLOCK_BYTES = (MAX_BLOCK_INSTRUCTIONS + 1) * MAX_RECORDS_PER_INSTRUCTION * RECORD_BYTES;

/**
 * Predecoded blocks, keyed by the place of a frame's bytes and the offset there, so that every mapping of a page, every domain
 * and every frame that shares the place shares them. A block is a straight line of records; its end goes on by a jump or to the
 * block after it. When one of several frames leaves a place, because it is written, the others keep what is there, unless it is
 * not known who was led to it by which frame.
 */
export class CodeCache {
  /** By place, as all here. */
  private readonly pages: (CodePage | undefined)[];
  /** Pages into which an instruction of another page's block reaches. */
  private readonly tails = new Map<number, Set<number>>();
  private readonly arena: number;
  private cursor: number;
  private readonly writer: BlockWriter;
  private readonly decoder: BlockDecoder;
  /** Where `beginningOf` puts records, and what is there. */
  private readonly beginning: number;
  private begun: Block | undefined;
  private begunRecords = 0;
  /** Handlers that do the next instruction too → the ones that do not. */
  private readonly unfused = new Map<number, number>();
  readonly breakpoints: CodeBreakpoints;
  /** How often the arena was full and everything was dropped. */
  flushes = 0;
  /** How often a frame has left a place with code that others keep. */
  departures = 0;
  blocksBuilt = 0;
  /** Of `blocksBuilt`: no frame is given the place of others before. */
  private settledAt = 0;

  constructor(
    private readonly mmu: Mmu,
    handlers: ReadonlyMap<string, number>,
    /** Every pointer to a record outside of the arena must be forgotten. */
    private readonly onFlush: () => void,
    /** An instruction without a handler was decoded; it raises #UD. */
    onMissing: (name: string) => void,
    private readonly arenaBytes = ARENA_BYTES,
  ) {
    if (!(arenaBytes >= MIN_ARENA_BYTES)) throw new RangeError(`a code cache of ${arenaBytes} bytes is too small`);
    this.breakpoints = new CodeBreakpoints(mmu.frames);
    this.pages = new Array(mmu.memory.byteLength / 4096).fill(undefined);
    this.arena = mmu.memory.reserve(arenaBytes, 64, "predecoded blocks");
    this.cursor = this.arena;
    this.beginning = mmu.memory.reserve(BLOCK_BYTES, 64, "beginning of a block");
    this.writer = new BlockWriter(mmu.memory.view, mmu.memory.i32, handlers);
    this.decoder = new BlockDecoder(mmu, this.writer, this.breakpoints, onMissing);
    for (const [name, number] of handlers) {
      const alone = handlers.get(withoutFusion(name));
      if (alone !== undefined && alone !== number) this.unfused.set(number, alone);
    }
  }

  /** The record of the block at an offset of a frame, if it is there. `secondMfn`: frame of the page that follows. */
  find(mfn: number, offset: number, mode: number, secondMfn: () => number): Block | undefined {
    this.breakpoints.prepare(mfn);
    const place = this.placeOf(mfn);
    const block = this.pages[place]?.starts.get(offset | (mode << 12));
    if (block === undefined) return undefined;
    if (block.secondPlace >= 0) {
      const second = secondMfn();
      if (second < 0 || block.secondPlace !== this.placeOf(second)) {
        this.drop(place, block);
        return undefined;
      }
    }
    return block;
  }

  /** Where a frame's code is kept. */
  placeOf(mfn: number): number {
    return this.mmu.frames.place[mfn];
  }

  /** The block that starts at an offset of a frame, if there is one. */
  blockAt(mfn: number, offset: number, mode: number): Block | undefined {
    return this.pages[this.placeOf(mfn)]?.starts.get(offset | (mode << 12));
  }

  /** Offsets of a frame at which blocks of the mode start. */
  *startsIn(mfn: number, mode: number): Generator<number> {
    for (const key of this.pages[this.placeOf(mfn)]?.starts.keys() ?? []) if (key >> 12 === mode) yield key & 4095;
  }

  /** Counts a sample of a page that has blocks; answers how many there are, `reset` afterwards. */
  heatOf(mfn: number): number {
    const page = this.pages[this.placeOf(mfn)];
    return page === undefined ? 0 : ++page.heat;
  }

  coolDown(mfn: number, heat: number): void {
    const page = this.pages[this.placeOf(mfn)];
    if (page) page.heat = heat;
  }

  /** @param mfn a frame at the use's place */
  watch(use: CodeUse, mfn: number): void {
    const page = this.pageOf(use.place, mfn);
    page.uses.add(use);
    page.mark(use.start, use.end);
  }

  /** Whether a byte of a frame is watched by somebody. */
  isWatched(mfn: number, offset: number): boolean {
    for (const { start, end } of this.pages[this.placeOf(mfn)]?.uses ?? [])
      if (start <= offset && offset < end) return true;
    return false;
  }

  unwatch(use: CodeUse): void {
    const page = this.pages[use.place];
    if (page === undefined) return;
    page.uses.delete(use);
    this.forgetIfUnused(use.place, page);
  }

  /**
   * Makes the interpreter leave at a block's start for the region there, when the budget is above a threshold.
   * @returns false if the arena has no room for the copy of the records that is needed
   */
  enterRegionAt(block: Block, word: number, threshold: number): boolean {
    const { memory } = this.mmu;
    const bytes = block.records * RECORD_BYTES;
    if (block.plain === 0) {
      if (this.cursor + bytes > this.arena + this.arenaBytes) return false;
      block.plain = this.cursor;
      this.cursor += bytes;
      memory.u8.copyWithin(block.plain, block.record, block.record + bytes);
    }
    memory.view.setUint16(block.record + R_HANDLER, REGION_HANDLER, true);
    memory.view.setUint32(block.record + R_PLAIN, block.plain, true);
    memory.view.setInt32(block.record + R_THRESHOLD, threshold, true);
    block.regionWord = word;
    return true;
  }

  /** Gives a block back to the interpreter. */
  leaveRegionAt(block: Block): void {
    if (block.regionWord === 0) return;
    block.regionWord = 0;
    const { memory } = this.mmu;
    if (memory.view.getUint16(block.record + R_HANDLER, true) !== REGION_HANDLER) return;
    memory.u8.copyWithin(block.record, block.plain, block.plain + RECORD_BYTES);
  }

  /** The block's records that the interpreter can execute, whatever region there is. */
  recordOf(block: Block): number {
    return block.regionWord !== 0 ? block.plain : block.record;
  }

  /**
   * The first instructions of a block as a block of their own, good until the next call.
   * @param count less than the block has
   */
  beginningOf(block: Block, count: number): number {
    const { view, u8 } = this.mmu.memory;
    const { writer } = this;
    const source = this.recordOf(block);
    let bytes = 0;
    while (view.getUint8(source + bytes + R_INDEX) < count) bytes += RECORD_BYTES;
    u8.copyWithin(this.beginning, source, source + bytes);
    const last = this.beginning + bytes - RECORD_BYTES;
    const handler = view.getUint16(last + R_HANDLER, true);
    view.setUint16(last + R_HANDLER, this.unfused.get(handler) ?? handler, true);
    const next = view.getUint16(last + R_NEXT, true);
    writer.startBlock(this.beginning + bytes);
    const { position } = writer;
    position.index = count;
    position.start = position.next = next;
    writer.handler("next").target(next);
    this.begun = block;
    this.begunRecords = bytes / RECORD_BYTES + 1;
    return this.beginning;
  }

  /**
   * Decodes a block.
   * @param secondMfn frame of the page after this one, asked for when the first instruction reaches into it; −1 = the
   *   page cannot be executed, and its fault has been raised
   * @returns undefined if secondMfn said −1
   */
  build(mfn: number, offset: number, mode: number, secondMfn: () => number): Block | undefined {
    if (this.cursor + BLOCK_BYTES > this.arena + this.arenaBytes) this.flush();
    this.blocksBuilt++;
    this.breakpoints.prepare(mfn);
    if (this.share(mfn)) {
      const known = this.find(mfn, offset, mode, secondMfn);
      if (known !== undefined) return known;
    }
    let second = -1;
    const shareSecond = (): number => {
      second = secondMfn();
      if (second >= 0) this.share(second);
      return second;
    };
    const known = this.pages[this.placeOf(mfn)]?.starts;
    const block = this.decoder.decode(mfn, offset, mode, this.cursor, known, shareSecond);
    if (block === undefined) return undefined;
    this.cursor = block.record + block.records * RECORD_BYTES;
    this.register(block, mfn, second);
    return block;
  }

  /** See CodeBreakpoints. */
  setBreakpoint(mfn: number, offset: number, domid: number): void {
    this.breakpoints.set(mfn, offset, domid);
    this.invalidate(mfn, offset, 1);
  }

  clearBreakpoint(mfn: number, offset: number): void {
    if (this.breakpoints.clear(mfn, offset)) this.invalidate(mfn, offset, 1);
  }

  /** Has a frame left its place just now? Whoever wrote there begins its instruction anew, and has not written yet. */
  private get isUnsettled(): boolean {
    return this.blocksBuilt < this.settledAt;
  }

  /**
   * Before anything is decoded of bytes that are a frame's own, or are others now than when that was tried last: a guest's
   * kernel changes most pages of its code, but as the next guest's does.
   * @returns whether the frame has another place now
   */
  private share(mfn: number): boolean {
    if (!this.mmu.sharesCode || this.isUnsettled) return false;
    const place = this.placeOf(mfn);
    const page = this.pages[place];
    if (page !== undefined) {
      if (!page.changed || page.trials === MOST_TRIALS) return false;
      page.changed = false;
      page.trials++;
    }
    this.mmu.shareCode(mfn);
    return this.placeOf(mfn) !== place;
  }

  /**
   * A frame's code is about to be translated, or might be executed as it is translated for others: looks whether it is the same as
   * that of others by now. What changes beside code that was decoded does not show.
   * @returns whether the frame has another place now
   */
  shareAgain(mfn: number): boolean {
    if (!this.mmu.sharesCode || this.isUnsettled) return false;
    const place = this.placeOf(mfn);
    this.mmu.shareCode(mfn);
    return this.placeOf(mfn) !== place;
  }

  private register(block: Block, mfn: number, secondMfn: number): void {
    const { secondPlace } = block;
    const place = this.placeOf(mfn);
    const page = this.pageOf(place, mfn);
    page.starts.set(block.key, block);
    page.blocks.add(block);
    page.mark(block.start, block.end);
    if (secondPlace >= 0) {
      this.pageOf(secondPlace, secondMfn).mark(0, 1);
      const tails = this.tails.get(secondPlace);
      if (tails) tails.add(place);
      else this.tails.set(secondPlace, new Set([place]));
    }
  }

  private pageOf(place: number, mfn: number): CodePage {
    let page = this.pages[place];
    if (page === undefined) {
      page = new CodePage(this.isUnsettled);
      this.pages[place] = page;
      this.mmu.markCode(mfn);
    }
    return page;
  }

  private drop(place: number, block: Block): void {
    const page = this.pages[place];
    page?.blocks.delete(block);
    if (page?.starts.get(block.key) === block) page.starts.delete(block.key);
    this.makeStale(block.record, block.records);
    if (block.plain !== 0) this.makeStale(block.plain, block.records);
    if (this.begun === block) this.makeStale(this.beginning, this.begunRecords);
  }

  private makeStale(record: number, count: number): void {
    const { view } = this.mmu.memory;
    for (let i = 0; i < count; i++) view.setUint16(record + i * RECORD_BYTES + R_HANDLER, STALE_HANDLER, true);
  }

  /** A frame has left a place that others keep, and nothing leads it to the code there any more. */
  noteDeparture(): void {
    this.departures++;
    this.settledAt = this.blocksBuilt + UNSETTLED_BLOCKS;
  }

  /** A frame has left a place that others keep, and may still be led to its code: that is met no more by anybody. */
  forgetPlace(place: number): void {
    this.noteDeparture();
    this.invalidatePlace(place, 0, 4096);
  }

  /** Bytes of a frame change: forgets the blocks that were decoded from them. */
  invalidate(mfn: number, offset: number, length: number): void {
    this.invalidatePlace(this.placeOf(mfn), offset, length);
  }

  private invalidatePlace(place: number, offset: number, length: number): void {
    const page = this.pages[place];
    if (page === undefined) return;
    if (!page.touches(offset, offset + length)) return;
    page.changed = true;
    for (const block of page.blocks) {
      if (block.start < offset + length && block.end > offset) this.drop(place, block);
    }
    for (const use of [...page.uses]) if (use.start < offset + length && use.end > offset) use.onChange();
    // Instructions that begin in another page and end in this one.
    if (offset < 16) {
      for (const other of this.tails.get(place) ?? []) {
        for (const block of this.pages[other]?.blocks ?? []) if (block.secondPlace === place) this.drop(other, block);
      }
      this.tails.delete(place);
    }
    this.forgetIfUnused(place, page);
  }

  private forgetIfUnused(place: number, page: CodePage): void {
    if (page.blocks.size > 0 || page.uses.size > 0 || this.tails.has(place) || this.pages[place] !== page) return;
    this.pages[place] = undefined;
    this.mmu.unmarkCode(place);
  }

  /** Whether bytes of a frame belong to an instruction that was decoded. */
  hasCodeIn(mfn: number, offset: number, length: number): boolean {
    return this.pages[this.placeOf(mfn)]?.touches(offset, offset + length) ?? false;
  }

  /** Drops everything. */
  flush(): void {
    this.flushes++;
    this.begun = undefined;
    for (const page of this.pages) if (page !== undefined) for (const use of [...page.uses]) use.onChange();
    this.pages.forEach((page, place) => {
      if (page !== undefined) this.mmu.unmarkCode(place);
    });
    this.pages.fill(undefined);
    this.tails.clear();
    this.cursor = this.arena;
    this.onFlush();
  }
}
