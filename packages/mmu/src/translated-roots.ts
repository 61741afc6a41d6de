import type { FrameTable } from "./frames.ts";
import type { MachineMemory } from "./memory.ts";
import { FrameFlags } from "./page-type.ts";
import type { Physmap } from "./physmap.ts";
import { Pte } from "./pte.ts";
import { MAX_TRANSLATED_ROOTS } from "./root.ts";
import type { TlbBanks } from "./tlb.ts";
import { Access, PageFault, type TranslatedWalker, type Walker, WalkFault } from "./walker.ts";

/** Bits of an entry that are no physical address below 2^40, in its high half, without NX. */
const RESERVED_HI = 0x000fff00;
const NO_EXECUTE = 0x80000000;
const LARGE_RESERVED = 0x1fe000;
/** Large pages that are told apart for INVLPG before all of them count as seen. */
const MOST_LARGE = 4096;

/** What a translated address space is, and how its processor stands. Change it only by `TranslatedRoots.set`. */
export interface TranslatedSpace {
  readonly domid: number;
  readonly physmap: Physmap;
  /** The accesses are CPL 3's. */
  readonly user: boolean;
  /** Frames that reads and writes reach where the guest's physical address space has nothing. */
  readonly absentReadMfn: number;
  readonly absentWriteMfn: number;
}

/** CR0, CR3, CR4 and EFER as far as they decide about translation. */
export interface PagingState {
  /** CR0.PG with EFER.LMA: 4-level tables. Else addresses are physical ones. */
  paging: boolean;
  /** Guest frame of the L4 table. */
  l4Gfn: number;
  /** CR0.WP: read-only pages are that for the supervisor too. */
  writeProtect: boolean;
  /** EFER.NXE. */
  noExecute: boolean;
}

interface Root extends TranslatedSpace, PagingState {
  /** Large pages (address >>> 21, as one number) that translations were taken from; undefined: too many to tell. */
  large: Set<number> | undefined;
}

/**
 * Address spaces of guests with a physical address space of their own: their tables hold guest frame numbers, are
 * checked by nobody, and every step through them goes through the `Physmap`, which is the isolation. A root has a number
 * that stands where an L4 frame's would; it is beyond all frames, so the walker sees at once what it has before it.
 *
 * As on real hardware translations may outlive a change of the tables until the guest flushes them: `flush` and
 * `invalidatePage` are what MOV CR3 and INVLPG call.
 */
export class TranslatedRoots implements TranslatedWalker {
  private readonly roots: (Root | undefined)[] = [];
  private readonly firstRoot: number;
  private readonly u32: Uint32Array;

  constructor(
    memory: MachineMemory,
    private readonly frames: FrameTable,
    private readonly walker: Walker,
    private readonly tlb: TlbBanks,
  ) {
    this.u32 = memory.u32;
    this.firstRoot = frames.endMfn;
    walker.translated = this;
  }

  /** A new root without paging, or -1 when there are no more. */
  create(space: TranslatedSpace): number {
    let index = this.roots.indexOf(undefined);
    if (index < 0) index = this.roots.length;
    if (index >= MAX_TRANSLATED_ROOTS) return -1;
    this.roots[index] = {
      ...space,
      paging: false,
      l4Gfn: 0,
      writeProtect: false,
      noExecute: false,
      large: new Set(),
    };
    return this.firstRoot + index;
  }

  /** Gives a root up, with all translations. */
  destroy(root: number): void {
    this.tlb.forget(root);
    this.roots[root - this.firstRoot] = undefined;
  }

  /** The processor's registers changed: translations go. */
  set(root: number, state: PagingState): void {
    const entry = this.roots[root - this.firstRoot];
    if (entry === undefined) return;
    entry.paging = state.paging;
    entry.l4Gfn = state.l4Gfn;
    entry.writeProtect = state.writeProtect;
    entry.noExecute = state.noExecute;
    this.flush(root);
  }

  /** Drops all translations of a root. */
  flush(root: number): void {
    const entry = this.roots[root - this.firstRoot];
    if (entry === undefined) return;
    this.walker.forgetFetches();
    this.tlb.flushRoot(root);
    entry.large = new Set();
  }

  /** Drops the translations of one page (INVLPG), of a large one as a whole. */
  invalidatePage(root: number, vaLo: number, vaHi: number): void {
    const entry = this.roots[root - this.firstRoot];
    if (entry === undefined) return;
    if (entry.large === undefined) this.flush(root);
    else this.tlb.dropPage(root, vaLo, vaHi, entry.large.has(largeKey(vaLo, vaHi)));
  }

  /** Whether a space may have translations to a frame: for audits. */
  reaches(root: number, mfn: number): boolean {
    const entry = this.roots[root - this.firstRoot];
    if (entry === undefined) return false;
    return entry.physmap.gfnOf(mfn) >= 0 || mfn === entry.absentReadMfn || mfn === entry.absentWriteMfn;
  }

  /** `Walker.walk` for a root of this kind: sets `mfn` and `errorCode` there, and accessed and dirty bits. */
  walk(root: number, vaLo: number, vaHi: number, access: number): number {
    const { walker } = this;
    const space = this.roots[root - this.firstRoot];
    if (space === undefined) {
      walker.errorCode = PageFault.present | PageFault.reserved;
      return WalkFault.page | walker.errorCode;
    }
    const mode =
      (access === Access.write ? PageFault.write : access === Access.exec && space.noExecute ? PageFault.fetch : 0) |
      (space.user ? PageFault.user : 0);
    if (!space.paging) {
      this.found(space, (vaLo >>> 12) + (vaHi & 0xfff) * 0x100000, access);
      return 0;
    }
    const { u32 } = this;
    const { place } = this.frames;
    let gfn = space.l4Gfn;
    let allow: number = Pte.rw | Pte.user;
    let deny = 0;
    for (let level = 4; level >= 1; level--) {
      const table = space.physmap.lookup(gfn);
      // Nothing is there: an entry reads as all ones, and has reserved bits set.
      if (table < 0) return this.fault(mode | PageFault.present | PageFault.reserved);
      const word = (place[table] << 10) + (indexAt(level, vaLo, vaHi) << 1);
      const lo = u32[word];
      const hi = u32[word + 1];
      if ((lo & Pte.present) === 0) return this.fault(mode);
      if ((hi & RESERVED_HI) !== 0 || (!space.noExecute && (hi & NO_EXECUTE) !== 0)) {
        return this.fault(mode | PageFault.present | PageFault.reserved);
      }
      const large = level > 1 && (lo & Pte.pageSize) !== 0;
      // No 1 GiB pages.
      if (large && (level !== 2 || (lo & LARGE_RESERVED) !== 0)) {
        return this.fault(mode | PageFault.present | PageFault.reserved);
      }
      allow &= lo;
      deny |= hi;
      gfn = (lo >>> 12) + (hi & 0xff) * 0x100000;
      const leaf = large || level === 1;
      if (leaf && !this.allows(space, access, allow, deny)) return this.fault(mode | PageFault.present);
      const wanted = leaf && access === Access.write ? Pte.accessed | Pte.dirty : Pte.accessed;
      if ((lo & wanted) !== wanted) this.mark(table, word, lo | wanted);
      if (large) {
        this.noteLarge(space, vaLo, vaHi);
        gfn = gfn - (gfn & 0x1ff) + ((vaLo >>> 12) & 0x1ff);
        break;
      }
    }
    this.found(space, gfn, access);
    return 0;
  }

  /** `Walker.executedFrame` for a root of this kind: nothing is marked. */
  executedFrame(root: number, vaLo: number, vaHi: number): number {
    const space = this.roots[root - this.firstRoot];
    if (space === undefined) return -1;
    if (!space.paging) return space.physmap.lookup((vaLo >>> 12) + (vaHi & 0xfff) * 0x100000);
    const sign = vaHi >> 15;
    if (sign !== 0 && sign !== -1) return -1;
    let gfn = space.l4Gfn;
    for (let level = 4; level >= 1; level--) {
      const table = space.physmap.lookup(gfn);
      if (table < 0) return -1;
      const word = (this.frames.place[table] << 10) + (indexAt(level, vaLo, vaHi) << 1);
      const lo = this.u32[word];
      const hi = this.u32[word + 1];
      const wanted = Pte.present | Pte.accessed | (space.user ? Pte.user : 0);
      if ((lo & wanted) !== wanted || (hi & (RESERVED_HI | NO_EXECUTE)) !== 0) return -1;
      gfn = (lo >>> 12) + (hi & 0xff) * 0x100000;
      if (level > 1 && (lo & Pte.pageSize) !== 0) {
        if (level !== 2) return -1;
        return space.physmap.lookup(gfn - (gfn & 0x1ff) + ((vaLo >>> 12) & 0x1ff));
      }
    }
    return space.physmap.lookup(gfn);
  }

  private allows(space: Root, access: number, allow: number, deny: number): boolean {
    if (space.user && (allow & Pte.user) === 0) return false;
    if (access === Access.write) return (allow & Pte.rw) !== 0 || (!space.user && !space.writeProtect);
    return access !== Access.exec || (deny & NO_EXECUTE) === 0;
  }

  private found(space: Root, gfn: number, access: number): void {
    const mfn = space.physmap.lookup(gfn);
    this.walker.mfn = mfn >= 0 ? mfn : access === Access.write ? space.absentWriteMfn : space.absentReadMfn;
  }

  private fault(errorCode: number): number {
    this.walker.errorCode = errorCode;
    return WalkFault.page | errorCode;
  }

  private noteLarge(space: Root, vaLo: number, vaHi: number): void {
    const { large } = space;
    if (large === undefined) return;
    if (large.size >= MOST_LARGE) space.large = undefined;
    else large.add(largeKey(vaLo, vaHi));
  }

  private mark(table: number, word: number, lo: number): void {
    const flags = this.frames.flags[table];
    if ((flags & FrameFlags.borrowed) !== 0) word = (this.frames.hostAddress(table) >>> 2) + (word & 0x3ff);
    this.u32[word] = lo;
    if (this.frames.hasCode(table)) this.frames.onCodeWrite(table, (word << 2) & 0xfff, 4);
  }
}

function indexAt(level: number, vaLo: number, vaHi: number): number {
  switch (level) {
    case 4:
      return (vaHi >>> 7) & 0x1ff;
    case 3:
      return ((vaHi & 0x7f) << 2) | (vaLo >>> 30);
    case 2:
      return (vaLo >>> 21) & 0x1ff;
    default:
      return (vaLo >>> 12) & 0x1ff;
  }
}

function largeKey(vaLo: number, vaHi: number): number {
  return (vaHi & 0xffff) * 2048 + (vaLo >>> 21);
}
