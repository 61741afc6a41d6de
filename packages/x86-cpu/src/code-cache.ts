import type { Mmu } from "@xen-node/mmu";
import { CodeBreakpoints } from "./code-breakpoints.ts";
import { createInstruction, Decoder, DecodeStatus, Flow } from "./decode/index.ts";
import { withoutFusion } from "./interpreter/handlers.ts";
import { BlockWriter, NoHandlerError } from "./lower/block-writer.ts";
import { lowerInstruction } from "./lower/instruction.ts";
import {
  BREAKPOINT,
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

/** Processor modes that code is decoded for. */
export const CodeMode = {
  /** 64-bit code rather than 32-bit compatibility mode. */
  LONG: 1,
  /** CR0.TS or CR0.EM: x87, MMX and SSE instructions raise #NM (or #UD). */
  FPU_UNAVAILABLE: 2,
  /** One instruction a block. */
  STEP: 4,
  /** CPL 0: POPF changes what only a kernel may. */
  KERNEL: 8,
  /** Compatibility mode with segments that are not flat: fetches and accesses by DS, ES and SS are checked. */
  SEGMENTED: 16,
} as const;

/** Where execution goes on after an instruction. */
const After = { SAME_BLOCK: 0, NEXT_BLOCK: 1, ELSEWHERE: 2 } as const;
type After = (typeof After)[keyof typeof After];

export interface Block {
  readonly key: number;
  readonly record: number;
  readonly records: number;
  readonly instructions: number;
  /** Bytes [start, end) of the page that it was decoded from. */
  readonly start: number;
  readonly end: number;
  /** Bytes of its instructions, those in the second page too. */
  readonly bytes: number;
  /** Place of the second page of an instruction that crosses into it, or −1. */
  readonly secondPlace: number;
  /** The records as they were before a region took the block over, or 0. */
  plain: number;
  /** Jump-cache word of the region that is entered here, or 0. */
  regionWord: number;
  /** How often it was looked up while translations were known that might be of its code. */
  met: number;
  /** How often it was interpreted on the way between regions, in steps of COUNTED_ENTRIES. */
  interpreted: number;
}

/** Somebody who wants to know when bytes change that code was made from. */
export interface CodeUse {
  readonly place: number;
  /** Bytes [start, end) of it. */
  readonly start: number;
  readonly end: number;
  /** They changed, are forgotten, or a frame has left their place. */
  onChange(): void;
}

interface CodePage {
  readonly uses: Set<CodeUse>;
  /** Samples of the interpreter that met this page. */
  heat: number;
  /** Bytes with code have changed since it was looked for the same page elsewhere, and how often it was. */
  changed: boolean;
  trials: number;
  /** Record of the block that starts at `offset | mode << 12`. */
  readonly starts: Map<number, Block>;
  readonly blocks: Set<Block>;
  /** One bit for each 64-byte line that some block was decoded from. */
  linesLow: number;
  linesHigh: number;
}

/** How often a page of code that changes is looked for elsewhere: one that goes on changing is nobody else's. */
const MOST_TRIALS = 8;
/** Blocks that are decoded before an instruction is through that was begun anew because its operands had moved: fewer. */
const UNSETTLED_BLOCKS = 16;
const INT3 = Uint8Array.of(0xcc);
/** Default size of the arena that the records lie in. */
const ARENA_BYTES = 32 << 20;
const MIN_ARENA_BYTES = 64 << 10;
const MAX_INSTRUCTION_BYTES = 15;
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
  private readonly decoder = new Decoder();
  private readonly insn = createInstruction();
  private readonly crossing = new Uint8Array(32);
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
    private readonly onMissing: (name: string) => void,
    private readonly arenaBytes = ARENA_BYTES,
  ) {
    if (!(arenaBytes >= MIN_ARENA_BYTES)) throw new RangeError(`a code cache of ${arenaBytes} bytes is too small`);
    this.breakpoints = new CodeBreakpoints(mmu.frames);
    this.pages = new Array(mmu.memory.byteLength / 4096).fill(undefined);
    this.arena = mmu.memory.reserve(arenaBytes, 64, "predecoded blocks");
    this.cursor = this.arena;
    this.beginning = mmu.memory.reserve(BLOCK_BYTES, 64, "beginning of a block");
    this.writer = new BlockWriter(mmu.memory.view, mmu.memory.i32, handlers);
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
    markLines(page, use.start, use.end);
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
    const { writer, decoder, insn, mmu } = this;
    const { position } = writer;
    this.breakpoints.prepare(mfn);
    if (this.share(mfn)) {
      const known = this.find(mfn, offset, mode, secondMfn);
      if (known !== undefined) return known;
    }
    const place = this.placeOf(mfn);
    const page = mmu.frames.readAddress(mfn);
    const bytes = mmu.memory.u8;
    const long = (mode & CodeMode.LONG) !== 0;
    const limit = (mode & CodeMode.STEP) !== 0 ? 1 : MAX_BLOCK_INSTRUCTIONS;
    const known = this.pages[place]?.starts;
    const first = this.cursor;
    writer.startBlock(first);
    let second = -1;
    let at = offset;
    let index = 0;
    let after: After = After.SAME_BLOCK;
    while (index < limit && at < 4096 && after === After.SAME_BLOCK) {
      // What is decoded already is gone on with: a third of all decoding would be of the same bytes again.
      if (index > 0 && known?.has(at | (mode << 12))) break;
      const isBreakpoint = this.breakpoints.isAt(mfn, at);
      let status = isBreakpoint
        ? decoder.decode(INT3, 0, 1, long, insn)
        : decoder.decode(bytes, page + at, 4096 - at, long, insn);
      if (status === DecodeStatus.NEED_MORE) {
        if (index > 0) break;
        second = secondMfn();
        if (second < 0) return undefined;
        this.share(second);
        const inFirst = 4096 - at;
        this.crossing.set(bytes.subarray(page + at, page + 4096));
        const next = mmu.frames.readAddress(second);
        this.crossing.set(bytes.subarray(next, next + 16), inFirst);
        status = decoder.decode(this.crossing, 0, inFirst + 16, long, insn);
      }
      position.index = index;
      position.start = at;
      if (status !== DecodeStatus.OK) {
        // RIP of a fault is next − length.
        position.next = at;
        writer.handler(status === DecodeStatus.TOO_LONG ? "fault.GP8.n" : "fault.UD8.n");
        // Any of its bytes may be what is wrong with it.
        at += MAX_INSTRUCTION_BYTES;
        after = After.ELSEWHERE;
        break;
      }
      position.next = at + insn.length;
      after = this.lower(mode);
      if (isBreakpoint) writer.immediate(BREAKPOINT);
      at = position.next;
      index++;
      if (second >= 0) break;
    }
    if (after !== After.ELSEWHERE) {
      position.index = index;
      position.start = position.next = at;
      writer.handler("next").target(at);
    }
    const block: Block = {
      key: offset | (mode << 12),
      record: first,
      records: (position.record - first) / RECORD_BYTES,
      instructions: index,
      plain: 0,
      regionWord: 0,
      met: 0,
      interpreted: 0,
      start: offset,
      end: Math.min(at, 4096),
      bytes: at - offset,
      secondPlace: second < 0 ? -1 : this.placeOf(second),
    };
    this.cursor = position.record;
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

  /** Writes the records of `insn`; answers where execution goes on. */
  private lower(mode: number): After {
    const { writer, insn } = this;
    const { entry } = insn;
    const restart = writer.position.record;
    writer.segmented = (mode & CodeMode.SEGMENTED) !== 0;
    try {
      if (lowerInstruction(insn, writer, (mode & CodeMode.FPU_UNAVAILABLE) !== 0, (mode & CodeMode.KERNEL) !== 0)) {
        return entry.flow === Flow.CONDITIONAL ? After.SAME_BLOCK : After.ELSEWHERE;
      }
    } catch (error) {
      if (!(error instanceof NoHandlerError)) throw error;
      writer.startBlock(restart);
      writer.handler("fault.UD8.n");
      this.onMissing(error.handler);
      return After.ELSEWHERE;
    }
    return entry.flow === Flow.SYSTEM || entry.mnemonic === "popf" ? After.NEXT_BLOCK : After.SAME_BLOCK;
  }

  private register(block: Block, mfn: number, secondMfn: number): void {
    const { secondPlace } = block;
    const place = this.placeOf(mfn);
    const page = this.pageOf(place, mfn);
    page.starts.set(block.key, block);
    page.blocks.add(block);
    markLines(page, block.start, block.end);
    if (secondPlace >= 0) {
      this.pageOf(secondPlace, secondMfn).linesLow |= 1;
      const tails = this.tails.get(secondPlace);
      if (tails) tails.add(place);
      else this.tails.set(secondPlace, new Set([place]));
    }
  }

  private pageOf(place: number, mfn: number): CodePage {
    let page = this.pages[place];
    if (page === undefined) {
      page = {
        starts: new Map(),
        blocks: new Set(),
        uses: new Set(),
        heat: 0,
        changed: this.isUnsettled,
        trials: 0,
        linesLow: 0,
        linesHigh: 0,
      };
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
    if (!touchesLines(page, offset, offset + length)) return;
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
    const page = this.pages[this.placeOf(mfn)];
    return page !== undefined && touchesLines(page, offset, offset + length);
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

function markLines(page: CodePage, start: number, end: number): void {
  for (let line = start >> 6; line <= (end - 1) >> 6; line++) {
    if (line < 32) page.linesLow |= 1 << line;
    else page.linesHigh |= 1 << (line - 32);
  }
}

function touchesLines(page: CodePage, start: number, end: number): boolean {
  for (let line = start >> 6; line <= Math.min(63, (end - 1) >> 6); line++) {
    if (((line < 32 ? page.linesLow >>> line : page.linesHigh >>> (line - 32)) & 1) !== 0) return true;
  }
  return false;
}
