import { Access, JUMP_CACHE_MODE, type Mmu, WalkFault } from "@xen-node/mmu";
import type { Block } from "./block.ts";
import type { CodeCache } from "./code-cache.ts";
import { CodeMode } from "./code-mode.ts";
import type { Faults } from "./faults.ts";
import { JUMP_CACHE_MASK, JUMP_CACHE_PLACES } from "./interpreter/jump-cache.ts";
import { R_IMM, R_LENGTH, R_LINK, R_NEXT } from "./records.ts";
import type { SegmentBounds } from "./segment-bounds.ts";
import {
  CR0,
  CS,
  JUMP_CACHE,
  L4_MFN,
  MISS_RECORD,
  PAGE_VA,
  RIP,
  SAMPLE_LEFT,
  SEG_ATTR,
  TLB_BANK,
  VECTOR,
} from "./state.ts";
import { privilegeLevel } from "./system/privilege.ts";
import type { Regions } from "./translator/regions.ts";

const PAGE = 4096;
const LONG_ATTR = 0x2000;
const CR0_EM_TS = 0xc;
/** Set in the mode that a jump cache says it is of: 0 there is an empty cache of no mode. */
const CACHED = 0x100;

/** Finds the code at RIP: the walk to its frame, its block or translation, and what the jump cache is to know of it. */
export class CodeLookup {
  /** CodeMode of what runs. */
  mode = 0;
  private chance = 0;
  private readonly i32: Int32Array;
  private readonly u16: Uint16Array;
  private readonly u8: Uint8Array;
  private readonly secondMfn: () => number;

  constructor(
    private readonly mmu: Mmu,
    private readonly code: CodeCache,
    private readonly faults: Faults,
    private readonly regions: Regions | undefined,
    private readonly bounds: SegmentBounds,
    private readonly sampleInterval: number,
  ) {
    const { i32, u16, u8 } = mmu.memory;
    this.i32 = i32;
    this.u16 = u16;
    this.u8 = u8;
    this.secondMfn = () => this.frameOfNextPage();
    i32[SAMPLE_LEFT >> 2] = sampleInterval;
  }

  /** Host address of the active address space's bank. */
  get bank(): number {
    return this.i32[TLB_BANK >> 2] >>> 0;
  }

  get l4Mfn(): number {
    return this.i32[L4_MFN >> 2];
  }

  private get rip(): number {
    return this.i32[(RIP >> 2) + 1] * 2 ** 32 + (this.i32[RIP >> 2] >>> 0);
  }

  /** Finds out the mode of what is to run. `step`: one instruction at a time. */
  enterMode(step: boolean): void {
    const { i32 } = this;
    const long = (i32[SEG_ATTR(CS) >> 2] & LONG_ATTR) !== 0 ? CodeMode.LONG : 0;
    const fpu = (i32[CR0 >> 2] & CR0_EM_TS) !== 0 ? CodeMode.FPU_UNAVAILABLE : 0;
    const kernel = privilegeLevel(i32) === 0 ? CodeMode.KERNEL : 0;
    const segmented = long === 0 && this.bounds.update() ? CodeMode.SEGMENTED : 0;
    this.mode = long | fpu | kernel | segmented | (step ? CodeMode.STEP : 0);
    if (step) return;
    const cached = (i32[JUMP_CACHE >> 2] + JUMP_CACHE_MODE) >>> 2;
    const wanted = this.mode | CACHED;
    if (i32[cached] !== wanted) {
      this.mmu.tlb.clearJumps(this.bank);
      i32[cached] = wanted;
    }
  }

  /** The block at RIP; undefined after its fetch has faulted. */
  findBlock(): Block | undefined {
    const { i32, mmu } = this;
    this.wrapRip();
    const low = i32[RIP >> 2];
    const high = i32[(RIP >> 2) + 1];
    if (!this.mayFetch(low)) return undefined;
    const fault = mmu.walker.walk(this.l4Mfn, low, high, Access.exec, true);
    if (fault !== 0) {
      this.raiseFetchFault(fault, low, high);
      return undefined;
    }
    i32[PAGE_VA >> 2] = low & ~(PAGE - 1);
    i32[(PAGE_VA >> 2) + 1] = high;
    const { mfn } = mmu.walker;
    mmu.frames.noteRead(mfn, low);
    const offset = low & (PAGE - 1);
    const block =
      this.code.find(mfn, offset, this.mode, this.secondMfn) ?? this.code.build(mfn, offset, this.mode, this.secondMfn);
    if (block !== undefined) {
      const { places } = mmu.frames;
      places.noteJump(this.code.placeOf(mfn), high);
      if (block.secondPlace >= 0) places.noteJump(block.secondPlace, high);
    }
    return block;
  }

  /** Whether the limit of CS allows a fetch; its fault has been raised if not. */
  private mayFetch(low: number): boolean {
    if ((this.mode & CodeMode.SEGMENTED) === 0 || this.bounds.fetches(low >>> 0)) return true;
    this.faults.raise(VECTOR.GP, 0);
    return false;
  }

  /** In compatibility mode jumps wrap at 4 GiB. */
  wrapRip(): void {
    if ((this.mode & CodeMode.LONG) === 0) this.i32[(RIP >> 2) + 1] = 0;
  }

  private raiseFetchFault(fault: number, low: number, high: number): void {
    if (fault === WalkFault.nonCanonical) this.faults.raise(VECTOR.GP, 0);
    else this.faults.raisePageFault(fault & 0xff, low, high);
  }

  /** Frame of the page after the one in PAGE_VA, for instructions that cross into it; −1 after its fetch has faulted. */
  private frameOfNextPage(): number {
    const va = this.i32[(PAGE_VA >> 2) + 1] * 2 ** 32 + (this.i32[PAGE_VA >> 2] >>> 0) + PAGE;
    const low = va | 0;
    const high = Math.floor(va / 2 ** 32) | 0;
    if (!this.mayFetch(low)) return -1;
    const fault = this.mmu.walker.walk(this.l4Mfn, low, high, Access.exec, true);
    if (fault !== 0) {
      this.raiseFetchFault(fault, low, high);
      return -1;
    }
    this.mmu.frames.noteRead(this.mmu.walker.mfn, low);
    return this.mmu.walker.mfn;
  }

  /** From generated code: RIP missed the jump cache. `jump` is the record of a direct jump that led here, or 0. */
  lookup(jump: number): number {
    const { i32, bank } = this;
    this.wrapRip();
    const low = i32[RIP >> 2];
    const high = i32[(RIP >> 2) + 1];
    const { flushes } = this.code;
    const block = this.findBlock();
    if (block === undefined) return 0;
    const { regions } = this;
    if (regions?.eager && block.regionWord === 0) regions.translate(this.rip, this.l4Mfn, this.mode);
    else regions?.meet(block, this.rip, this.l4Mfn, this.mode);
    const { record } = block;
    const entry = this.firstPlaceOf(low, high);
    // What was there goes to another place, where generated code looks before it calls here.
    if ((i32[entry] !== low || i32[entry + 1] !== high) && i32[entry + 2] !== MISS_RECORD) {
      const place = entry ^ (4 * this.placeToLose(entry));
      i32.copyWithin(place, entry, entry + 4);
    }
    i32[entry] = low;
    i32[entry + 1] = high;
    const word = regions?.wordFor(block, this.rip, this.l4Mfn, bank, entry) ?? 0;
    // A region that others have is not asked for again at each entry, but when it is met by a sample or has been interpreted often.
    i32[entry + 2] = word === 0 ? this.code.recordOf(block) : record;
    i32[entry + 3] = word;
    this.mmu.tlb.noteJump(bank, low, high, entry * 4);
    // After a flush the jump's record is no more.
    if (jump !== 0 && flushes === this.code.flushes && this.isLinkable(jump, record))
      i32[(jump + R_LINK) >>> 2] = record;
    return record;
  }

  /**
   * An empty place of those that serve a jump-cache entry, or else any: where a system goes round through more code than there
   * are places, to lose what was used longest ago would lose each just before it is used again.
   */
  private placeToLose(entry: number): number {
    for (let place = 1; place < JUMP_CACHE_PLACES; place++) {
      if (this.i32[(entry ^ (4 * place)) + 2] === MISS_RECORD) return place;
    }
    // Taking turns would lose each as surely; any will do, by a linear congruence (Numerical Recipes, 7.1).
    this.chance = (Math.imul(this.chance, 1664525) + 1013904223) | 0;
    return ((this.chance >>> 16) % (JUMP_CACHE_PLACES - 1)) + 1;
  }

  /** From the hub: the interpreter has had its share of instructions, and RIP is at the next block. */
  sample(): number {
    const { i32, regions } = this;
    i32[SAMPLE_LEFT >> 2] = this.sampleInterval;
    if (regions === undefined) return 0;
    const mfn = this.mmu.walker.executedFrame(this.l4Mfn, i32[RIP >> 2], i32[(RIP >> 2) + 1]);
    if (mfn < 0) return 0;
    const block = this.code.blockAt(mfn, i32[RIP >> 2] & (PAGE - 1), this.mode);
    if (block !== undefined) regions.sample(block, mfn, this.rip, this.l4Mfn, this.mode);
    if (block !== undefined && block.regionWord !== 0) this.askAgain();
    return regions.recording === undefined ? 0 : 1;
  }

  /** From the hub: the block at RIP, which no region begins with for all that is known, is interpreted again and again. */
  interpretedOften(): void {
    const { i32, regions } = this;
    if (regions === undefined) return;
    const mfn = this.mmu.walker.executedFrame(this.l4Mfn, i32[RIP >> 2], i32[(RIP >> 2) + 1]);
    const block = mfn < 0 ? undefined : this.code.blockAt(mfn, i32[RIP >> 2] & (PAGE - 1), this.mode);
    if (block === undefined) return;
    if (block.regionWord !== 0) this.askAgain();
    else regions.interpretedOften(block, this.rip, this.l4Mfn, this.mode);
  }

  /** If the jump cache knows no region for RIP, it is looked up anew. */
  private askAgain(): void {
    const { i32 } = this;
    const low = i32[RIP >> 2];
    const high = i32[(RIP >> 2) + 1];
    const entry = this.firstPlaceOf(low, high);
    if (i32[entry] === low && i32[entry + 1] === high && i32[entry + 3] === 0) i32.fill(0, entry, entry + 4);
  }

  /** Index of the first word of the jump-cache entry that an address has at first. */
  private firstPlaceOf(low: number, high: number): number {
    const slot = (low ^ ((low >>> 10) | (high << 22))) & JUMP_CACHE_MASK;
    return (this.i32[JUMP_CACHE >> 2] + slot * 16) >>> 2;
  }

  /**
   * Whether a jump always leads to that record, wherever its page is mapped: the target lies in the page too, with all
   * of its first instruction, and the jump's end does.
   */
  private isLinkable(jump: number, record: number): boolean {
    if (this.u16[(record + R_NEXT) >>> 1] > PAGE) return false;
    const target = this.i32[(jump + R_IMM) >>> 2];
    return (
      target >= 0 &&
      target < PAGE &&
      this.i32[(jump + R_IMM + 4) >>> 2] === 0 &&
      this.u16[(jump + R_NEXT) >>> 1] <= PAGE
    );
  }

  /** Address of the instruction of a record, as a signed number. */
  addressOfRecord(record: number): number {
    const page = this.i32[(PAGE_VA >> 2) + 1] * 2 ** 32 + (this.i32[PAGE_VA >> 2] >>> 0);
    return page + this.u16[(record + R_NEXT) >> 1] - this.u8[record + R_LENGTH];
  }

  /** Bytes of the instruction at the record, up to 15, into a buffer; they have been fetched before, so they are there. */
  fetch(record: number, buffer: Uint8Array): void {
    const va = this.addressOfRecord(record);
    const length = this.u8[record + R_LENGTH];
    const { walker, frames } = this.mmu;
    let host = 0;
    for (let i = 0; i < length; i++) {
      const at = va + i;
      const offset = at & (PAGE - 1);
      if (i === 0 || offset === 0) {
        if (walker.walk(this.l4Mfn, at | 0, Math.floor(at / 2 ** 32) | 0, Access.exec, true) !== 0) break;
        host = frames.readAddress(walker.mfn);
      }
      buffer[i] = this.u8[host + offset];
    }
  }
}
