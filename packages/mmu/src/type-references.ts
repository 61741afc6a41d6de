import { adjustDescriptor, type DescriptorWords } from "./descriptors.ts";
import { EBUSY, EINVAL, ENOMEM, EPERM, ERESTART } from "./errno.ts";
import type { FrameTable } from "./frames.ts";
import type { MachineMemory } from "./memory.ts";
import { PAE_FIRST_XEN_SLOT, PAE_ROOT_ENTRIES, PAE_TOP_ENTRY } from "./pae.ts";
import { DOMID_FREE, FrameFlags, PageType } from "./page-type.ts";
import { END_XEN_SLOT, FIRST_XEN_SLOT, L1_DISALLOWED, Pte, pteMfn, TABLE_DISALLOWED } from "./pte.ts";
import type { TlbBanks } from "./tlb.ts";

/** Decisions that are not this package's. */
export interface PageTypePolicy {
  /** May `domid` map a frame that it does not own? Default: no. The frame's type and counts still apply. */
  foreignFrameAllowed(mfn: number, domid: number, writable: boolean): boolean;
  /** Does an L4 table of `domid` show the machine-to-physical table as soon as it is one? Default: yes. */
  showsMachineToPhys(domid: number): boolean;
}

const { allocated, pinned, validated, partial, devalidating, queued } = FrameFlags;
const NOT_DEVALIDATED = ~(validated | partial | devalidating);
/** Stands for "no limit"; small enough to stay an integer. */
const UNLIMITED = 2 ** 30;
const ENTRIES = 512;
/** All bits of an entry's frame number. */
const INVALID_MFN = 2 ** 40 - 1;

/**
 * The references that page-table entries hold, and how a table gets and loses its type.
 *
 * A table under (de)validation is `partial`: `progress` entries, from the first, hold references. It keeps one type
 * and one general reference on itself, so nobody else answers for it; whoever asks for the same type goes on validating
 * it, any other use is refused, and the work list of its owner finishes a devalidation. This is what makes it safe to
 * stop anywhere.
 */
export class TypeReferences {
  /** Entries that may still be handled before the present operation must stop. */
  budget = UNLIMITED;
  private granted = UNLIMITED;
  private handled = 0;
  /** The Xen slots 256-271 of every L4 table, (lo, hi) each. */
  readonly xenSlots = new Uint32Array(2 * (END_XEN_SLOT - FIRST_XEN_SLOT));
  /** What an L2 table of a PAE guest has from `PAE_FIRST_XEN_SLOT` on if it is its root's last, (lo, hi) each. */
  readonly paeSlots = new Uint32Array(2 * (ENTRIES - PAE_FIRST_XEN_SLOT));
  readonly u32: Uint32Array;
  /** 1 for each domain whose tables are those of a 32-bit guest. */
  private readonly paeDomains = new Uint8Array(DOMID_FREE + 1);
  /** L2 tables that hold Xen's slots of a 32-bit guest. It is as if they had a type of their own. */
  private readonly tops = new Set<number>();
  /** Domains that ever had a linear entry: their tables serve at lower levels, too. */
  private readonly linearDomains = new Set<number>();
  private readonly queues = new Map<number, number[]>();
  private readonly words: DescriptorWords = { lo: 0, hi: 0 };

  constructor(
    memory: MachineMemory,
    readonly frames: FrameTable,
    readonly tlb: TlbBanks,
    readonly policy: PageTypePolicy,
    /** No count exceeds this. */
    readonly limit: number,
    private readonly linearAllowed: boolean,
  ) {
    this.u32 = memory.u32;
  }

  setPae(domid: number, on: boolean): void {
    this.paeDomains[domid] = on ? 1 : 0;
  }

  isPae(domid: number): boolean {
    return this.paeDomains[domid] !== 0;
  }

  /** Does this table have Xen's slots of a 32-bit guest? */
  isTop(mfn: number): boolean {
    return this.tops.size !== 0 && this.tops.has(mfn);
  }

  /** How many entries of a table, from the first, are its guest's; in L4 tables Xen's lie among them. */
  guestEntries(mfn: number, level: number): number {
    if (this.paeDomains[this.frames.owner[mfn]] === 0) return ENTRIES;
    if (level === 3) return PAE_ROOT_ENTRIES;
    return level === 2 && this.tops.has(mfn) ? PAE_FIRST_XEN_SLOT : ENTRIES;
  }

  setBudget(work: number): void {
    this.handled += this.granted - this.budget;
    this.granted = this.budget = Math.min(work, UNLIMITED);
  }

  /** Entries and frames handled since the beginning. */
  get totalWork(): number {
    return this.handled + this.granted - this.budget;
  }

  /** Takes a typed reference; the caller holds a general one. 0, -EINVAL, -EBUSY, -EPERM, -ENOMEM, -ERESTART. */
  take(mfn: number, type: number): number {
    return type === PageType.l2 && this.isTop(mfn) ? -EINVAL : this.takeType(mfn, type);
  }

  /** `take` of the L2 table that gets Xen's slots. It serves one L3 table only. */
  private takeTop(mfn: number): number {
    if (this.frames.typeCount[mfn] === 0) this.tops.add(mfn);
    else if (!this.tops.has(mfn) || (this.frames.flags[mfn] & partial) === 0) return -EINVAL;
    return this.takeType(mfn, PageType.l2);
  }

  private takeType(mfn: number, type: number): number {
    const f = this.frames;
    const count = f.typeCount[mfn];
    if (count === 0) {
      if (type === PageType.l4 && this.isPae(f.owner[mfn])) return -EINVAL;
      // Tables and descriptors are always in a place of their own: pointers to them stay good.
      if (type !== PageType.writable && !f.own(mfn)) return -ENOMEM;
      if (type === PageType.segDesc) {
        if (!this.adjustDescriptors(mfn)) return -EINVAL;
        f.flags[mfn] |= validated;
      }
      f.type[mfn] = type;
      f.typeCount[mfn] = 1;
      if (type > PageType.l4) return 0;
      f.flags[mfn] |= partial;
      f.refCount[mfn]++;
      f.progress[mfn] = 0;
      if (type === PageType.l3 && this.isPae(f.owner[mfn])) this.clearBehindRoot(mfn);
      return this.validate(mfn, type);
    }
    if (f.type[mfn] !== type) return -EINVAL;
    if ((f.flags[mfn] & partial) !== 0) {
      f.flags[mfn] &= ~devalidating;
      return this.validate(mfn, type);
    }
    if (count >= this.limit) return -EBUSY;
    f.typeCount[mfn] = count + 1;
    return 0;
  }

  /** Drops a typed reference; the last one of a table puts it on the work list. The caller holds a general one. */
  drop(mfn: number): void {
    const f = this.frames;
    const count = f.typeCount[mfn];
    if (count > 1) {
      f.typeCount[mfn] = count - 1;
      return;
    }
    if (count === 0) throw new Error(`frame 0x${mfn.toString(16)}: type reference dropped that nobody held`);
    const type = f.type[mfn];
    if (type <= PageType.l4) {
      if ((f.flags[mfn] & validated) === 0) throw new Error(`frame 0x${mfn.toString(16)}: partial table dropped`);
      f.flags[mfn] = (f.flags[mfn] & ~validated) | partial;
      f.refCount[mfn]++;
      f.progress[mfn] = this.guestEntries(mfn, type);
      if (type === PageType.l4) this.tlb.forget(mfn);
      this.abandon(mfn);
      return;
    }
    this.clearType(mfn);
  }

  /** Turns a partial table round: its entries' references are to be dropped. */
  abandon(mfn: number): void {
    const f = this.frames;
    const flags = f.flags[mfn];
    f.flags[mfn] = flags | devalidating | queued;
    if ((flags & queued) !== 0) return;
    const domid = f.owner[mfn];
    const queue = this.queues.get(domid);
    if (queue) queue.push(mfn);
    else this.queues.set(domid, [mfn]);
  }

  hasWork(domid: number): boolean {
    return this.queues.size !== 0 && this.queues.has(domid);
  }

  /** The soft TLB forgets what came through an entry of a table of level 2 to 4. */
  dropTranslations(domid: number, level: number, index: number): void {
    // Through linear entries a table's own entries are leaves, or lead to tables, of any lower level.
    if (this.linearDomains.size !== 0 && this.linearDomains.has(domid)) this.tlb.flushDomain(domid);
    else this.tlb.dropTable(domid, level, index);
  }

  /** Works the domain's list off as far as the budget goes. 0 or -ERESTART. */
  drain(domid: number): number {
    if (this.queues.size === 0) return 0;
    const queue = this.queues.get(domid);
    if (!queue) return 0;
    const flags = this.frames.flags;
    for (let mfn = queue.pop(); mfn !== undefined; mfn = queue.pop()) {
      flags[mfn] &= ~queued;
      if ((flags[mfn] & devalidating) === 0) continue;
      if (!this.devalidate(mfn)) {
        flags[mfn] |= queued;
        queue.push(mfn);
        return -ERESTART;
      }
    }
    this.queues.delete(domid);
    return 0;
  }

  private validate(mfn: number, level: number): number {
    const f = this.frames;
    const domid = f.owner[mfn];
    const start = f.place[mfn] << 10;
    const end = this.guestEntries(mfn, level);
    for (let i = f.progress[mfn]; i < end; ) {
      if (level === 4 && i === FIRST_XEN_SLOT) {
        i = END_XEN_SLOT;
        continue;
      }
      const word = start + (i << 1);
      const lo = this.u32[word];
      if ((lo & 1) !== 0) {
        const rc = level === 1 ? this.takeL1Entry(mfn, word, domid) : this.takeTableEntry(mfn, level, word, domid);
        if (rc !== 0) {
          f.progress[mfn] = i;
          if (rc !== -ERESTART) this.abandon(mfn);
          return rc;
        }
      } else if (end === PAE_ROOT_ENTRIES && i === PAE_TOP_ENTRY) {
        f.progress[mfn] = i;
        this.abandon(mfn);
        return -EINVAL;
      }
      i++;
      if (--this.budget <= 0 && i < end) {
        f.progress[mfn] = i;
        return -ERESTART;
      }
    }
    f.progress[mfn] = end;
    if (level === 4) this.installXenSlots(mfn);
    else if (end === PAE_FIRST_XEN_SLOT) this.installPaeSlots(mfn);
    f.flags[mfn] = (f.flags[mfn] & ~partial) | validated;
    f.putRef(mfn);
    return 0;
  }

  /** Drops the entries' references from the last one down; false if the budget ran out. */
  private devalidate(mfn: number): boolean {
    const f = this.frames;
    const level = f.type[mfn];
    const start = f.place[mfn] << 10;
    for (let i = f.progress[mfn]; i > 0; ) {
      i--;
      if (level === 4 && i < END_XEN_SLOT && i >= FIRST_XEN_SLOT) continue;
      f.progress[mfn] = i;
      const word = start + (i << 1);
      const lo = this.u32[word];
      const hi = this.u32[word + 1];
      if (level > 1) {
        this.dropTableEntry(mfn, level, lo, hi);
      } else if ((lo & 1) !== 0 && (hi & Pte.hiGrant) !== 0) {
        // The grant's handle keeps its references; the entry must not survive in a frame that the guest can write.
        this.store(mfn, word, 0, 0);
      } else {
        this.dropL1Entry(lo, hi);
      }
      if (--this.budget <= 0 && i > 0) return false;
    }
    f.progress[mfn] = 0;
    this.clearType(mfn);
    f.putRef(mfn);
    return true;
  }

  private clearType(mfn: number): void {
    const f = this.frames;
    f.typeCount[mfn] = 0;
    f.type[mfn] = PageType.none;
    f.flags[mfn] &= NOT_DEVALIDATED;
    if (this.tops.size !== 0) this.tops.delete(mfn);
  }

  private takeL1Entry(table: number, word: number, domid: number): number {
    const lo = this.u32[word];
    const hi = this.u32[word + 1];
    if ((lo & L1_DISALLOWED) !== 0 || (hi & Pte.hiGrant) !== 0) return -EINVAL;
    const rc = this.takePage(pteMfn(lo, hi), (lo & Pte.rw) !== 0, domid);
    if (rc !== 0) return rc;
    const newHi = this.adjustedL1Hi(lo, hi, domid);
    const newLo = this.adjustedL1Lo(lo, newHi, domid);
    if (newLo !== lo || newHi !== hi) this.store(table, word, newLo, newHi);
    return 0;
  }

  /** High word of an L1 entry with Xen's marks: without USER it becomes a page of the guest's kernel. PAE guests get none. */
  adjustedL1Hi(lo: number, hi: number, domid: number): number {
    return (lo & Pte.user) === 0 && !this.isPae(domid) ? (hi | Pte.hiGuestKernel) >>> 0 : hi >>> 0;
  }

  /** Low word to go with `adjustedL1Hi`: pages of the guest's user programs become GLOBAL. */
  adjustedL1Lo(lo: number, adjustedHi: number, domid: number): number {
    if (this.isPae(domid)) return lo >>> 0;
    return ((adjustedHi & Pte.hiGuestKernel) === 0 ? lo | Pte.user | Pte.global : lo | Pte.user) >>> 0;
  }

  /** References of an L1 entry. -EPERM: no frame (-EINVAL for the all-ones number); -EBUSY: not the domain's, or typed otherwise. */
  takePage(mfn: number, writable: boolean, domid: number): number {
    const f = this.frames;
    // What is no frame counts as I/O memory, which the domain has no right to; backends rely on -EINVAL for "no frame".
    if (!(mfn >= f.firstMfn && mfn < f.endMfn) || f.place[mfn] === 0) return mfn === INVALID_MFN ? -EINVAL : -EPERM;
    const owner = f.owner[mfn];
    if (owner !== domid && (owner === DOMID_FREE || !this.policy.foreignFrameAllowed(mfn, domid, writable))) {
      return -EBUSY;
    }
    const refs = f.refCount[mfn];
    if (refs === 0 || refs >= this.limit) return -EBUSY;
    if (writable) {
      const count = f.typeCount[mfn];
      if (count === 0) f.type[mfn] = PageType.writable;
      else if (f.type[mfn] !== PageType.writable || count >= this.limit) return -EBUSY;
      f.typeCount[mfn] = count + 1;
    }
    f.refCount[mfn] = refs + 1;
    return 0;
  }

  /** Gives back what `takePage` took. An entry that belongs to a grant map holds nothing. */
  dropL1Entry(lo: number, hi: number): void {
    if ((lo & 1) === 0 || (hi & Pte.hiGrant) !== 0) return;
    const mfn = pteMfn(lo, hi);
    if ((lo & Pte.rw) !== 0) this.drop(mfn);
    this.frames.putRef(mfn);
  }

  private takeTableEntry(table: number, level: number, word: number, domid: number): number {
    const lo = this.u32[word];
    const isTop = level === 3 && ((word >>> 1) & (ENTRIES - 1)) === PAE_TOP_ENTRY && this.isPae(domid);
    const rc = this.takeChild(table, level, lo, this.u32[word + 1], domid, isTop);
    if (rc !== 0) return rc;
    const newLo = this.adjustedTableLo(lo, level, domid);
    if (newLo !== lo) this.store(table, word, newLo, this.u32[word + 1]);
    return 0;
  }

  /** USER everywhere, ACCESSED in L4; of a PAE guest USER and RW in the root, which has no such bits by itself. */
  adjustedTableLo(lo: number, level: number, domid: number): number {
    if (this.isPae(domid)) return (level === 3 ? lo | Pte.user | Pte.rw : lo) >>> 0;
    return (level === 4 ? lo | Pte.user | Pte.accessed : lo | Pte.user) >>> 0;
  }

  /**
   * References of an L2-L4 entry in `table`: on the next lower table, or a linear one.
   * @param isTop it is the PAE root's entry for Xen's slots
   */
  takeChild(table: number, level: number, lo: number, hi: number, domid: number, isTop = false): number {
    if ((lo & TABLE_DISALLOWED) !== 0) return -EINVAL;
    const isPaeRoot = level === 3 && this.isPae(domid);
    if (isPaeRoot && (hi & ~Pte.hiAddress) !== 0) return -EINVAL;
    const child = pteMfn(lo, hi);
    const f = this.frames;
    if (!f.getRef(child, domid, this.limit)) return -EINVAL;
    const rc = isTop ? this.takeTop(child) : this.take(child, level - 1);
    if (rc === 0) return 0;
    if (rc === -EINVAL && !isPaeRoot && (lo & Pte.rw) === 0 && this.takeLinear(table, level, child)) return 0;
    f.putRef(child);
    return rc;
  }

  /**
   * A read-only entry for a table of the same level. A table is either the target of such entries or has some, never
   * both, which bounds how deep they reach (XSA-240). An entry for the table itself holds no reference: returns true
   * with the caller's general reference given back.
   */
  private takeLinear(table: number, level: number, child: number): boolean {
    const f = this.frames;
    if (!this.linearAllowed) return false;
    if (child === table) {
      f.putRef(child);
      this.linearDomains.add(f.owner[table]);
      return true;
    }
    if (f.type[child] !== level || this.isTop(child) || (f.flags[child] & validated) === 0) return false;
    if (f.linear[table] > 0 || f.linear[child] < 0 || f.typeCount[child] >= this.limit) return false;
    f.linear[table]--;
    f.linear[child]++;
    f.typeCount[child]++;
    this.linearDomains.add(f.owner[table]);
    return true;
  }

  /** Gives back what `takeChild` took. */
  dropTableEntry(table: number, level: number, lo: number, hi: number): void {
    if ((lo & 1) === 0) return;
    const child = pteMfn(lo, hi);
    if (child === table) return;
    const f = this.frames;
    if (f.type[child] === level) {
      f.linear[table]++;
      f.linear[child]--;
    }
    this.drop(child);
    f.putRef(child);
  }

  /** Stores an entry and tells the code cache, should the frame be executed as well. */
  store(table: number, word: number, lo: number, hi: number): void {
    this.u32[word] = lo;
    this.u32[word + 1] = hi;
    this.frames.clean[table] = 0;
    if (this.frames.hasCode(table)) this.frames.onCodeWrite(table, (word << 2) & 0xfff, 8);
  }

  private installXenSlots(mfn: number): void {
    this.u32.set(this.xenSlots, (this.frames.place[mfn] << 10) + FIRST_XEN_SLOT * 2);
    if (!this.policy.showsMachineToPhys(this.frames.owner[mfn])) this.showMachineToPhys(mfn, false);
    this.frames.noteHostWrite(mfn, FIRST_XEN_SLOT * 8, this.xenSlots.byteLength);
  }

  private installPaeSlots(mfn: number): void {
    this.u32.set(this.paeSlots, (this.frames.place[mfn] << 10) + PAE_FIRST_XEN_SLOT * 2);
    this.frames.noteHostWrite(mfn, PAE_FIRST_XEN_SLOT * 8, this.paeSlots.byteLength);
  }

  /** A guest need not initialize what lies behind the four entries of its root. */
  private clearBehindRoot(mfn: number): void {
    const start = this.frames.place[mfn] << 10;
    this.u32.fill(0, start + PAE_ROOT_ENTRIES * 2, start + ENTRIES * 2);
    this.frames.noteHostWrite(mfn, PAE_ROOT_ENTRIES * 8, (ENTRIES - PAE_ROOT_ENTRIES) * 8);
  }

  /** Fills or empties slot 256 of an L4 table. True if that changed it. */
  showMachineToPhys(mfn: number, visible: boolean): boolean {
    const word = (this.frames.place[mfn] << 10) + FIRST_XEN_SLOT * 2;
    if ((this.u32[word] !== 0) === visible) return false;
    this.store(mfn, word, visible ? this.xenSlots[0] : 0, visible ? this.xenSlots[1] : 0);
    return true;
  }

  private adjustDescriptors(mfn: number): boolean {
    const start = this.frames.place[mfn] << 10;
    const words = this.words;
    const narrow = this.isPae(this.frames.owner[mfn]);
    for (let word = start; word < start + 2 * ENTRIES; word += 2) {
      const lo = (words.lo = this.u32[word]);
      const hi = (words.hi = this.u32[word + 1]);
      if (!adjustDescriptor(words, narrow)) return false;
      if (words.lo !== lo || words.hi !== hi) this.store(mfn, word, words.lo, words.hi);
    }
    return true;
  }

  /** Takes a pin's references off again; the frame must be pinned. */
  unpin(mfn: number): void {
    this.frames.flags[mfn] &= ~pinned;
    this.drop(mfn);
    this.frames.putRef(mfn);
  }

  /** Takes the owner's own reference off; the frame must be allocated. */
  unallocate(mfn: number): void {
    this.frames.flags[mfn] &= ~allocated;
    this.frames.putRef(mfn);
  }
}
