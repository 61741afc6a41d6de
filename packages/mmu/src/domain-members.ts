import { DOMID_FREE } from "./page-type.ts";

/** Ends a list. */
export const NO_MEMBER = -1;
/** Whose members nobody's are. */
const NOBODY = -1;

/**
 * Which of a few numbered things are each domain's, as lists: what is done to all of a domain's takes no time for those of
 * others, however many domains there are.
 */
export class DomainMembers {
  /** By number: the domain; NOBODY. */
  private readonly domidOf: Int32Array;
  private readonly following: Int16Array;
  private readonly preceding: Int16Array;
  /** For DOMID_FREE too, the last that a frame's owner can be: what is asked of a frame that is free ends at once. */
  private readonly heads = new Int16Array(DOMID_FREE + 1).fill(NO_MEMBER);

  /** @param count more than each of the numbers, at most 32768 */
  constructor(count: number) {
    this.domidOf = new Int32Array(count).fill(NOBODY);
    this.following = new Int16Array(count);
    this.preceding = new Int16Array(count);
  }

  /** A domain's first, or NO_MEMBER. Those that are added while its list is gone through may be left out. */
  first(domid: number): number {
    return this.heads[domid];
  }

  /** The one behind another of the same domain, or NO_MEMBER. */
  next(member: number): number {
    return this.following[member];
  }

  /** Whose it is; -1: nobody's. */
  owner(member: number): number {
    return this.domidOf[member];
  }

  /** Gives one to a domain, whosever it was. */
  add(member: number, domid: number): void {
    const { domidOf, following, preceding, heads } = this;
    if (domidOf[member] === domid) return;
    this.remove(member);
    const head = heads[domid];
    if (head !== NO_MEMBER) preceding[head] = member;
    following[member] = head;
    preceding[member] = NO_MEMBER;
    heads[domid] = member;
    domidOf[member] = domid;
  }

  remove(member: number): void {
    const { domidOf, following, preceding, heads } = this;
    const domid = domidOf[member];
    if (domid === NOBODY) return;
    const before = preceding[member];
    const after = following[member];
    if (before === NO_MEMBER) heads[domid] = after;
    else following[before] = after;
    if (after !== NO_MEMBER) preceding[after] = before;
    domidOf[member] = NOBODY;
  }
}
