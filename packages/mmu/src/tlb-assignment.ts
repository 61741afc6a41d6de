import { DomainMembers, NO_MEMBER } from "./domain-members.ts";
import { isSupervisorRoot, MAX_TRANSLATED_ROOTS, rootMfn } from "./root.ts";

/** The active one is never given to another address space. */
export const LEAST_BANKS = 2;
export const NO_BANK = -1;
/** In place of a domain: all of them. */
export const EVERYBODY = -1;
/** In place of an address space. */
const NOBODYS = -1;

/** Which address space (root.ts) has which bank of the soft TLB: those that were used last. */
export class BankAssignment {
  /** Whose each bank is. */
  readonly members: DomainMembers;
  /** Bank + 1 by L4 frame; in the second half for their supervisors' address spaces. */
  private readonly bankOfRoot: Uint16Array;
  private readonly rootOfBank: Int32Array;
  private readonly lastUse: Float64Array;
  private readonly unused: number[] = [];
  /** Banks below this were used at least once. */
  private touched = 0;
  /** At most so many are in use. */
  private allowed: number;
  private clock = 0;
  private active = NO_BANK;

  /**
   * @param count banks that there is room for
   * @param endMfn behind the last frame that can be an L4 table
   */
  constructor(
    private readonly count: number,
    private readonly endMfn: number,
  ) {
    this.allowed = count;
    this.members = new DomainMembers(count);
    this.bankOfRoot = new Uint16Array(2 * endMfn + MAX_TRANSLATED_ROOTS);
    this.rootOfBank = new Int32Array(count).fill(NOBODYS);
    this.lastUse = new Float64Array(count);
  }

  /** At most so many banks are given from now on; those in use stay. */
  allow(banks: number): void {
    this.allowed = Math.max(LEAST_BANKS, Math.min(this.count, banks));
  }

  /** An address space's bank, or NO_BANK. */
  bankOf(root: number): number {
    return this.bankOfRoot[this.placeOf(root)] - 1;
  }

  /** A bank's address space; negative: none has it. */
  rootOf(bank: number): number {
    return this.rootOfBank[bank];
  }

  /** Banks of a domain, or EVERYBODY's, one after the other; NO_MEMBER behind the last. */
  first(domid: number): number {
    return domid !== EVERYBODY ? this.members.first(domid) : this.touched > 0 ? 0 : NO_MEMBER;
  }

  next(domid: number, bank: number): number {
    return domid !== EVERYBODY ? this.members.next(bank) : bank + 1 < this.touched ? bank + 1 : NO_MEMBER;
  }

  /** A bank is selected. */
  noteUse(bank: number): void {
    this.lastUse[bank] = ++this.clock;
    this.active = bank;
  }

  /** The bank that is to be given next: one that no address space has, or else the one whose last use is longest ago. */
  choose(): number {
    const { unused, touched, active, lastUse } = this;
    const free = unused.pop();
    if (free !== undefined) return free;
    if (touched < this.allowed) return touched;
    let bank = active === 0 ? 1 : 0;
    for (let i = 0; i < touched; i++) {
      if (i !== active && lastUse[i] < lastUse[bank]) bank = i;
    }
    return bank;
  }

  /** Whether a bank that was chosen has never been given. */
  isUntouched(bank: number): boolean {
    return bank >= this.touched;
  }

  /** Gives a bank that was chosen to an address space; another one has it no more. */
  give(bank: number, domid: number, root: number): void {
    const before = this.rootOfBank[bank];
    if (before !== NOBODYS) this.bankOfRoot[this.placeOf(before)] = 0;
    if (this.isUntouched(bank)) this.touched = bank + 1;
    this.bankOfRoot[this.placeOf(root)] = bank + 1;
    this.rootOfBank[bank] = root;
    this.members.add(bank, domid);
  }

  /** Takes a bank from its address space. */
  release(bank: number): void {
    this.bankOfRoot[this.placeOf(this.rootOfBank[bank])] = 0;
    this.rootOfBank[bank] = NOBODYS;
    this.members.remove(bank);
    if (this.active === bank) this.active = NO_BANK;
    this.unused.push(bank);
  }

  private placeOf(root: number): number {
    return isSupervisorRoot(root) ? rootMfn(root) + this.endMfn + MAX_TRANSLATED_ROOTS : root;
  }
}
