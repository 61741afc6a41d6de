import type { FrameTable } from "./frames.ts";
import type { MachineMemory } from "./memory.ts";
import { FrameFlags } from "./page-type.ts";
import { Pte } from "./pte.ts";
import { isSupervisorRoot, rootMfn } from "./root.ts";

/** Kinds of access. */
export const Access = { read: 0, write: 1, exec: 2 } as const;

/** Bits of the #PF error code (Intel SDM vol. 3, 4.7). */
export const PageFault = { present: 1, write: 2, user: 4, reserved: 8, fetch: 0x10 } as const;

/** What `walk` answers beside 0: a page fault (with the error code in the low bits), or no canonical address. */
export const WalkFault = { page: 0x100, nonCanonical: 0x200 } as const;

const PRESENT_USER = Pte.present | Pte.user;
/** Walks address spaces whose tables hold guest frame numbers: see TranslatedRoots. */
export interface TranslatedWalker {
  walk(root: number, vaLo: number, vaHi: number, access: number): number;
  executedFrame(root: number, vaLo: number, vaHi: number): number;
}

/** Fetches that are remembered, and the words that each takes: generation, L4 table, low and high half, frame. */
const FETCHES = 256;
const FETCH_WORDS = 8;

/**
 * Walks 4-level page tables as the processor does with CR0.WP = 1 and EFER.NXE = 1 (Intel SDM vol. 3, 4.5): 4 KiB and
 * 2 MiB pages, sets accessed and dirty bits in the tables. Results are fields, valid until the next walk; of the ones
 * here a fetch with the address space's rights sets `mfn` and no other: the processor fetches after each of its exits, so those translations
 * are remembered, as long as the soft TLB's owner has not said that some may be gone (`forgetFetches`).
 */
export class Walker {
  /** Frame that the address lies in. */
  mfn = 0;
  /** The last-level entry, accessed and dirty bits set. */
  pteLo = 0;
  pteHi = 0;
  /** The table that holds it and its index; after a 2 MiB page this is the L2 table. */
  l1Mfn = 0;
  l1Index = 0;
  /** Pte.rw and Pte.user as all levels together grant them. */
  permissions = 0;
  /** Some level forbids execution. */
  noExecute = false;
  /** #PF error code of the last failed walk. */
  errorCode = 0;
  /** What walks for numbers beyond all frames, which are no L4 tables but translated address spaces. */
  translated: TranslatedWalker | undefined;

  private readonly u32: Uint32Array;
  private readonly place: Uint32Array;
  private readonly endMfn: number;
  private readonly fetches = new Int32Array(FETCHES * FETCH_WORDS);
  /** Of remembered fetches that are good: another number whenever an executable mapping may be gone. */
  generation = 1;

  constructor(
    memory: MachineMemory,
    private readonly frames: FrameTable,
  ) {
    this.u32 = memory.u32;
    this.place = frames.place;
    this.endMfn = frames.endMfn;
  }

  /**
   * Translates an address, given as its low and high 32 bits.
   * @param root an address space (root.ts)
   * @param access Access
   * @param user whether the access is made with the rights of the address space; false: with a supervisor's in any case
   * @returns 0; or WalkFault.page | error code; or WalkFault.nonCanonical
   */
  walk(root: number, vaLo: number, vaHi: number, access: number, user: boolean): number {
    if (access !== 2 || !user) {
      return this.walkTables(rootMfn(root), vaLo, vaHi, access, user && !isSupervisorRoot(root));
    }
    const { fetches } = this;
    const slot = (((vaLo >>> 12) ^ root) & (FETCHES - 1)) * FETCH_WORDS;
    const page = vaLo & ~0xfff;
    if (
      fetches[slot] === this.generation &&
      fetches[slot + 1] === root &&
      fetches[slot + 2] === page &&
      fetches[slot + 3] === (vaHi | 0)
    ) {
      this.mfn = fetches[slot + 4];
      return 0;
    }
    const fault = this.walkTables(rootMfn(root), vaLo, vaHi, access, !isSupervisorRoot(root));
    if (fault !== 0) return fault;
    fetches[slot] = this.generation;
    fetches[slot + 1] = root;
    fetches[slot + 2] = page;
    fetches[slot + 3] = vaHi;
    fetches[slot + 4] = this.mfn;
    return 0;
  }

  /** Some translation is no more, or its entry is no longer marked accessed. */
  forgetFetches(): void {
    this.generation = (this.generation + 1) | 0;
    // After four billion of them an old one would look good again.
    if (this.generation === 0) {
      this.fetches.fill(0);
      this.generation = 1;
    }
  }

  private walkTables(l4Mfn: number, vaLo: number, vaHi: number, access: number, user: boolean): number {
    const sign = vaHi >> 15;
    const mode = (access === 1 ? PageFault.write : access === 2 ? PageFault.fetch : 0) | (user ? PageFault.user : 0);
    if (sign !== 0 && sign !== -1) {
      this.errorCode = mode;
      return WalkFault.nonCanonical;
    }
    const u32 = this.u32;
    const place = this.place;
    const end = this.endMfn;
    if (l4Mfn >= end) {
      if (this.translated !== undefined) return this.translated.walk(l4Mfn, vaLo, vaHi, access);
      return this.fault(mode | PageFault.reserved | PageFault.present);
    }
    if (place[l4Mfn] === 0) return this.fault(mode | PageFault.reserved | PageFault.present);

    const p4 = (place[l4Mfn] << 10) + ((vaHi >>> 6) & 0x3fe);
    const lo4 = u32[p4];
    const hi4 = u32[p4 + 1];
    if ((lo4 & 1) === 0) return this.fault(mode);
    const l3Mfn = (lo4 >>> 12) + (hi4 & 0xfffff) * 0x100000;
    if ((lo4 & 0x80) !== 0 || l3Mfn >= end || place[l3Mfn] === 0) return this.fault(mode | 9);

    const p3 = (place[l3Mfn] << 10) + ((((vaHi & 0x7f) << 2) | (vaLo >>> 30)) << 1);
    const lo3 = u32[p3];
    const hi3 = u32[p3 + 1];
    if ((lo3 & 1) === 0) return this.fault(mode);
    const l2Mfn = (lo3 >>> 12) + (hi3 & 0xfffff) * 0x100000;
    if ((lo3 & 0x80) !== 0 || l2Mfn >= end || place[l2Mfn] === 0) return this.fault(mode | 9);

    const p2 = (place[l2Mfn] << 10) + ((vaLo >>> 20) & 0x3fe);
    const lo2 = u32[p2];
    const hi2 = u32[p2 + 1];
    if ((lo2 & 1) === 0) return this.fault(mode);
    let mfn = (lo2 >>> 12) + (hi2 & 0xfffff) * 0x100000;
    const leafIndex = (vaLo >>> 12) & 0x1ff;
    const large = (lo2 & 0x80) !== 0;
    let leaf = p2;
    let leafLo = lo2;
    let leafHi = hi2;
    let leafTable = l2Mfn;
    let allow = lo4 & lo3 & lo2;
    let deny = hi4 | hi3 | hi2;
    if (large) {
      // Bit 12 is PAT here; bits 13-20 must be zero.
      if ((lo2 & 0x1fe000) !== 0) return this.fault(mode | 9);
      mfn = mfn - (mfn & 0x1ff) + leafIndex;
    } else {
      leafTable = mfn;
      if (leafTable >= end || place[leafTable] === 0) return this.fault(mode | 9);
      leaf = (place[leafTable] << 10) + (leafIndex << 1);
      leafLo = u32[leaf];
      leafHi = u32[leaf + 1];
      if ((leafLo & 1) === 0) return this.fault(mode);
      mfn = (leafLo >>> 12) + (leafHi & 0xfffff) * 0x100000;
      allow &= leafLo;
      deny |= leafHi;
    }
    if (mfn >= end || place[mfn] === 0) return this.fault(mode | 9);

    const denyExecution = (deny & 0x80000000) !== 0;
    if (
      (user && (allow & Pte.user) === 0) ||
      (access === 1 && (allow & Pte.rw) === 0) ||
      (access === 2 && denyExecution)
    ) {
      return this.fault(mode | PageFault.present);
    }

    if ((lo4 & Pte.accessed) === 0) this.mark(l4Mfn, p4, lo4 | Pte.accessed);
    if ((lo3 & Pte.accessed) === 0) this.mark(l3Mfn, p3, lo3 | Pte.accessed);
    if (!large && (lo2 & Pte.accessed) === 0) this.mark(l2Mfn, p2, lo2 | Pte.accessed);
    const wanted = access === 1 ? Pte.accessed | Pte.dirty : Pte.accessed;
    if ((leafLo & wanted) !== wanted) {
      leafLo = (leafLo | wanted) >>> 0;
      this.mark(leafTable, leaf, leafLo);
    }
    if (access === 1) this.frames.clean[mfn] = 0;
    this.mfn = mfn;
    this.pteLo = leafLo;
    this.pteHi = leafHi;
    this.l1Mfn = leafTable;
    this.l1Index = large ? (vaLo >>> 21) & 0x1ff : leafIndex;
    this.permissions = allow & (Pte.rw | Pte.user);
    this.noExecute = denyExecution;
    return 0;
  }

  /**
   * The frame that instructions at an address come from, if the address space has fetched from there before: nothing is
   * marked, so nobody can see that it was asked.
   * @returns -1 if the page cannot be executed, was not accessed yet, or is a large one
   */
  executedFrame(root: number, vaLo: number, vaHi: number): number {
    const sign = vaHi >> 15;
    if (sign !== 0 && sign !== -1) return -1;
    const { u32, place, endMfn } = this;
    const wanted = (isSupervisorRoot(root) ? Pte.present : PRESENT_USER) | Pte.accessed;
    let mfn = rootMfn(root);
    if (mfn >= endMfn) return this.translated?.executedFrame(mfn, vaLo, vaHi) ?? -1;
    for (let level = 4; level >= 1; level--) {
      if (mfn >= endMfn || place[mfn] === 0) return -1;
      const index =
        level === 4
          ? (vaHi >>> 7) & 0x1ff
          : level === 3
            ? ((vaHi & 0x7f) << 2) | (vaLo >>> 30)
            : (vaLo >>> (level === 2 ? 21 : 12)) & 0x1ff;
      const p = (place[mfn] << 10) + (index << 1);
      const lo = u32[p];
      const hi = u32[p + 1];
      if ((lo & wanted) !== wanted || (hi & 0x80000000) !== 0 || (level > 1 && (lo & 0x80) !== 0)) return -1;
      mfn = (lo >>> 12) + (hi & 0xfffff) * 0x100000;
    }
    return mfn < endMfn && place[mfn] !== 0 ? mfn : -1;
  }

  /**
   * Finds the L1 table that maps an address, whatever its entry says; nothing is marked accessed.
   * Sets l1Mfn, l1Index, pteLo, pteHi.
   * @param root an address space
   * @param va signed canonical address
   * @returns the table's frame, or -1 if an upper level is not present or maps a large page
   */
  locateL1(root: number, va: number): number {
    return this.locate(root, va | 0, Math.floor(va / 2 ** 32) | 0);
  }

  /** `locateL1` for an address given as its low and high 32 bits; -1 for a non-canonical one too. */
  locate(root: number, vaLo: number, vaHi: number): number {
    const sign = vaHi >> 15;
    if (sign !== 0 && sign !== -1) return -1;
    // A guest must not get hold of a table by an address that it cannot reach itself, so USER counts, but for kernels that
    // do not need it.
    const wanted = isSupervisorRoot(root) ? Pte.present : PRESENT_USER;
    const l3 = this.descend(rootMfn(root), (vaHi >>> 7) & 0x1ff, wanted);
    const l2 = this.descend(l3, ((vaHi & 0x7f) << 2) | (vaLo >>> 30), wanted);
    const mfn = this.descend(l2, (vaLo >>> 21) & 0x1ff, wanted);
    if (!this.frames.exists(mfn)) return -1;
    this.l1Mfn = mfn;
    this.l1Index = (vaLo >>> 12) & 0x1ff;
    const p = (this.place[mfn] << 10) + (this.l1Index << 1);
    this.pteLo = this.u32[p];
    this.pteHi = this.u32[p + 1];
    return mfn;
  }

  /** The table that an entry leads to; -1 if it leads to none, or `table` is none itself. */
  private descend(table: number, index: number, wanted: number): number {
    if (!this.frames.exists(table)) return -1;
    const p = (this.place[table] << 10) + (index << 1);
    const lo = this.u32[p];
    if ((lo & (wanted | Pte.pageSize)) !== wanted) return -1;
    return (lo >>> 12) + (this.u32[p + 1] & 0xfffff) * 0x100000;
  }

  private fault(errorCode: number): number {
    this.errorCode = errorCode;
    return WalkFault.page | errorCode;
  }

  private mark(table: number, word: number, lo: number): void {
    const flags = this.frames.flags[table];
    // No validated table's place is lent, but others are walked, too.
    if ((flags & FrameFlags.borrowed) !== 0) word = (this.frames.hostAddress(table) >>> 2) + (word & 0x3ff);
    this.u32[word] = lo;
    this.frames.clean[table] = 0;
    if (this.frames.hasCode(table)) this.frames.onCodeWrite(table, (word << 2) & 0xfff, 4);
  }
}
