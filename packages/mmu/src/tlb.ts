import { NO_MEMBER } from "./domain-members.ts";
import type { FrameTable } from "./frames.ts";
import { JumpCaches, NO_L4 } from "./jump-caches.ts";
import type { MachineMemory } from "./memory.ts";
import { DOMID_XEN, FrameFlags, PageType } from "./page-type.ts";
import { isSupervisorRoot, rootMfn, supervisorRoot } from "./root.ts";
import { indexInTable } from "./table-indices.ts";
import { BankAssignment, EVERYBODY, LEAST_BANKS, NO_BANK } from "./tlb-assignment.ts";
import { ALL_ENTRIES, BankEntries, READ_ENTRIES } from "./tlb-entries.ts";
import {
  BANK_BYTES,
  FILL_LOG_WRITE,
  HEADER_CHANGES,
  HEADER_DOMID,
  HEADER_ROOT,
  TLB_HEADER,
  TLB_READ,
  TLB_WRITE,
} from "./tlb-layout.ts";
import { PageFault, type Walker } from "./walker.ts";

export interface TlbBanksOptions {
  /** How many address spaces keep their translations at a time. Default 32, at most 1024; 660 KiB each. */
  banks?: number;
}

const DEFAULT_BANKS = 32;

/**
 * The soft TLB: a bank of translations for each of the address spaces used last. Only `fill` adds entries, and only what
 * the walker allows. PageTypes keeps it coherent: whenever a present entry of a validated table changes, translations
 * that could come from it are dropped at once. So no frame is ever freed or given another type while a translation to
 * it is left, and a guest's own flush requests need no work here.
 */
export class TlbBanks {
  /** Banks that there is room for. */
  readonly count: number;
  /** Host address of a u32 that is another one whenever what `bankOf` and `jumpCache` answer may be. */
  readonly changesAddress: number;
  private readonly u32: Uint32Array;
  private readonly assignment: BankAssignment;
  private readonly entries: BankEntries;
  private readonly jumps: JumpCaches;
  /** Some translation for writing led to a frame without a type: there are tables that nobody validates. */
  private writesUntyped = false;
  /** The bank that was last given to an address space, if it is as empty as then. */
  private assigned = NO_BANK;

  constructor(
    memory: MachineMemory,
    private readonly frames: FrameTable,
    private readonly walker: Walker,
    private readonly start: number,
    options: TlbBanksOptions = {},
  ) {
    this.count = options.banks ?? DEFAULT_BANKS;
    this.u32 = memory.u32;
    this.changesAddress = start + TLB_HEADER + HEADER_CHANGES;
    this.assignment = new BankAssignment(this.count, frames.endMfn);
    const jumps = start + this.count * BANK_BYTES;
    this.jumps = new JumpCaches(memory, jumps, this.count, this.changesAddress >>> 2);
    this.entries = new BankEntries(memory, start, this.count, jumps + JumpCaches.bytes(this.count));
  }

  /** Host bytes that `count` banks need; reserve them with an alignment of 4096. */
  static bytes(options: TlbBanksOptions = {}): number {
    const banks = options.banks ?? DEFAULT_BANKS;
    if (!(banks >= LEAST_BANKS && banks <= 1024)) throw new RangeError("the soft TLB has 2 to 1024 banks");
    return banks * BANK_BYTES + JumpCaches.bytes(banks) + TLB_HEADER;
  }

  /**
   * Says how many banks `activate` may use from now on; those in use stay. At first, all that there is room for. The more are in
   * use, the longer an update of a page table takes; but where address spaces take turns that are more than the banks, each
   * finds its own emptied.
   */
  allow(banks: number): void {
    this.assignment.allow(banks);
  }

  /**
   * Selects the bank of an address space before a vcpu runs in it; the bank used longest ago is taken for a new one.
   * @param domid whose address space it is
   * @param root the address space (root.ts)
   * @returns the bank's host address, good until the next `activate`
   */
  activate(domid: number, root: number): number {
    let bank = this.assignment.bankOf(root);
    if (bank < 0) bank = this.assign(domid, root);
    else if (this.jumps.isDue(bank)) this.chooseJumps(bank);
    this.assignment.noteUse(bank);
    return this.start + bank * BANK_BYTES;
  }

  /** Host address of an address space's bank if it can be selected as it is, without `activate`; else 0. */
  bankOf(root: number): number {
    const bank = this.assignment.bankOf(root);
    return bank < 0 || this.jumps.isDue(bank) ? 0 : this.start + bank * BANK_BYTES;
  }

  /** A bank was selected without `activate`. */
  noteUse(base: number): void {
    this.assignment.noteUse(this.bankAt(base));
  }

  /**
   * Translates an address for the address space of a bank and remembers the translation. Called at each TLB miss.
   * A write to a frame with code is reported and not remembered; one to a frame without a place of its own gives it one.
   * @param base the bank's host address
   * @param access Access
   * @param size bytes that will be written, reported if the frame has code; 0: the caller reports the write itself, and begins its
   *   instruction anew if the frame left code
   * @returns host address of the byte; or 0, and walker.errorCode is the #PF error code
   */
  fill(base: number, vaLo: number, vaHi: number, access: number, size = 8): number {
    const walker = this.walker;
    const word = (base + TLB_HEADER + HEADER_ROOT) >>> 2;
    if (walker.walk(this.u32[word], vaLo, vaHi, access, true) !== 0) return 0;
    const frames = this.frames;
    const mfn = walker.mfn;
    const borrowed = (frames.flags[mfn] & FrameFlags.borrowed) !== 0;
    const offset = vaLo & 0xfff;
    if (access === 1) {
      const type = frames.type[mfn];
      if (type !== PageType.writable && type !== PageType.none) {
        // Validation never leaves such an entry; this is the second lock on the same door.
        walker.errorCode = PageFault.present | PageFault.write | PageFault.user;
        return 0;
      }
      if (borrowed && !frames.own(mfn, size === 0)) {
        // Its domain ends: whoever gets this fault has been told by then.
        walker.errorCode = PageFault.present | PageFault.write | PageFault.user;
        return 0;
      }
      const hostPage = (frames.place[mfn] << 12) >>> 0;
      if (frames.hasCode(mfn)) {
        if (size > 0) frames.onCodeWrite(mfn, offset, Math.min(size, 4096 - offset));
        return hostPage + offset;
      }
      if (type === PageType.none) this.writesUntyped = true;
      this.entries.insert(this.bankAt(base), TLB_WRITE, FILL_LOG_WRITE, vaLo, vaHi, hostPage);
      return hostPage + offset;
    }
    if (borrowed) frames.noteRead(mfn, vaLo);
    const hostPage = (frames.place[mfn] << 12) >>> 0;
    this.entries.insert(this.bankAt(base), TLB_READ, 0, vaLo, vaHi, hostPage);
    return hostPage + offset;
  }

  /** Another number whenever what was told to `dependOn` may be forgotten. */
  get dependencies(): number {
    return this.jumps.dependencies;
  }

  /** Host address of the jump cache that goes with a bank, good until the next `activate`. */
  jumpCache(base: number): number {
    return this.jumps.addressOf(this.bankAt(base));
  }

  /** Empties a bank's jump cache. */
  clearJumps(base: number): void {
    this.jumps.clear(this.bankAt(base));
  }

  /** Empties all jump caches. */
  clearAllJumps(): void {
    this.jumps.clearAll();
  }

  private chooseJumps(bank: number): void {
    const root = this.assignment.rootOf(bank);
    this.jumps.choose(bank, this.assignment.members.owner(bank), isSupervisorRoot(root) ? 1 : 0, this.sharedL4(root));
  }

  /** Word index of the L4 table that says which jump caches are an address space's; NO_L4 for one of its own. */
  private sharedL4(root: number): number {
    const { frames } = this;
    const mfn = rootMfn(root);
    // Whoever changes a table that nobody checks need not tell of entries that were absent.
    return mfn < frames.endMfn && frames.type[mfn] === PageType.l4 ? frames.place[mfn] << 10 : NO_L4;
  }

  /** Empties a bank, in time proportional to what was filled, and its jump cache. */
  flushBank(base: number): void {
    this.flush(this.bankAt(base));
  }

  private flush(bank: number): void {
    this.entries.flush(bank);
    this.jumps.clear(bank);
  }

  /** Empties the bank of an address space, if it has one. */
  flushRoot(root: number): void {
    this.walker.forgetFetches();
    const bank = this.assignment.bankOf(root);
    if (bank >= 0) this.flush(bank);
  }

  /** Empties the banks of an L4 table's address spaces. */
  flushL4(l4Mfn: number): void {
    this.flushRoot(l4Mfn);
    this.flushRoot(supervisorRoot(l4Mfn));
  }

  /** Drops a root's translations of one page, or of all 2 MiB around it. */
  dropPage(root: number, vaLo: number, vaHi: number, large: boolean): void {
    this.walker.forgetFetches();
    const bank = this.assignment.bankOf(root);
    if (bank < 0) return;
    const level = large ? 2 : 1;
    this.jumps.forgetInBank(bank, level, indexInTable(vaLo, vaHi, level));
    this.entries.dropPage(bank, vaLo, vaHi, large);
  }

  /** Empties all banks of a domain. */
  flushDomain(domid: number): void {
    this.walker.forgetFetches();
    const { members } = this.assignment;
    for (let bank = members.first(domid); bank !== NO_MEMBER; bank = members.next(bank)) this.flush(bank);
  }

  /** Empties all banks of a domain, but not their jump caches: its frames' bytes stay where they are. */
  flushDomainTranslations(domid: number): void {
    this.walker.forgetFetches();
    const { members } = this.assignment;
    for (let bank = members.first(domid); bank !== NO_MEMBER; bank = members.next(bank)) this.entries.flush(bank);
  }

  /** Empties every bank. */
  flushAll(): void {
    this.walker.forgetFetches();
    const { assignment } = this;
    for (let bank = assignment.first(EVERYBODY); bank !== NO_MEMBER; bank = assignment.next(EVERYBODY, bank))
      this.flush(bank);
  }

  /**
   * A jump-cache entry for an address is about to be added.
   * @param base the bank's host address
   * @param entry the entry's
   */
  noteJump(base: number, vaLo: number, vaHi: number, entry: number): void {
    const bank = this.bankAt(base);
    this.jumps.add(bank, this.sharedL4(this.assignment.rootOf(bank)), vaLo, vaHi, entry);
  }

  /**
   * Fills a bank that `activate` has just assigned from another bank of the same domain: what lies behind entries of their
   * L4 tables that are the same is mapped in the same way, and a kernel is that in all its address spaces. Does nothing for
   * a bank that has been in use.
   * @param from the other bank's host address
   */
  inherit(from: number, base: number): void {
    const bank = this.bankAt(base);
    if (bank !== this.assigned) return;
    // Whatever comes of it: from now on the bank is in use, with translations of its own.
    this.assigned = NO_BANK;
    const other = this.bankAt(from);
    const { assignment } = this;
    const { members } = assignment;
    if (bank === other || other < 0 || members.owner(other) !== members.owner(bank)) return;
    // What a supervisor may use is not everybody's.
    if (isSupervisorRoot(assignment.rootOf(other)) !== isSupervisorRoot(assignment.rootOf(bank))) return;
    const { place, endMfn } = this.frames;
    const heir = rootMfn(assignment.rootOf(bank));
    const donor = rootMfn(assignment.rootOf(other));
    // Translated address spaces have no tables that could be compared here.
    if (heir >= endMfn || donor >= endMfn) return;
    this.entries.inherit(other, bank, place[heir] << 10, place[donor] << 10);
  }

  /** A jump-cache entry with a word, about to be added, is good only while the page of an address is mapped as it is now. */
  dependOn(base: number, vaLo: number, vaHi: number): void {
    const bank = this.bankAt(base);
    this.jumps.dependOn(bank, this.sharedL4(this.assignment.rootOf(bank)), vaLo, vaHi);
  }

  /**
   * Drops what an L1 entry of the domain that mapped `mfn` may have left behind. An L1 entry's index is the low nine
   * bits of the page number of any address that it maps, so eight entries of each array come into question, of which
   * those are looked at that were filled; those of the write array only if the entry was dirty. Only
   * an executable entry can be behind remembered fetches and jumps.
   */
  dropL1(domid: number, index: number, mfn: number, dirty: boolean, executable: boolean): void {
    if (executable) this.walker.forgetFetches();
    const place = this.frames.place[mfn];
    const halves = executable ? this.frames.places.jumpedTo[place] : 0;
    if (halves !== 0) this.jumps.forget(domid, 1, index, halves);
    this.dropFilled(domid, index, dirty ? ALL_ENTRIES : READ_ENTRIES, place);
  }

  /**
   * Drops the entries of some kinds and an L1 index, in a domain's banks or EVERYBODY's, that lead to a place. It is not given the
   * place's address: that may be no small integer, and would be allocated for each call.
   */
  private dropFilled(domid: number, index: number, kinds: number, place: number): void {
    const { assignment, entries } = this;
    const hostPage = (place << 12) >>> 0;
    for (let bank = assignment.first(domid); bank !== NO_MEMBER; bank = assignment.next(domid, bank)) {
      const slots = entries.filledAt(bank, index) & kinds;
      if (slots !== 0) entries.dropFilled(bank, index, slots, hostPage);
    }
  }

  /** Drops what an entry in a table of level 2 to 4 of the domain may have left behind, wherever the table is used. */
  dropTable(domid: number, level: number, index: number): void {
    this.walker.forgetFetches();
    this.jumps.forget(domid, level, index);
    const { members } = this.assignment;
    for (let bank = members.first(domid); bank !== NO_MEMBER; bank = members.next(bank))
      this.entries.dropBehind(bank, level, index);
  }

  private bankAt(base: number): number {
    return (base - this.start) / BANK_BYTES;
  }

  /** Drops the write entries of all banks that lead to this frame, or all of them: the frame has code from now on. */
  flushWritable(mfn?: number): void {
    // What is borrowed has no translation for writing, nor has what no validated table maps for that.
    if (mfn !== undefined) {
      const { flags, type } = this.frames;
      if ((flags[mfn] & FrameFlags.borrowed) !== 0 || (type[mfn] === PageType.none && !this.writesUntyped)) return;
    }
    if (mfn === undefined) this.dropLeadingTo(EVERYBODY, -1, TLB_WRITE, FILL_LOG_WRITE);
    else this.dropLeadingTo(this.reachedBy(mfn), this.frames.readAddress(mfn), TLB_WRITE, FILL_LOG_WRITE);
  }

  /** Drops the entries that lead to a frame. */
  dropFrame(mfn: number): void {
    const domid = this.reachedBy(mfn);
    const host = this.frames.readAddress(mfn);
    this.dropLeadingTo(domid, host, TLB_READ, 0);
    this.dropLeadingTo(domid, host, TLB_WRITE, FILL_LOG_WRITE);
  }

  /** Drops the entries of a domain's banks that lead to one of the places that are marked by 1. */
  dropMarked(domid: number, marks: Uint8Array): void {
    const { members } = this.assignment;
    for (let bank = members.first(domid); bank !== NO_MEMBER; bank = members.next(bank))
      this.entries.dropMarked(bank, marks);
  }

  /** Whose banks may lead to a frame: its owner's alone, unless somebody holds it, who may have mapped a grant. */
  private reachedBy(mfn: number): number {
    const { owner, heldRefs } = this.frames;
    return heldRefs[mfn] > 0 || owner[mfn] === DOMID_XEN ? EVERYBODY : owner[mfn];
  }

  /**
   * Drops the read entries that lead to a place which a frame has left. Entries of those who stay are as good as before.
   * @param index the L1 index of all addresses that the frame was read at; -1: they have several
   */
  dropMoved(mfn: number, place: number, index: number): void {
    const domid = this.reachedBy(mfn);
    if (index < 0) this.dropLeadingTo(domid, (place << 12) >>> 0, TLB_READ, 0);
    else this.dropFilled(domid, index, READ_ENTRIES, place);
  }

  /**
   * Forgets where jumps lead in the place that a frame has left. Jumps of those who stay are as good as before.
   * @param index as for `dropMoved`
   * @returns false if it is not known whose jumps lead there
   */
  forgetJumps(mfn: number, place: number, index: number): boolean {
    const domid = this.reachedBy(mfn);
    if (domid === EVERYBODY) return false;
    this.walker.forgetFetches();
    const halves = this.frames.places.jumpedTo[place];
    if (halves === 0) return true;
    if (index < 0) this.jumps.clearDomain(domid);
    else this.jumps.forget(domid, 1, index, halves);
    return true;
  }

  /** Drops the entries of one array, in a domain's banks or EVERYBODY's, that lead to a host page, or all for -1. */
  private dropLeadingTo(domid: number, hostPage: number, array: number, logBit: number): void {
    const { assignment } = this;
    for (let bank = assignment.first(domid); bank !== NO_MEMBER; bank = assignment.next(domid, bank))
      this.entries.dropLeadingTo(bank, hostPage, array, logBit);
  }

  /** Gives up the banks of an L4 table that stops being one. */
  forget(l4Mfn: number): void {
    this.walker.forgetFetches();
    this.forgetBank(l4Mfn);
    if (l4Mfn < this.frames.endMfn) this.forgetBank(supervisorRoot(l4Mfn));
  }

  private forgetBank(root: number): void {
    const bank = this.assignment.bankOf(root);
    if (bank < 0) return;
    this.vacate(bank);
    this.u32[this.changesAddress >>> 2]++;
    this.assignment.release(bank);
    this.u32[(this.start + bank * BANK_BYTES + TLB_HEADER + HEADER_ROOT) >>> 2] = 0;
  }

  /** The address space that has a bank is to have it no longer. */
  private vacate(bank: number): void {
    this.entries.flush(bank);
    this.jumps.release(bank);
  }

  /** Banks in use as [host address, domid, address space], for audits. */
  *inUse(): Generator<readonly [base: number, domid: number, root: number]> {
    const { assignment } = this;
    for (let bank = assignment.first(EVERYBODY); bank !== NO_MEMBER; bank = assignment.next(EVERYBODY, bank)) {
      const root = assignment.rootOf(bank);
      if (root >= 0) yield [this.start + bank * BANK_BYTES, assignment.members.owner(bank), root];
    }
  }

  private assign(domid: number, root: number): number {
    const { assignment } = this;
    const bank = assignment.choose();
    if (assignment.isUntouched(bank)) this.entries.initialize(bank);
    else if (assignment.rootOf(bank) >= 0) this.vacate(bank);
    assignment.give(bank, domid, root);
    this.assigned = bank;
    this.chooseJumps(bank);
    const header = (this.start + bank * BANK_BYTES + TLB_HEADER) >>> 2;
    this.u32[header + (HEADER_ROOT >>> 2)] = root;
    this.u32[header + (HEADER_DOMID >>> 2)] = domid;
    return bank;
  }
}
