import { adjustDescriptor, type DescriptorWords } from "./descriptors.ts";
import { EINVAL, ENOENT, ENOMEM, EPERM, ERESTART } from "./errno.ts";
import type { FrameTable } from "./frames.ts";
import type { MachineMemory } from "./memory.ts";
import { PAE_FIRST_XEN_SLOT, PAE_TOP_ENTRY } from "./pae.ts";
import { DOMID_XEN, FrameFlags, PageType } from "./page-type.ts";
import { END_XEN_SLOT, FIRST_XEN_SLOT, L1_DISALLOWED, Pte, pteMfn, TABLE_DISALLOWED } from "./pte.ts";
import type { TlbBanks } from "./tlb.ts";
import { type PageTypePolicy, TypeReferences } from "./type-references.ts";

export type { PageTypePolicy } from "./type-references.ts";

export interface PageTypesOptions {
  policy?: Partial<PageTypePolicy>;
  /** No reference or type count exceeds this. Default 2^31. */
  countLimit?: number;
  /** Whether a table may have read-only entries for tables of its own level. Default true, as in Xen. */
  linearTables?: boolean;
}

export interface ModOptions {
  /** MMU_PT_UPDATE_PRESERVE_AD: accessed and dirty bits of the old entry stay set. */
  preserveAd?: boolean;
  /** Page-table entries that may be validated or devalidated before -ERESTART. Default: no limit. */
  workBudget?: number;
}

const NO_OPTIONS: ModOptions = {};
const FRAME_BITS = 0xfffff000;

/**
 * Xen's page types: a guest builds its own page tables, and this class lets through only entries after which no guest
 * can write a page table or descriptor table, or reach a frame that is not its own. Results are 0 or a negative Xen
 * errno, whatever the guest asks; mistakes of the hypervisor (a reference given back twice) throw.
 *
 * Long work takes a budget, counted in entries. -ERESTART (-85) from a call that takes a type means: nothing was
 * granted, call again with the same arguments. Dropping the last reference of a table always succeeds; the rest of its
 * work waits on the owner's list, and `continueWork` must have answered 0 before the guest runs on.
 */
export class PageTypes {
  /** For audits and MachineToPhys' slot; not for callers. */
  readonly references: TypeReferences;
  private readonly u32: Uint32Array;
  private readonly limit: number;
  private readonly descriptor: DescriptorWords = { lo: 0, hi: 0 };
  private readonly releases = new Map<number, { phase: number; next: number }>();

  constructor(
    memory: MachineMemory,
    private readonly frames: FrameTable,
    private readonly tlb: TlbBanks,
    options: PageTypesOptions = {},
  ) {
    const foreignFrameAllowed = options.policy?.foreignFrameAllowed?.bind(options.policy) ?? (() => false);
    const showsMachineToPhys = options.policy?.showsMachineToPhys?.bind(options.policy) ?? (() => true);
    this.u32 = memory.u32;
    this.limit = options.countLimit ?? 2 ** 31;
    this.references = new TypeReferences(
      memory,
      frames,
      tlb,
      { foreignFrameAllowed, showsMachineToPhys },
      this.limit,
      options.linearTables ?? true,
    );
  }

  /** Sets L4 slots 256-271, (lo, hi) each, for tables that are validated from now on. */
  setXenSlots(words: Uint32Array): void {
    this.references.xenSlots.set(words);
  }

  /** Sets what L2 tables with Xen's part of a 32-bit guest have there, from `PAE_FIRST_XEN_SLOT` on; (lo, hi) each. */
  setPaeSlots(words: Uint32Array): void {
    this.references.paeSlots.set(words);
  }

  /**
   * The domain, which has no tables yet, is a 32-bit guest (or is not any more): its roots are PAE's L3 tables, entries keep
   * the USER bit that it gives them, and descriptors may have privilege 1.
   */
  setPae(domid: number, on: boolean): void {
    this.references.setPae(domid, on);
  }

  /** Shows the machine-to-physical table through a validated L4 table of the domain, or hides it. */
  showMachineToPhys(l4Mfn: number, visible: boolean, domid: number): void {
    if (this.references.showMachineToPhys(l4Mfn, visible) && !visible) this.tlb.flushDomain(domid);
  }

  /** Takes a general reference: the frame cannot be freed. False if it is not this domain's. */
  getPage(mfn: number, domid: number): boolean {
    if (!this.frames.getRef(mfn, domid, this.limit)) return false;
    this.frames.heldRefs[mfn]++;
    return true;
  }

  putPage(mfn: number): void {
    this.unhold(this.frames.heldRefs, mfn, "general");
    this.frames.putRef(mfn);
  }

  /**
   * Takes a typed reference; the caller must hold a general one as long. A table type means full validation, unless the
   * frame has the type already.
   * @param type PageType l1-l4, segDesc or writable
   * @returns 0; -EINVAL not the domain's frame, of another type, or bad contents; -EBUSY/-EPERM an L1 entry maps what it
   *   may not; -ENOMEM no place for a table's bytes; -ERESTART budget spent
   */
  getPageType(mfn: number, type: number, domid: number, workBudget = Infinity): number {
    const f = this.frames;
    if (!(mfn >= f.firstMfn && mfn < f.endMfn) || f.owner[mfn] !== domid || f.refCount[mfn] === 0) return -EINVAL;
    if (!(type >= PageType.l1 && type <= PageType.writable)) return -EINVAL;
    this.references.setBudget(workBudget);
    const rc = this.references.take(mfn, type);
    if (rc === 0) f.heldTypes[mfn]++;
    else if (rc !== -ERESTART) this.references.drain(domid);
    return rc;
  }

  /** Drops a typed reference. 0, or -ERESTART: dropped, and `continueWork` of the owner has more to do. */
  putPageType(mfn: number, workBudget = Infinity): number {
    this.unhold(this.frames.heldTypes, mfn, "type");
    const owner = this.frames.owner[mfn];
    this.references.setBudget(workBudget);
    this.references.drop(mfn);
    return this.references.drain(owner);
  }

  /** `getPage` and `getPageType` in one, as for a CR3 root or a GDT frame. */
  getPageAndType(mfn: number, type: number, domid: number, workBudget = Infinity): number {
    if (!this.getPage(mfn, domid)) return -EINVAL;
    const rc = this.getPageType(mfn, type, domid, workBudget);
    if (rc !== 0) this.putPage(mfn);
    return rc;
  }

  /** Drops both; 0 or -ERESTART as `putPageType`. */
  putPageAndType(mfn: number, workBudget = Infinity): number {
    const rc = this.putPageType(mfn, workBudget);
    this.putPage(mfn);
    return rc;
  }

  /** Entries and frames handled in validations, devalidations and releases since the beginning: a measure of time spent. */
  get totalWork(): number {
    return this.references.totalWork;
  }

  /** Is some devalidation of this domain's tables unfinished? */
  hasWork(domid: number): boolean {
    return this.references.hasWork(domid);
  }

  /** Goes on with unfinished devalidations of a domain. 0 when none is left, else -ERESTART. */
  continueWork(domid: number, workBudget = Infinity): number {
    this.references.setBudget(workBudget);
    return this.references.drain(domid);
  }

  /**
   * MMUEXT_PIN_Ln_TABLE.
   * @param level 1-4
   * @returns 0; -EINVAL (not the domain's, other type, bad entries, pinned already) or what getPageType gives
   */
  pin(mfn: number, level: number, domid: number, workBudget = Infinity): number {
    const f = this.frames;
    const references = this.references;
    if (!(level >= 1 && level <= 4) || !f.getRef(mfn, domid, this.limit)) return -EINVAL;
    references.setBudget(workBudget);
    let rc = references.take(mfn, level);
    if (rc !== 0) {
      f.putRef(mfn);
      if (rc !== -ERESTART) references.drain(domid);
      return rc;
    }
    if ((f.flags[mfn] & FrameFlags.pinned) !== 0) {
      references.drop(mfn);
      f.putRef(mfn);
      rc = -EINVAL;
    } else {
      f.flags[mfn] |= FrameFlags.pinned;
    }
    return rc;
  }

  /** MMUEXT_UNPIN_TABLE. 0; -EINVAL not the domain's or not pinned; -ERESTART unpinned, but `continueWork` is due. */
  unpin(mfn: number, domid: number, workBudget = Infinity): number {
    const f = this.frames;
    if (!f.exists(mfn) || f.owner[mfn] !== domid || (f.flags[mfn] & FrameFlags.pinned) === 0) return -EINVAL;
    this.references.setBudget(workBudget);
    this.references.unpin(mfn);
    return this.references.drain(domid);
  }

  /**
   * MMU_NORMAL_PT_UPDATE: stores a word in a frame of the domain. In a page table it is checked as an entry of the
   * table's level; in an untyped or writable frame it is stored as it is.
   * @param index which of the 512 words
   * @returns 0, -EINVAL, -EPERM, -EBUSY, -ENOMEM (see FrameTable.own), or -ERESTART (nothing stored, call again)
   */
  modEntry(tableMfn: number, index: number, lo: number, hi: number, domid: number, options = NO_OPTIONS): number {
    const f = this.frames;
    if (!(tableMfn >= f.firstMfn && tableMfn < f.endMfn) || f.owner[tableMfn] !== domid) return -EINVAL;
    if (!(index >= 0 && index < 512) || f.refCount[tableMfn] === 0) return -EINVAL;
    const type = f.type[tableMfn];
    if (!f.own(tableMfn)) return -ENOMEM;
    const word = (f.place[tableMfn] << 10) + index * 2;
    if (type === PageType.none || type === PageType.writable) {
      this.references.store(tableMfn, word, lo, hi);
      return 0;
    }
    if (type > PageType.l4 || (f.flags[tableMfn] & FrameFlags.validated) === 0) return -EINVAL;
    if (options.preserveAd) lo |= this.u32[word] & (Pte.accessed | Pte.dirty);
    if (type === PageType.l1) return this.updateL1(tableMfn, index, word, lo >>> 0, hi >>> 0, domid);
    this.references.setBudget(options.workBudget ?? Infinity);
    const rc = this.updateTable(tableMfn, type, index, word, lo >>> 0, hi >>> 0, domid);
    if (rc !== -ERESTART) this.references.drain(domid);
    return rc;
  }

  /** Stores an entry of a validated L1 table; -EINVAL if the frame is none. */
  modL1(l1Mfn: number, index: number, lo: number, hi: number, domid: number, options = NO_OPTIONS): number {
    const word = this.l1Word(l1Mfn, index, domid);
    if (word === 0) return -EINVAL;
    if (options.preserveAd) lo |= this.u32[word] & (Pte.accessed | Pte.dirty);
    return this.updateL1(l1Mfn, index, word, lo >>> 0, hi >>> 0, domid);
  }

  /** `modL1` if the entry still has the expected value (all 64 bits). 1 if it has not. For page-table write faults. */
  compareExchangeL1(
    l1Mfn: number,
    index: number,
    oldLo: number,
    oldHi: number,
    lo: number,
    hi: number,
    domid: number,
  ): number {
    const word = this.l1Word(l1Mfn, index, domid);
    if (word === 0) return -EINVAL;
    if (this.u32[word] !== oldLo >>> 0 || this.u32[word + 1] !== oldHi >>> 0) return 1;
    return this.updateL1(l1Mfn, index, word, lo >>> 0, hi >>> 0, domid);
  }

  /**
   * Stores the entry of a grant map in an L1 table of `domid`. Whoever owns the frame, the entry takes no reference:
   * the caller holds a general one, and for a writable entry a writable one, until the entry is cleared. It carries
   * Xen's grant mark, which no guest can forge; a guest that overwrites the entry drops nothing.
   * @returns 0, -EINVAL or -ENOMEM
   */
  storeGrantEntry(l1Mfn: number, index: number, lo: number, hi: number, domid: number): number {
    const word = this.l1Word(l1Mfn, index, domid);
    if (word === 0 || (lo & 1) === 0 || (lo & L1_DISALLOWED) !== 0) return -EINVAL;
    const mfn = pteMfn(lo, hi);
    const f = this.frames;
    if (!f.exists(mfn) || f.heldRefs[mfn] === 0) return -EINVAL;
    if ((lo & Pte.rw) !== 0) {
      if (f.type[mfn] !== PageType.writable || f.heldTypes[mfn] === 0) return -EINVAL;
      // Not at the first write, which is another domain's: what it would have to suffer is the owner's.
      if (!f.own(mfn)) return -ENOMEM;
    }
    const newHi = this.references.adjustedL1Hi(lo, hi | Pte.hiGrant, domid);
    this.replaceL1(l1Mfn, index, word, this.references.adjustedL1Lo(lo, newHi, domid), newHi, domid);
    return 0;
  }

  /**
   * Clears the entry of a grant map, or moves another entry of the domain, with its references, in its place
   * (GNTTABOP_unmap_and_replace).
   * @returns 0; -ENOENT if the entry does not map `mfn` for a grant with this writability; -EINVAL bad table
   */
  clearGrantEntry(
    l1Mfn: number,
    index: number,
    mfn: number,
    writable: boolean,
    domid: number,
    fromL1Mfn = -1,
    fromIndex = 0,
  ): number {
    const word = this.l1Word(l1Mfn, index, domid);
    if (word === 0) return -EINVAL;
    const lo = this.u32[word];
    const hi = this.u32[word + 1];
    if ((lo & 1) === 0 || (hi & Pte.hiGrant) === 0 || pteMfn(lo, hi) !== mfn) return -ENOENT;
    if (((lo & Pte.rw) !== 0) !== writable) return -ENOENT;
    let newLo = 0;
    let newHi = 0;
    if (fromL1Mfn !== -1) {
      const from = this.l1Word(fromL1Mfn, fromIndex, domid);
      if (from === 0 || from === word) return -EINVAL;
      newLo = this.u32[from];
      newHi = this.u32[from + 1];
      this.references.store(fromL1Mfn, from, 0, 0);
      if ((newLo & 1) !== 0) this.dropTranslations(domid, fromIndex, newLo, newHi);
    }
    this.replaceL1(l1Mfn, index, word, newLo, newHi, domid);
    return 0;
  }

  /**
   * HYPERVISOR_update_descriptor: stores a descriptor in a frame of the domain that is a descriptor table or writable.
   * @param offset byte offset in the frame, a multiple of 8
   * @returns 0, -EINVAL or -ENOMEM
   */
  updateDescriptor(mfn: number, offset: number, lo: number, hi: number, domid: number): number {
    const f = this.frames;
    if (!f.exists(mfn) || f.owner[mfn] !== domid || f.refCount[mfn] === 0) return -EINVAL;
    if (!(offset >= 0 && offset < 4096 && offset % 8 === 0)) return -EINVAL;
    const words = this.descriptor;
    words.lo = lo >>> 0;
    words.hi = hi >>> 0;
    if (!adjustDescriptor(words, this.references.isPae(domid))) return -EINVAL;
    const type = f.type[mfn];
    if (type !== PageType.segDesc && type !== PageType.writable && type !== PageType.none) return -EINVAL;
    if (!f.own(mfn)) return -ENOMEM;
    this.references.store(mfn, (f.place[mfn] << 10) + offset / 4, words.lo, words.hi);
    return 0;
  }

  /**
   * Makes a frame of DOMID_XEN the domain's to map (share_xen_page_with_guest): shared_info and the like. It can never
   * become a page table, and the domain cannot give it back.
   * @param writable whether the domain may write it
   * @throws Error if the frame is not a free-standing one of DOMID_XEN
   */
  shareWithGuest(mfn: number, domid: number, writable: boolean): void {
    const f = this.frames;
    if (!f.exists(mfn) || f.owner[mfn] !== DOMID_XEN || f.typeCount[mfn] !== 0) {
      throw new Error(`frame 0x${mfn.toString(16)} cannot be shared`);
    }
    f.setOwner(mfn, domid);
    f.flags[mfn] |= FrameFlags.xenHeap;
    f.type[mfn] = writable ? PageType.writable : PageType.shared;
    f.typeCount[mfn] = 1;
  }

  /** Ends `shareWithGuest` and frees the frame as soon as no entry maps it any more. */
  unshare(mfn: number): void {
    const f = this.frames;
    if (!f.exists(mfn) || (f.flags[mfn] & FrameFlags.xenHeap) === 0) {
      throw new Error(`frame 0x${mfn.toString(16)} is not shared`);
    }
    f.flags[mfn] &= ~FrameFlags.xenHeap;
    this.references.drop(mfn);
    this.references.unallocate(mfn);
  }

  /**
   * A domain gives a frame back (XENMEM_decrease_reservation): its own reference goes, and the frame is free as soon as
   * nobody refers to it. 0, or -EINVAL if the frame is not the domain's to give.
   */
  releaseFrame(mfn: number, domid: number): number {
    const f = this.frames;
    if (!f.exists(mfn) || f.owner[mfn] !== domid) return -EINVAL;
    if ((f.flags[mfn] & (FrameFlags.allocated | FrameFlags.xenHeap)) !== FrameFlags.allocated) return -EINVAL;
    this.references.unallocate(mfn);
    return 0;
  }

  /**
   * Destroys a domain's memory: unpins, devalidates and frees. Its vcpus must be stopped and references that the
   * hypervisor holds for it (CR3 roots, descriptor tables) dropped. Frames shared by `shareWithGuest` are left to
   * `unshare`; frames to which others hold references (grant maps) stay until those go: `frames.ownedBy(domid)` counts
   * them.
   * @param workBudget entries and frames to handle in this call
   * @returns 0 when done, -ERESTART when it must be called again
   */
  releaseDomain(domid: number, workBudget = Infinity): number {
    const f = this.frames;
    const references = this.references;
    let release = this.releases.get(domid);
    if (!release) {
      release = { phase: 0, next: f.firstMfn };
      this.releases.set(domid, release);
    }
    references.setBudget(workBudget);
    while (release.phase < 2) {
      if (references.drain(domid) !== 0) return -ERESTART;
      const mfn = f.nextOwned(domid, release.next);
      if (mfn < 0) {
        release.phase++;
        release.next = f.firstMfn;
        continue;
      }
      release.next = mfn + 1;
      const flags = f.flags[mfn];
      if (release.phase === 0) {
        if ((flags & FrameFlags.partial) !== 0) references.abandon(mfn);
        else if ((flags & FrameFlags.pinned) !== 0) references.unpin(mfn);
      } else if ((flags & (FrameFlags.allocated | FrameFlags.xenHeap)) === FrameFlags.allocated) {
        references.unallocate(mfn);
      }
      if (--references.budget <= 0) return -ERESTART;
    }
    this.releases.delete(domid);
    return 0;
  }

  /** Word index of an entry of a validated L1 table of the domain; 0 if it is none. */
  private l1Word(l1Mfn: number, index: number, domid: number): number {
    const f = this.frames;
    if (!(l1Mfn >= f.firstMfn && l1Mfn < f.endMfn) || f.owner[l1Mfn] !== domid) return 0;
    if (f.type[l1Mfn] !== PageType.l1 || (f.flags[l1Mfn] & FrameFlags.validated) === 0) return 0;
    return index >= 0 && index < 512 ? (f.place[l1Mfn] << 10) + index * 2 : 0;
  }

  private updateL1(table: number, index: number, word: number, lo: number, hi: number, domid: number): number {
    const references = this.references;
    if ((lo & 1) === 0) {
      this.replaceL1(table, index, word, lo, hi, domid);
      return 0;
    }
    if ((lo & L1_DISALLOWED) !== 0) return -EINVAL;
    const oldLo = this.u32[word];
    const oldHi = this.u32[word + 1];
    const sameFrame = ((oldLo ^ lo) & FRAME_BITS) === 0 && ((oldHi ^ hi) & Pte.hiAddress) === 0;
    if ((oldLo & 1) !== 0 && sameFrame && ((oldLo ^ lo) & Pte.rw) === 0) {
      if ((hi & ~oldHi & Pte.hiGrant) !== 0) return -EINVAL;
      const newHi = references.adjustedL1Hi(lo, hi | (oldHi & Pte.hiGrant), domid);
      const newLo = references.adjustedL1Lo(lo, newHi, domid);
      references.store(table, word, newLo, newHi);
      // Translations exist only of accessed entries, writable ones only of dirty entries, a user's only with USER; keep it so.
      const lost = (oldLo & ~newLo & (Pte.accessed | Pte.dirty | Pte.user)) | (newHi & ~oldHi & Pte.hiNoExecute);
      if (lost !== 0) this.dropTranslations(domid, index, oldLo, oldHi);
      return 0;
    }
    if ((hi & Pte.hiGrant) !== 0) return -EINVAL;
    const rc = references.takePage(pteMfn(lo, hi), (lo & Pte.rw) !== 0, domid);
    if (rc !== 0) return rc;
    const newHi = references.adjustedL1Hi(lo, hi, domid);
    this.replaceL1(table, index, word, references.adjustedL1Lo(lo, newHi, domid), newHi, domid);
    return 0;
  }

  /** Stores an L1 entry whose references are taken and drops those of the old one. */
  private replaceL1(table: number, index: number, word: number, lo: number, hi: number, domid: number): void {
    const oldLo = this.u32[word];
    const oldHi = this.u32[word + 1];
    this.references.store(table, word, lo, hi);
    if ((oldLo & 1) === 0) return;
    this.dropTranslations(domid, index, oldLo, oldHi);
    this.references.dropL1Entry(oldLo, oldHi);
  }

  /** The soft TLB forgets a present L1 entry. It holds no translation of one that was never accessed. */
  private dropTranslations(domid: number, index: number, oldLo: number, oldHi: number): void {
    if ((oldLo & Pte.accessed) === 0) return;
    this.tlb.dropL1(domid, index, pteMfn(oldLo, oldHi), (oldLo & Pte.dirty) !== 0, (oldHi & Pte.hiNoExecute) === 0);
  }

  private updateTable(
    table: number,
    level: number,
    index: number,
    word: number,
    lo: number,
    hi: number,
    domid: number,
  ): number {
    if (level === 4 && index >= FIRST_XEN_SLOT && index < END_XEN_SLOT) return -EINVAL;
    const references = this.references;
    if (level === 2 && index >= PAE_FIRST_XEN_SLOT && references.isTop(table)) return -EPERM;
    if (level === 3 && index >= PAE_TOP_ENTRY && references.isPae(domid)) return -EINVAL;
    const oldLo = this.u32[word];
    const oldHi = this.u32[word + 1];
    const wasPresent = (oldLo & 1) !== 0;
    const wasUsed = wasPresent && (oldLo & Pte.accessed) !== 0;
    if ((lo & 1) !== 0) {
      if ((lo & TABLE_DISALLOWED) !== 0) return -EINVAL;
      const newLo = references.adjustedTableLo(lo, level, domid);
      const sameFrame = ((oldLo ^ lo) & FRAME_BITS) === 0 && ((oldHi ^ hi) & Pte.hiAddress) === 0;
      // RW may only change with new references: it decides whether a linear entry is allowed (XSA-182).
      if (wasPresent && sameFrame && ((oldLo ^ newLo) & Pte.rw) === 0) {
        if (level === 3 && (hi & ~Pte.hiAddress) !== 0 && references.isPae(domid)) return -EINVAL;
        references.store(table, word, newLo, hi);
        const lost = (oldLo & ~newLo & (Pte.accessed | Pte.user)) | (hi & ~oldHi & Pte.hiNoExecute);
        if (lost !== 0 && wasUsed) references.dropTranslations(domid, level, index);
        return 0;
      }
      const rc = references.takeChild(table, level, lo, hi, domid);
      if (rc !== 0) return rc;
      references.store(table, word, newLo, hi);
    } else {
      references.store(table, word, lo, hi);
    }
    if (wasUsed) references.dropTranslations(domid, level, index);
    references.dropTableEntry(table, level, oldLo, oldHi);
    return 0;
  }

  private unhold(held: Uint32Array, mfn: number, kind: string): void {
    if (!this.frames.exists(mfn) || held[mfn] === 0) {
      throw new Error(`frame 0x${mfn.toString(16)}: ${kind} reference given back that nobody holds`);
    }
    held[mfn]--;
  }
}
