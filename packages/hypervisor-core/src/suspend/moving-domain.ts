import { FrameFlags, PageType } from "@xen-node/mmu";
import type { Domain } from "../domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { DomainImageError } from "./domain-image-error.ts";
import { readGuestP2m } from "./guest-p2m.ts";
import type { SuspendedDomain } from "./suspended-domain.ts";

const PAGE_BYTES = 4096;
/** "There is no such page (any more)." */
const ABSENT = 15;

/**
 * A running PV domain whose pages are sent in rounds: those that were written to since they were sent come again. Page
 * tables are left for the end: what they hold can be put in the guest's own numbers only when nothing changes any more.
 */
export class MovingDomain {
  /** How many pages it counts, absent ones too. */
  readonly pages: number;
  /** The pages of the list that its kernel keeps of its frames. */
  readonly p2mPages: readonly number[];
  /** The frame that was sent for each page; 0 = none. */
  private readonly sent: Uint32Array;

  /** @throws DomainImageError if its own list of frames cannot be read */
  constructor(
    private readonly hv: Hypervisor,
    private readonly domain: Domain,
  ) {
    const { mfns, listPages } = readGuestP2m(hv, domain);
    this.pages = mfns.length;
    this.p2mPages = listPages;
    this.sent = new Uint32Array(this.pages);
  }

  /** How many pages the next round would have. */
  dirtyPages(): number {
    return this.dirty().length;
  }

  /**
   * The pages of a round, and those that were sent and are no more. From now on they count as sent: `read` each before
   * the next round.
   */
  beginRound(): { dropped: number[]; pfns: number[] } {
    const dropped = this.takeDropped((pfn) => this.frameOf(pfn) !== this.sent[pfn]);
    const dirty = this.dirty();
    for (const { pfn, mfn } of dirty) this.sent[pfn] = mfn;
    this.hv.mmu.dirtyLog.clean(dirty.map(({ mfn }) => mfn));
    return { dropped, pfns: dirty.map(({ pfn }) => pfn) };
  }

  /** Copies a page of the round. False: it became another or none since the round began, and is the next one's. */
  read(pfn: number, into: Uint8Array, at: number): boolean {
    const mfn = this.frameOf(pfn);
    if (mfn === 0 || mfn !== this.sent[pfn] || this.isTable(mfn)) {
      // What the receiver has of it is nothing that could be left as it is.
      this.hv.mmu.frames.clean[this.sent[pfn]] = 0;
      return false;
    }
    const { frames, memory } = this.hv.mmu;
    const host = frames.readAddress(mfn);
    into.set(memory.u8.subarray(host, host + PAGE_BYTES), at);
    return true;
  }

  /**
   * The last round, of the domain that is suspended now: all that the receiver does not have as it is.
   * @throws DomainImageError: it counts other pages than it did
   */
  lastRound(suspended: SuspendedDomain): { dropped: number[]; pfns: number[] } {
    if (suspended.pages !== this.pages)
      throw new DomainImageError(
        "guest",
        `the guest counted ${this.pages} pages and counts ${suspended.pages} now: move it again, or without --live.`,
      );
    const { dirtyLog } = this.hv.mmu;
    const dropped = this.takeDropped((pfn) => suspended.pageType(pfn) === ABSENT);
    const pfns: number[] = [];
    for (let pfn = 0; pfn < this.pages; pfn++) {
      const type = suspended.pageType(pfn);
      if (type === ABSENT) continue;
      const mfn = suspended.frameOf(pfn);
      if (type === 0 && this.sent[pfn] === mfn && !dirtyLog.isDirty(mfn)) continue;
      pfns.push(pfn);
    }
    dirtyLog.clean(pfns.map((pfn) => suspended.frameOf(pfn)));
    return { dropped, pfns };
  }

  private takeDropped(isGone: (pfn: number) => boolean): number[] {
    const dropped: number[] = [];
    for (let pfn = 0; pfn < this.pages; pfn++) {
      if (this.sent[pfn] === 0 || !isGone(pfn)) continue;
      this.sent[pfn] = 0;
      dropped.push(pfn);
    }
    return dropped;
  }

  /** Frames that belong to a page and must be sent (again), page tables aside. */
  private dirty(): { pfn: number; mfn: number }[] {
    const { frames, m2p, dirtyLog } = this.hv.mmu;
    const { domid } = this.domain;
    const found: { pfn: number; mfn: number }[] = [];
    for (let mfn = frames.nextOwned(domid); mfn >= 0; mfn = frames.nextOwned(domid, mfn + 1)) {
      const pfn = m2p.get(mfn);
      if (!(pfn >= 0 && pfn < this.pages) || this.isTable(mfn)) continue;
      if ((frames.flags[mfn] & FrameFlags.xenHeap) !== 0) continue;
      if (this.sent[pfn] !== mfn || dirtyLog.wasWritten(mfn)) found.push({ pfn, mfn });
    }
    return found;
  }

  /** The frame that the page has at the moment, if that can be told without its own list; else 0. */
  private frameOf(pfn: number): number {
    const mfn = this.sent[pfn];
    const { frames, m2p } = this.hv.mmu;
    if (mfn === 0 || !frames.exists(mfn) || frames.owner[mfn] !== this.domain.domid) return 0;
    return m2p.get(mfn) === pfn ? mfn : 0;
  }

  private isTable(mfn: number): boolean {
    const type = this.hv.mmu.frames.type[mfn];
    return type >= PageType.l1 && type <= PageType.l4;
  }
}
