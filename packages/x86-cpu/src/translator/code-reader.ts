import type { Mmu } from "@xen-node/mmu";
import type { CodeCache } from "../code-cache.ts";
import { CodeMode } from "../code-mode.ts";
import { createInstruction, Decoder, DecodeStatus, Flow } from "../decode/index.ts";
import { controlHandlers } from "../interpreter/handlers.ts";
import { BlockWriter, NoHandlerError } from "../lower/block-writer.ts";
import { lowerInstruction } from "../lower/instruction.ts";
import { RECORD_BYTES } from "../records.ts";
import type { CodeSource, Place, RegionInstruction } from "./flow-graph.ts";
import type { InstructionSet } from "./instruction-set.ts";
import type { Recording } from "./recording.ts";
import { type RecordFields, readRecord } from "./region-record.ts";

const PAGE = 4096;
/** Pages before and behind the anchor that a region may reach: kernels keep thunks far from what jumps to them. */
const REACH = 1 << 18;
const MAX_RECORDS = 12;

/** Reads the code of one address space around an anchor, for the discovery of a region. */
export class CodeReader implements CodeSource {
  /** Frame of each page that was asked for, by its number relative to the anchor; −1 = none. */
  readonly frames = new Map<number, number>();
  /** Linear address that places count from. */
  anchor = 0;
  private mode = 0;
  private l4Mfn = 0;
  private recording: Recording | undefined;
  private besideRegions = false;
  private readonly decoder = new Decoder();
  private readonly insn = createInstruction();
  private readonly bytes = new Uint8Array(32);
  private readonly scratch: number;
  private readonly writer: BlockWriter;

  constructor(
    private readonly mmu: Mmu,
    private readonly code: CodeCache,
    private readonly instructions: InstructionSet,
    handlers: ReadonlyMap<string, number>,
  ) {
    this.scratch = mmu.memory.reserve(MAX_RECORDS * RECORD_BYTES, 64, "records of an instruction");
    this.writer = new BlockWriter(mmu.memory.view, mmu.memory.i32, handlers);
  }

  /**
   * @param anchor linear address of a page
   * @param recording what was executed lately; without it all that was ever executed counts
   * @param besideRegions what a region begins with counts as not seen
   */
  begin(l4Mfn: number, anchor: number, mode: number, recording?: Recording, besideRegions = false): void {
    this.recording = recording;
    this.besideRegions = besideRegions;
    this.l4Mfn = l4Mfn;
    this.anchor = anchor;
    this.mode = mode;
    this.frames.clear();
  }

  /** Frame of a page relative to the anchor, if code was executed there; −1 if not. */
  frameOf(page: number): number {
    let mfn = this.frames.get(page);
    if (mfn === undefined) {
      const va = this.anchor + page * PAGE;
      const reachable = page >= -REACH && page <= REACH;
      mfn = reachable ? this.mmu.walker.executedFrame(this.l4Mfn, va | 0, Math.floor(va / 2 ** 32) | 0) : -1;
      if (mfn >= 0 && this.code.breakpoints.areIn(mfn)) mfn = -1;
      this.frames.set(page, mfn);
    }
    return mfn;
  }

  /** Where that frame's bytes lie; −1 if there is none. */
  placeOf(page: number): number {
    const mfn = this.frameOf(page);
    return mfn < 0 ? -1 : this.code.placeOf(mfn);
  }

  wasSeen(place: Place): boolean {
    if (this.executionsOf(place) < (this.recording?.leastCount ?? 0)) return false;
    const mfn = this.frameOf(Math.floor(place / PAGE));
    const block = mfn < 0 ? undefined : this.code.blockAt(mfn, place & (PAGE - 1), this.mode);
    return block !== undefined && !(this.besideRegions && block.regionWord !== 0);
  }

  executionsOf(place: Place): number {
    return this.recording ? (this.recording.counts.get(this.anchor + place) ?? 0) : Number.POSITIVE_INFINITY;
  }

  targetsOf(end: Place): Place[] {
    const followers = this.recording?.followers.get(this.anchor + end) ?? [];
    return [...followers].map((va) => va - this.anchor).filter((place) => this.wasSeen(place));
  }

  instruction(place: Place): RegionInstruction | undefined {
    const { insn, mmu, writer } = this;
    const page = Math.floor(place / PAGE);
    const offset = place & (PAGE - 1);
    const mfn = this.frameOf(page);
    if (mfn < 0) return undefined;
    const host = mmu.frames.readAddress(mfn);
    const long = (this.mode & CodeMode.LONG) !== 0;
    let status = this.decoder.decode(mmu.memory.u8, host + offset, PAGE - offset, long, insn);
    if (status === DecodeStatus.NEED_MORE) {
      const second = this.frameOf(page + 1);
      if (second < 0) return undefined;
      const first = PAGE - offset;
      this.bytes.set(mmu.memory.u8.subarray(host + offset, host + PAGE));
      const next = mmu.frames.readAddress(second);
      this.bytes.set(mmu.memory.u8.subarray(next, next + 16), first);
      status = this.decoder.decode(this.bytes, 0, first + 16, long, insn);
    }
    if (status !== DecodeStatus.OK) return undefined;
    const { flow } = insn.entry;
    writer.startBlock(this.scratch);
    const { position } = writer;
    position.index = 0;
    position.start = offset;
    position.next = offset + insn.length;
    const { length, immLo } = insn;
    const direct = flow === Flow.JUMP || flow === Flow.CONDITIONAL || flow === Flow.CALL;
    let records: RecordFields[] = [];
    writer.segmented = (this.mode & CodeMode.SEGMENTED) !== 0;
    try {
      lowerInstruction(insn, writer, (this.mode & CodeMode.FPU_UNAVAILABLE) !== 0, (this.mode & CodeMode.KERNEL) !== 0);
      const count = (position.record - this.scratch) / RECORD_BYTES;
      for (let i = 0; i < count; i++) records.push(readRecord(mmu.memory.view, this.scratch + i * RECORD_BYTES));
    } catch (error) {
      if (!(error instanceof NoHandlerError)) throw error;
    }
    if (!records.every((record) => this.isTranslated(record))) records = [];
    return { place, length, flow, target: direct ? place + length + immLo : undefined, records };
  }

  /** Up to 15 bytes of the code at a place. */
  bytesAt(place: Place): Uint8Array {
    const out = new Uint8Array(15);
    for (let i = 0; i < out.length; i++) {
      const mfn = this.frameOf(Math.floor((place + i) / PAGE));
      if (mfn < 0) return out.subarray(0, i);
      out[i] = this.mmu.memory.u8[this.mmu.frames.readAddress(mfn) + ((place + i) & (PAGE - 1))];
    }
    return out;
  }

  private isTranslated({ handler }: RecordFields): boolean {
    const name = this.instructions.nameOf(handler);
    return (
      controlHandlers.has(name) ||
      this.instructions.inline(name) !== undefined ||
      this.instructions.called(name) !== undefined
    );
  }
}
