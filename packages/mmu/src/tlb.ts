import { DomainMembers, NO_MEMBER } from "./domain-members.ts";
import type { FrameTable } from "./frames.ts";
import { JumpCaches, NO_L4 } from "./jump-caches.ts";
import type { MachineMemory } from "./memory.ts";
import { DOMID_XEN, FrameFlags, PageType } from "./page-type.ts";
import { HALF, halfOf } from "./places.ts";
import { isSupervisorRoot, rootMfn, supervisorRoot } from "./root.ts";
import { indexInTable, TableIndices } from "./table-indices.ts";
import { BankEntries, FILLED_WRITE } from "./tlb-entries.ts";
import { TlbInheritance } from "./tlb-inheritance.ts";
import {
  BANK_BYTES,
  FILL_LOG_CAPACITY,
  FILL_LOG_OVERFLOW,
  FILL_LOG_WRITE,
  HEADER_CHANGES,
  HEADER_DOMID,
  HEADER_FILL_COUNT,
  HEADER_FILL_LOG,
  HEADER_ROOT,
  TLB_ENTRIES,
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
/** The active one is never given to another address space. */
const LEAST_BANKS = 2;
/** How many translated address spaces there can be at a time: two for each vcpu of a translated domain. */
export const MAX_TRANSLATED_ROOTS = 1024;
const NO_BANK = -1;
/** In place of a domain: all of them. */
const EVERYBODY = -1;
const INDICES = 512;
/** With more entries than this, a bank is emptied as a whole. */
const MANY_FILLED = 512;

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
  private readonly start: number;
  private readonly u32: Uint32Array;
  private readonly u16: Uint16Array;
  private readonly u8: Uint8Array;
  /** Host address of both arrays as they are when they are empty. */
  private readonly empty: number;
  /** By L4 frame; in the second half for their supervisors' address spaces. */
  private readonly bankOfRoot: Uint16Array;
  /** The address space (root.ts) of each bank. */
  private readonly rootOf: Int32Array;
  /** Whose each bank is. */
  private readonly members: DomainMembers;
  private readonly lastUse: Float64Array;
  /**
   * Per bank and L1 index (the low nine bits of a page number): which of the eight entries with that index were filled
   * since the last flush; bits 0-7 in the read array, 8-15 in the write array. So that a page-table update looks at the
   * one entry that matters, and not at sixteen which all fall into one set of the host's cache.
   */
  private readonly filled: Uint16Array;
  /** Per bank: indices above the pages of its translations, never too few. */
  private readonly above: TableIndices;
  private readonly jumps: JumpCaches;
  private readonly unused: number[] = [];
  /** Banks below this were used at least once; the others' arrays are not even initialized. */
  private touched = 0;
  /** At most so many are in use. */
  private allowed: number;
  private clock = 0;
  private active = NO_BANK;
  /** Some translation for writing led to a frame without a type: there are tables that nobody validates. */
  private writesUntyped = false;
  /** The bank that was last given to an address space, if it is as empty as then. */
  private assigned = NO_BANK;
  private readonly inheritance: TlbInheritance;
  private readonly entries: BankEntries;

  constructor(
    memory: MachineMemory,
    private readonly frames: FrameTable,
    private readonly walker: Walker,
    start: number,
    options: TlbBanksOptions = {},
  ) {
    this.count = this.allowed = options.banks ?? DEFAULT_BANKS;
    this.start = start;
    this.u32 = memory.u32;
    this.u16 = memory.u16;
    this.u8 = memory.u8;
    this.bankOfRoot = new Uint16Array(2 * frames.endMfn + MAX_TRANSLATED_ROOTS);
    this.rootOf = new Int32Array(this.count).fill(-1);
    this.members = new DomainMembers(this.count);
    this.lastUse = new Float64Array(this.count);
    this.filled = new Uint16Array(this.count * INDICES);
    this.above = new TableIndices(this.count);
    this.changesAddress = start + TLB_HEADER + HEADER_CHANGES;
    this.inheritance = new TlbInheritance(memory, this.count, this.above);
    this.entries = new BankEntries(memory);
    const jumps = start + this.count * BANK_BYTES;
    this.jumps = new JumpCaches(memory, jumps, this.count, this.changesAddress >>> 2);
    this.empty = jumps + JumpCaches.bytes(this.count);
    for (const array of [TLB_READ, TLB_WRITE]) {
      const first = (this.empty + array) >>> 2;
      for (let slot = 0; slot < TLB_ENTRIES; slot++) this.u32[first + slot * 4] = (slot ^ 1) << 12;
    }
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
    this.allowed = Math.max(LEAST_BANKS, Math.min(this.count, banks));
  }

  /**
   * Selects the bank of an address space before a vcpu runs in it; the bank used longest ago is taken for a new one.
   * @param domid whose address space it is
   * @param root the address space (root.ts)
   * @returns the bank's host address, good until the next `activate`
   */
  activate(domid: number, root: number): number {
    let bank = this.bankOfRoot[this.placeOf(root)] - 1;
    if (bank < 0) bank = this.assign(domid, root);
    else if (this.jumps.isDue(bank)) this.chooseJumps(bank);
    this.lastUse[bank] = ++this.clock;
    this.active = bank;
    return this.start + bank * BANK_BYTES;
  }

  /** Host address of an address space's bank if it can be selected as it is, without `activate`; else 0. */
  bankOf(root: number): number {
    const bank = this.bankOfRoot[this.placeOf(root)] - 1;
    return bank < 0 || this.jumps.isDue(bank) ? 0 : this.start + bank * BANK_BYTES;
  }

  /** A bank was selected without `activate`. */
  noteUse(base: number): void {
    const bank = this.bankAt(base);
    this.lastUse[bank] = ++this.clock;
    this.active = bank;
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
      this.insert(base, TLB_WRITE, FILL_LOG_WRITE, vaLo, vaHi, hostPage);
      return hostPage + offset;
    }
    if (borrowed) frames.noteRead(mfn, vaLo);
    const hostPage = (frames.place[mfn] << 12) >>> 0;
    this.insert(base, TLB_READ, 0, vaLo, vaHi, hostPage);
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
    const root = this.rootOf[bank];
    this.jumps.choose(bank, this.members.owner(bank), isSupervisorRoot(root) ? 1 : 0, this.sharedL4(root));
  }

  /** Word index of the L4 table that says which jump caches are an address space's; NO_L4 for one of its own. */
  private sharedL4(root: number): number {
    const { frames } = this;
    const mfn = rootMfn(root);
    // Whoever changes a table that nobody checks need not tell of entries that were absent.
    return mfn < frames.endMfn && frames.type[mfn] === PageType.l4 ? frames.place[mfn] << 10 : NO_L4;
  }

  private placeOf(root: number): number {
    return isSupervisorRoot(root) ? rootMfn(root) + this.frames.endMfn + MAX_TRANSLATED_ROOTS : root;
  }

  /** Empties a bank, in time proportional to what was filled, and its jump cache. */
  flushBank(base: number): void {
    this.flushTranslations(base);
    this.clearJumps(base);
  }

  private flushTranslations(base: number): void {
    const u32 = this.u32;
    const header = (base + TLB_HEADER) >>> 2;
    const count = u32[header + (HEADER_FILL_COUNT >>> 2)];
    const filled = this.indicesOf(base);
    if (count > MANY_FILLED) {
      this.filled.fill(0, filled, filled + INDICES);
      this.clearArrays(base);
    } else if (count !== 0) {
      const log = (base + TLB_HEADER + HEADER_FILL_LOG) >>> 1;
      for (let i = 0; i < count; i++) {
        const logged = this.u16[log + i];
        const slot = logged & 0xfff;
        this.filled[filled + (slot & (INDICES - 1))] = 0;
        const p = (base + ((logged & FILL_LOG_WRITE) << 4) + (slot << 4)) >>> 2;
        u32[p] = (slot ^ 1) << 12;
        u32[p + 1] = 0;
      }
    }
    u32[header + (HEADER_FILL_COUNT >>> 2)] = 0;
    const bank = this.bankAt(base);
    this.above.clear(bank);
    this.inheritance.clear(bank);
  }

  /** Empties the bank of an address space, if it has one. */
  flushRoot(root: number): void {
    this.walker.forgetFetches();
    const bank = this.bankOfRoot[this.placeOf(root)] - 1;
    if (bank >= 0) this.flushBank(this.start + bank * BANK_BYTES);
  }

  /** Empties the banks of an L4 table's address spaces. */
  flushL4(l4Mfn: number): void {
    this.flushRoot(l4Mfn);
    this.flushRoot(supervisorRoot(l4Mfn));
  }

  /** Drops a root's translations of one page, or of all 2 MiB around it. */
  dropPage(root: number, vaLo: number, vaHi: number, large: boolean): void {
    this.walker.forgetFetches();
    const bank = this.bankOfRoot[this.placeOf(root)] - 1;
    if (bank < 0) return;
    const base = this.start + bank * BANK_BYTES;
    const level = large ? 2 : 1;
    this.jumps.forgetInBank(bank, level, indexInTable(vaLo, vaHi, level));
    const page = (vaLo >>> 12) & 0xfff;
    const first = large ? page & ~0x1ff : page;
    const tag = (large ? vaLo & ~0x1fffff : vaLo & ~0xfff) >>> 0;
    for (let i = 0; i < (large ? INDICES : 1); i++) {
      for (const array of [TLB_READ, TLB_WRITE]) {
        const p = (base + array + ((first + i) << 4)) >>> 2;
        if (this.u32[p] === tag + i * 4096 && this.u32[p + 1] === vaHi >>> 0) this.entries.drop(p, first + i);
      }
    }
  }

  /** Empties all banks of a domain. */
  flushDomain(domid: number): void {
    this.walker.forgetFetches();
    const { members } = this;
    for (let bank = members.first(domid); bank !== NO_MEMBER; bank = members.next(bank))
      this.flushBank(this.start + bank * BANK_BYTES);
  }

  /** Empties all banks of a domain, but not their jump caches: its frames' bytes stay where they are. */
  flushDomainTranslations(domid: number): void {
    this.walker.forgetFetches();
    const { members } = this;
    for (let bank = members.first(domid); bank !== NO_MEMBER; bank = members.next(bank))
      this.flushTranslations(this.start + bank * BANK_BYTES);
  }

  /** Empties every bank. */
  flushAll(): void {
    this.walker.forgetFetches();
    for (let bank = 0; bank < this.touched; bank++) this.flushBank(this.start + bank * BANK_BYTES);
  }

  /**
   * A jump-cache entry for an address is about to be added.
   * @param base the bank's host address
   * @param entry the entry's
   */
  noteJump(base: number, vaLo: number, vaHi: number, entry: number): void {
    const bank = this.bankAt(base);
    this.jumps.add(bank, this.sharedL4(this.rootOf[bank]), vaLo, vaHi, entry);
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
    if (bank === other || other < 0 || this.members.owner(other) !== this.members.owner(bank)) return;
    // What a supervisor may use is not everybody's.
    if (isSupervisorRoot(this.rootOf[other]) !== isSupervisorRoot(this.rootOf[bank])) return;
    const { place, endMfn } = this.frames;
    const heir = rootMfn(this.rootOf[bank]);
    const donor = rootMfn(this.rootOf[other]);
    // Translated address spaces have no tables that could be compared here.
    if (heir >= endMfn || donor >= endMfn) return;
    if (!this.inheritance.copy(other, from, bank, base, place[heir] << 10, place[donor] << 10)) return;
    const filled = this.indicesOf(from);
    this.filled.copyWithin(this.indicesOf(base), filled, filled + INDICES);
    this.above.copy(other, bank);
  }

  /** A jump-cache entry with a word, about to be added, is good only while the page of an address is mapped as it is now. */
  dependOn(base: number, vaLo: number, vaHi: number): void {
    const bank = this.bankAt(base);
    this.jumps.dependOn(bank, this.sharedL4(this.rootOf[bank]), vaLo, vaHi);
  }

  /**
   * Drops what an L1 entry of the domain that mapped `mfn` may have left behind. An L1 entry's index is the low nine
   * bits of the page number of any address that it maps, so eight entries of each array come into question, of which
   * those are looked at that were filled; those of the write array only if the entry was dirty. Only
   * an executable entry can be behind remembered fetches and jumps.
   */
  dropL1(domid: number, index: number, mfn: number, dirty: boolean, executable: boolean): void {
    if (executable) this.walker.forgetFetches();
    const hostPage = (this.frames.place[mfn] << 12) >>> 0;
    const halves = executable ? this.frames.places.jumpedTo[this.frames.place[mfn]] : 0;
    if (halves !== 0) this.jumps.forget(domid, 1, index, halves);
    const { members, filled } = this;
    for (let bank = members.first(domid); bank !== NO_MEMBER; bank = members.next(bank)) {
      const slots = filled[bank * INDICES + index];
      if (slots !== 0)
        this.entries.dropFilled(
          this.start + bank * BANK_BYTES,
          index,
          dirty ? slots : slots & ((1 << FILLED_WRITE) - 1),
          hostPage,
        );
    }
  }

  /** Drops what an entry in a table of level 2 to 4 of the domain may have left behind, wherever the table is used. */
  dropTable(domid: number, level: number, index: number): void {
    this.walker.forgetFetches();
    this.jumps.forget(domid, level, index);
    const { members } = this;
    for (let bank = members.first(domid); bank !== NO_MEMBER; bank = members.next(bank)) {
      if (!this.above.has(bank, level, index)) continue;
      this.above.delete(bank, level, index);
      this.entries.dropBehind(this.start + bank * BANK_BYTES, level, index);
    }
  }

  private bankAt(base: number): number {
    return (base - this.start) / BANK_BYTES;
  }

  /** Where a bank's part of `filled` begins. */
  private indicesOf(base: number): number {
    return this.bankAt(base) * INDICES;
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
    const { members } = this;
    for (let bank = members.first(domid); bank !== NO_MEMBER; bank = members.next(bank))
      this.entries.dropMarked(this.start + bank * BANK_BYTES, marks);
  }

  /** A domain's banks, or EVERYBODY's, one after the other. */
  private firstOf(domid: number): number {
    return domid !== EVERYBODY ? this.members.first(domid) : this.touched > 0 ? 0 : NO_MEMBER;
  }

  private nextOf(domid: number, bank: number): number {
    return domid !== EVERYBODY ? this.members.next(bank) : bank + 1 < this.touched ? bank + 1 : NO_MEMBER;
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
    const hostPage = (place << 12) >>> 0;
    if (index < 0) {
      this.dropLeadingTo(domid, hostPage, TLB_READ, 0);
      return;
    }
    for (let bank = this.firstOf(domid); bank !== NO_MEMBER; bank = this.nextOf(domid, bank)) {
      const slots = this.filled[bank * INDICES + index] & ((1 << FILLED_WRITE) - 1);
      if (slots !== 0) this.entries.dropFilled(this.start + bank * BANK_BYTES, index, slots, hostPage);
    }
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
    for (let bank = this.firstOf(domid); bank !== NO_MEMBER; bank = this.nextOf(domid, bank)) {
      this.entries.dropLeadingTo(this.start + bank * BANK_BYTES, hostPage, array, logBit);
    }
  }

  /** Gives up the banks of an L4 table that stops being one. */
  forget(l4Mfn: number): void {
    this.walker.forgetFetches();
    this.forgetBank(l4Mfn);
    if (l4Mfn < this.frames.endMfn) this.forgetBank(this.placeOf(supervisorRoot(l4Mfn)));
  }

  private forgetBank(place: number): void {
    const bank = this.bankOfRoot[place] - 1;
    if (bank < 0) return;
    const base = this.start + bank * BANK_BYTES;
    this.flushTranslations(base);
    this.jumps.release(bank);
    this.u32[this.changesAddress >>> 2]++;
    this.bankOfRoot[place] = 0;
    this.rootOf[bank] = -1;
    this.members.remove(bank);
    this.u32[(base + TLB_HEADER + HEADER_ROOT) >>> 2] = 0;
    if (this.active === bank) this.active = NO_BANK;
    this.unused.push(bank);
  }

  /** Banks in use as [host address, domid, address space], for audits. */
  *inUse(): Generator<readonly [base: number, domid: number, root: number]> {
    for (let bank = 0; bank < this.touched; bank++) {
      if (this.rootOf[bank] >= 0) yield [this.start + bank * BANK_BYTES, this.members.owner(bank), this.rootOf[bank]];
    }
  }

  private assign(domid: number, root: number): number {
    let bank: number;
    const free = this.unused.pop();
    if (free !== undefined) {
      bank = free;
    } else if (this.touched < this.allowed) {
      bank = this.touched++;
      this.clearArrays(this.start + bank * BANK_BYTES);
    } else {
      bank = this.active === 0 ? 1 : 0;
      for (let i = 0; i < this.touched; i++) {
        if (i !== this.active && this.lastUse[i] < this.lastUse[bank]) bank = i;
      }
      this.flushTranslations(this.start + bank * BANK_BYTES);
      this.jumps.release(bank);
      this.bankOfRoot[this.placeOf(this.rootOf[bank])] = 0;
    }
    this.bankOfRoot[this.placeOf(root)] = bank + 1;
    this.rootOf[bank] = root;
    this.members.add(bank, domid);
    this.assigned = bank;
    this.chooseJumps(bank);
    const header = (this.start + bank * BANK_BYTES + TLB_HEADER) >>> 2;
    this.u32[header + (HEADER_ROOT >>> 2)] = root;
    this.u32[header + (HEADER_DOMID >>> 2)] = domid;
    return bank;
  }

  private insert(base: number, array: number, logBit: number, vaLo: number, vaHi: number, hostPage: number): void {
    const u32 = this.u32;
    const slot = (vaLo >>> 12) & 0xfff;
    const p = (base + array + (slot << 4)) >>> 2;
    const bank = this.bankAt(base);
    this.above.add(bank, vaLo, vaHi);
    if (halfOf(vaHi) === HALF.LOWER) this.inheritance.noteLower(bank, slot | logBit);
    if (u32[p] === (slot ^ 1) << 12 && u32[p + 1] === 0) {
      const filled = this.indicesOf(base) + (slot & (INDICES - 1));
      this.filled[filled] |= 1 << ((slot >>> 9) + (logBit === 0 ? 0 : FILLED_WRITE));
      const countWord = (base + TLB_HEADER + HEADER_FILL_COUNT) >>> 2;
      const count = u32[countWord];
      if (count < FILL_LOG_CAPACITY) {
        this.u16[((base + TLB_HEADER + HEADER_FILL_LOG) >>> 1) + count] = slot | logBit;
        u32[countWord] = count + 1;
      } else {
        u32[countWord] = FILL_LOG_OVERFLOW;
      }
    }
    const tag = vaLo & 0xfffff000;
    u32[p] = tag;
    u32[p + 1] = vaHi;
    u32[p + 2] = hostPage - tag;
  }

  private clearArrays(base: number): void {
    this.u8.copyWithin(base + TLB_READ, this.empty, this.empty + TLB_HEADER);
  }
}
