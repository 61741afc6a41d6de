import { auditFrames } from "./audit-frames.ts";
import { auditPlaces } from "./audit-places.ts";
import { auditTlb } from "./audit-tlb.ts";
import { DirtyLog } from "./dirty-log.ts";
import { FrameTable, type FrameTableOptions } from "./frames.ts";
import { GuestAccess } from "./guest-access.ts";
import { MachineToPhys } from "./machine-to-phys.ts";
import { MachineMemory } from "./memory.ts";
import { PageMerger } from "./page-merger.ts";
import { FrameFlags } from "./page-type.ts";
import { PageTypes, type PageTypesOptions } from "./page-types.ts";
import { SharedContents } from "./shared-contents.ts";
import { TlbBanks, type TlbBanksOptions } from "./tlb.ts";
import { TranslatedRoots } from "./translated-roots.ts";
import { Walker } from "./walker.ts";

export interface MmuOptions extends FrameTableOptions, TlbBanksOptions, PageTypesOptions {}

/** From this size on, what is reserved at the top of the memory has addresses that are negative as i32. */
const SIGNED_BYTES = 2 ** 31;
/** For the processor: 32 MiB of predecoded code, 8 MiB of translated code's data, and some pages. */
const ASIDE_BYTES = 41 << 20;

/** The machine's memory management, put together. One per MachineMemory. */
export class Mmu {
  readonly frames: FrameTable;
  readonly walker: Walker;
  readonly tlb: TlbBanks;
  readonly translated: TranslatedRoots;
  readonly types: PageTypes;
  readonly m2p: MachineToPhys;
  readonly guest: GuestAccess;
  readonly contents: SharedContents;
  readonly merger: PageMerger;
  /**
   * Whether `shareCode` is to be called: where memory is dear. It searches banks for each page of code that is new, for which one
   * guest alone gets nothing.
   */
  sharesCode = false;
  readonly dirtyLog: DirtyLog;

  /**
   * @param memory what is left of it after earlier reservations becomes frames
   * @throws RangeError if it is too small
   */
  constructor(
    readonly memory: MachineMemory = new MachineMemory(),
    options: MmuOptions = {},
  ) {
    const banks = memory.reserve(TlbBanks.bytes(options), 4096, "soft TLB");
    if (memory.byteLength > SIGNED_BYTES) memory.setAside(ASIDE_BYTES);
    this.frames = new FrameTable(memory, options);
    this.walker = new Walker(memory, this.frames);
    this.tlb = new TlbBanks(memory, this.frames, this.walker, banks, options);
    this.translated = new TranslatedRoots(memory, this.frames, this.walker, this.tlb);
    this.types = new PageTypes(memory, this.frames, this.tlb, options);
    this.m2p = new MachineToPhys(memory, this.frames);
    this.types.setXenSlots(Uint32Array.of(this.m2p.slotLo, this.m2p.slotHi));
    this.types.setPaeSlots(this.m2p.narrow.slots);
    this.contents = new SharedContents(memory, this.frames);
    this.merger = new PageMerger(this.frames, this.contents, this.tlb);
    this.guest = new GuestAccess(memory, this.frames, this.walker);
    this.dirtyLog = new DirtyLog(this.frames, this.tlb);
    this.frames.onFree = (mfn) => this.m2p.invalidate(mfn);
    this.frames.onMove = (mfn, place, index) => this.tlb.dropMoved(mfn, place, index);
  }

  /**
   * Called when bytes of a frame with decoded instructions are written by anything but the processor's own fast path,
   * or when the last frame with those bytes is freed (offset 0, length 4096).
   */
  get onCodeWrite(): (mfn: number, offset: number, length: number) => void {
    return this.frames.onCodeWrite;
  }

  set onCodeWrite(listener: (mfn: number, offset: number, length: number) => void) {
    this.frames.onCodeWrite = listener;
  }

  /** To be called when the hypervisor itself writes bytes of a frame (grant copies, shared pages with code). */
  noteHostWrite(mfn: number, offset: number, length: number): void {
    this.frames.noteHostWrite(mfn, offset, length);
  }

  /**
   * The processor keeps decoded instructions of this frame's bytes from now on: no translation lets writes by unseen, and
   * `frames.onCodeLeft` tells when one of the frames that share them is to have others.
   */
  markCode(mfn: number): void {
    const { frames, tlb } = this;
    if (frames.hasCode(mfn)) return;
    frames.places.hasCode[frames.place[mfn]] = 1;
    tlb.flushWritable(mfn);
  }

  /**
   * To be called before `markCode`: a frame with a place of its own shares that of frames with the same bytes, so that their
   * instructions are decoded and translated once for all of them. Nobody may have a pointer to it.
   */
  shareCode(mfn: number): void {
    const { frames, contents, tlb } = this;
    if ((frames.flags[mfn] & FrameFlags.borrowed) !== 0 || !frames.isShareable(mfn)) return;
    const place = frames.place[mfn];
    const hash = contents.hash(place);
    tlb.dropFrame(mfn);
    contents.merge(mfn, hash, contents.find(place, hash));
  }

  /** The processor has forgotten all instructions that lie in a place. */
  unmarkCode(place: number): void {
    this.frames.places.forgetCode(place);
  }

  /** Checks every invariant of frames, page tables and soft TLB. Violations in words; empty = all is well. */
  audit(): string[] {
    return [
      ...auditFrames(this.frames, this.types, this.memory),
      ...auditPlaces(this.frames, this.memory),
      ...this.contents.audit(),
      ...auditTlb(this.frames, this.tlb, this.memory, this.translated),
    ];
  }
}
