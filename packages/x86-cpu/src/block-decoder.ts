import type { Mmu } from "@xen-node/mmu";
import type { Block } from "./block.ts";
import type { CodeBreakpoints } from "./code-breakpoints.ts";
import { CodeMode } from "./code-mode.ts";
import { createInstruction, Decoder, DecodeStatus, Flow } from "./decode/index.ts";
import { type BlockWriter, NoHandlerError } from "./lower/block-writer.ts";
import { lowerInstruction } from "./lower/instruction.ts";
import { BREAKPOINT, MAX_BLOCK_INSTRUCTIONS, RECORD_BYTES } from "./records.ts";

/** Where execution goes on after an instruction. */
const After = { SAME_BLOCK: 0, NEXT_BLOCK: 1, ELSEWHERE: 2 } as const;
type After = (typeof After)[keyof typeof After];

const INT3 = Uint8Array.of(0xcc);
const MAX_INSTRUCTION_BYTES = 15;

/** Decodes the bytes of frames, a block at a time, into records that the interpreter executes. */
export class BlockDecoder {
  private readonly decoder = new Decoder();
  private readonly insn = createInstruction();
  private readonly crossing = new Uint8Array(32);

  constructor(
    private readonly mmu: Mmu,
    private readonly writer: BlockWriter,
    private readonly breakpoints: CodeBreakpoints,
    /** An instruction without a handler was decoded; it raises #UD. */
    private readonly onMissing: (name: string) => void,
  ) {}

  /**
   * Decodes the block at an offset of a frame.
   * @param record host address of room for its records
   * @param known blocks of the page by `offset | mode << 12`: the new one ends where one of them begins
   * @param secondMfn as for CodeCache.build
   * @returns undefined if secondMfn said −1
   */
  decode(
    mfn: number,
    offset: number,
    mode: number,
    record: number,
    known: ReadonlyMap<number, Block> | undefined,
    secondMfn: () => number,
  ): Block | undefined {
    const { writer, decoder, insn, mmu } = this;
    const { position } = writer;
    const page = mmu.frames.readAddress(mfn);
    const bytes = mmu.memory.u8;
    const long = (mode & CodeMode.LONG) !== 0;
    const limit = (mode & CodeMode.STEP) !== 0 ? 1 : MAX_BLOCK_INSTRUCTIONS;
    writer.startBlock(record);
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
    return {
      key: offset | (mode << 12),
      record,
      records: (position.record - record) / RECORD_BYTES,
      instructions: index,
      plain: 0,
      regionWord: 0,
      met: 0,
      interpreted: 0,
      start: offset,
      end: Math.min(at, 4096),
      bytes: at - offset,
      secondPlace: second < 0 ? -1 : mmu.frames.place[second],
    };
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
}
