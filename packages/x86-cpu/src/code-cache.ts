import { FrameFlags, type Mmu } from "@xen-node/mmu";
import { createInstruction, Decoder, DecodeStatus, Flow } from "./decode/index.ts";
import { STALE_HANDLER } from "./interpreter/module.ts";
import { BlockWriter, NoHandlerError } from "./lower/block-writer.ts";
import { lowerControl } from "./lower/control.ts";
import { isFloatingPoint } from "./lower/floating-point.ts";
import { integerRules } from "./lower/integer.ts";
import { lowerVector } from "./lower/vector.ts";
import { lowerX87 } from "./lower/x87.ts";
import { BREAKPOINT, MAX_BLOCK_INSTRUCTIONS, R_HANDLER, RECORD_BYTES } from "./records.ts";

/** Processor modes that code is decoded for. */
export const CodeMode = {
  /** 64-bit code rather than 32-bit compatibility mode. */
  LONG: 1,
  /** CR0.TS or CR0.EM: x87, MMX and SSE instructions raise #NM (or #UD). */
  FPU_UNAVAILABLE: 2,
  /** One instruction a block. */
  STEP: 4,
} as const;

/** Where execution goes on after an instruction. */
const After = { SAME_BLOCK: 0, NEXT_BLOCK: 1, ELSEWHERE: 2 } as const;
type After = (typeof After)[keyof typeof After];

interface Block {
  readonly key: number;
  readonly record: number;
  readonly records: number;
  /** Bytes [start, end) of the page that it was decoded from. */
  readonly start: number;
  readonly end: number;
  /** Frame of the second page of an instruction that crosses into it, or −1. */
  readonly secondMfn: number;
}

interface CodePage {
  /** Record of the block that starts at `offset | mode << 12`. */
  readonly starts: Map<number, Block>;
  readonly blocks: Set<Block>;
  /** One bit for each 64-byte line that some block was decoded from. */
  linesLow: number;
  linesHigh: number;
}

const INT3 = Uint8Array.of(0xcc);
/** Default size of the arena that the records lie in. */
const ARENA_BYTES = 32 << 20;
const MIN_ARENA_BYTES = 64 << 10;
const MAX_INSTRUCTION_BYTES = 15;
/** An instruction is at most this many records. */
const MAX_RECORDS_PER_INSTRUCTION = 8;
const BLOCK_BYTES = (MAX_BLOCK_INSTRUCTIONS + 1) * MAX_RECORDS_PER_INSTRUCTION * RECORD_BYTES;

/**
 * Predecoded blocks, keyed by machine frame and offset, so that every mapping of a page and every domain shares them. A
 * block is a straight line of records; its end goes on by a jump or to the block after it.
 */
export class CodeCache {
  private readonly pages = new Map<number, CodePage>();
  /** Pages into which an instruction of another page's block reaches. */
  private readonly tails = new Map<number, Set<number>>();
  private readonly arena: number;
  private cursor: number;
  private readonly writer: BlockWriter;
  private readonly decoder = new Decoder();
  private readonly insn = createInstruction();
  private readonly crossing = new Uint8Array(32);
  /** Domain of each breakpoint, by machine address. */
  private readonly breakpoints = new Map<number, number>();
  /** How often the arena was full and everything was dropped. */
  flushes = 0;
  blocksBuilt = 0;

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
    this.arena = mmu.memory.reserve(arenaBytes, 64, "predecoded blocks");
    this.cursor = this.arena;
    this.writer = new BlockWriter(mmu.memory.view, handlers);
  }

  /** The record of the block at an offset of a frame, if it is there. `secondMfn`: frame of the page that follows. */
  find(mfn: number, offset: number, mode: number, secondMfn: () => number): number {
    const block = this.pages.get(mfn)?.starts.get(offset | (mode << 12));
    if (block === undefined) return 0;
    if (block.secondMfn >= 0 && block.secondMfn !== secondMfn()) {
      this.drop(mfn, block);
      return 0;
    }
    return block.record;
  }

  /**
   * Decodes a block.
   * @param secondMfn frame of the page after this one, asked for when the first instruction reaches into it; −1 = the
   *   page cannot be executed, and its fault has been raised
   * @returns the first record's host address, or 0 if secondMfn said −1
   */
  build(mfn: number, offset: number, mode: number, secondMfn: () => number): number {
    if (this.cursor + BLOCK_BYTES > this.arena + this.arenaBytes) this.flush();
    this.blocksBuilt++;
    const { writer, decoder, insn, mmu } = this;
    const { position } = writer;
    const page = mmu.frames.hostAddress(mfn);
    const bytes = mmu.memory.u8;
    const long = (mode & CodeMode.LONG) !== 0;
    const limit = (mode & CodeMode.STEP) !== 0 ? 1 : MAX_BLOCK_INSTRUCTIONS;
    const first = this.cursor;
    writer.startBlock(first);
    let second = -1;
    let at = offset;
    let index = 0;
    let after: After = After.SAME_BLOCK;
    while (index < limit && at < 4096 && after === After.SAME_BLOCK) {
      const isBreakpoint = this.isBreakpoint(mfn, at);
      let status = isBreakpoint
        ? decoder.decode(INT3, 0, 1, long, insn)
        : decoder.decode(bytes, page + at, 4096 - at, long, insn);
      if (status === DecodeStatus.NEED_MORE) {
        if (index > 0) break;
        second = secondMfn();
        if (second < 0) return 0;
        const inFirst = 4096 - at;
        this.crossing.set(bytes.subarray(page + at, page + 4096));
        const next = mmu.frames.hostAddress(second);
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
      start: offset,
      end: Math.min(at, 4096),
      secondMfn: second,
    };
    this.cursor = position.record;
    this.register(mfn, block);
    return first;
  }

  /**
   * A debugger's breakpoint: while the frame is the domain's, an instruction that begins there is run as INT3, whatever
   * memory says. Nobody can see it by reading, and it outlives writes.
   */
  setBreakpoint(mfn: number, offset: number, domid: number): void {
    this.breakpoints.set(mfn * 4096 + offset, domid);
    this.invalidate(mfn, offset, 1);
  }

  clearBreakpoint(mfn: number, offset: number): void {
    if (this.breakpoints.delete(mfn * 4096 + offset)) this.invalidate(mfn, offset, 1);
  }

  private isBreakpoint(mfn: number, offset: number): boolean {
    if (this.breakpoints.size === 0) return false;
    return this.breakpoints.get(mfn * 4096 + offset) === this.mmu.frames.owner[mfn];
  }

  /** Writes the records of `insn`; answers where execution goes on. */
  private lower(mode: number): After {
    const { writer, insn } = this;
    const { entry } = insn;
    const restart = writer.position.record;
    try {
      if (entry.mnemonic.startsWith("ud")) writer.handler("fault.UD8.n");
      else if ((mode & CodeMode.FPU_UNAVAILABLE) !== 0 && isFloatingPoint(insn)) writer.handler("fault.NM8.n");
      else if (lowerControl(insn, writer)) return entry.flow === Flow.CONDITIONAL ? After.SAME_BLOCK : After.ELSEWHERE;
      else {
        const rule = integerRules.get(entry.family);
        const isVector = entry.operands.some((operand) => operand.method >= 8 && operand.method <= 13);
        if (rule !== undefined && !isVector) rule(insn, writer);
        else if (!lowerVector(insn, writer) && !lowerX87(insn, writer)) throw new NoHandlerError(entry.mnemonic);
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

  private register(mfn: number, block: Block): void {
    const page = this.pageOf(mfn);
    page.starts.set(block.key, block);
    page.blocks.add(block);
    markLines(page, block.start, block.end);
    if (block.secondMfn >= 0) {
      this.pageOf(block.secondMfn).linesLow |= 1;
      const tails = this.tails.get(block.secondMfn);
      if (tails) tails.add(mfn);
      else this.tails.set(block.secondMfn, new Set([mfn]));
    }
  }

  private pageOf(mfn: number): CodePage {
    let page = this.pages.get(mfn);
    if (page === undefined) {
      page = { starts: new Map(), blocks: new Set(), linesLow: 0, linesHigh: 0 };
      this.pages.set(mfn, page);
      this.mmu.frames.flags[mfn] |= FrameFlags.hasCode;
      this.mmu.tlb.flushWritable(mfn);
    }
    return page;
  }

  private drop(mfn: number, block: Block): void {
    const page = this.pages.get(mfn);
    page?.blocks.delete(block);
    if (page?.starts.get(block.key) === block) page.starts.delete(block.key);
    const { view } = this.mmu.memory;
    for (let i = 0; i < block.records; i++)
      view.setUint16(block.record + i * RECORD_BYTES + R_HANDLER, STALE_HANDLER, true);
  }

  /** Bytes of a frame change: forgets the blocks that were decoded from them. */
  invalidate(mfn: number, offset: number, length: number): void {
    const page = this.pages.get(mfn);
    if (page === undefined) return;
    if (!touchesLines(page, offset, offset + length)) return;
    for (const block of page.blocks) {
      if (block.start < offset + length && block.end > offset) this.drop(mfn, block);
    }
    // Instructions that begin in another page and end in this one.
    if (offset < 16) {
      for (const other of this.tails.get(mfn) ?? []) {
        for (const block of this.pages.get(other)?.blocks ?? []) if (block.secondMfn === mfn) this.drop(other, block);
      }
      this.tails.delete(mfn);
    }
    if (page.blocks.size === 0 && !this.tails.has(mfn)) {
      this.pages.delete(mfn);
      this.mmu.frames.flags[mfn] &= ~FrameFlags.hasCode;
    }
  }

  /** Drops everything. */
  flush(): void {
    this.flushes++;
    for (const mfn of this.pages.keys()) this.mmu.frames.flags[mfn] &= ~FrameFlags.hasCode;
    this.pages.clear();
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
