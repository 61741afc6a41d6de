import { GTF_permit_access, GTF_readonly } from "@xen-node/xen-abi";
import type { LabGuest } from "./device-lab.ts";
import type { Random } from "./random.ts";
import type { GuestPage } from "./typescript-guest.ts";

export interface DataPage {
  page: GuestPage;
  ref: number;
}

const CANARY = 0xa5;

/** A hostile guest's pages and their grants, good and bad, and what it does to them while a backend uses them. */
export class GrantMeddler {
  /** Granted, as long as nobody meddles. Those for data come first, then those that say what is done with others. */
  readonly pages: DataPage[];
  /** Granted read-only, and never changed by anybody. */
  readonly canaries: DataPage[];
  /** Of all kinds. */
  private readonly badRefs: number[];
  /** Whether grants of any frame may be forged, the rings' too: then the rings are no more to be trusted than the guest. */
  reachesRings = false;
  private readonly owner: LabGuest;
  private readonly random: Random;
  private readonly dataPages: number;
  private readonly victim: GuestPage;
  private readonly otherDomid: number;
  /** References whose frames are gone; some may still be mapped. */
  private readonly stale: number[] = [];

  /** @param victim a frame of another guest's, that the hostile one tries to have written to */
  constructor(
    owner: LabGuest,
    random: Random,
    { dataPages, otherPages }: { dataPages: number; otherPages: number },
    victim: { page: GuestPage; domid: number },
  ) {
    this.owner = owner;
    this.random = random;
    this.victim = victim.page;
    this.otherDomid = victim.domid;
    this.dataPages = dataPages;
    this.pages = Array.from({ length: dataPages + otherPages }, () => this.newPage());
    this.canaries = Array.from({ length: 3 }, () => {
      const page = owner.guest.allocatePage();
      page.bytes.fill(CANARY);
      return { page, ref: owner.guest.grant(0, page, true) };
    });
    const forged = this.newPage();
    owner.guest.scribbleGrant(forged.ref, GTF_permit_access, 0, this.victim.mfn);
    const toOther = owner.guest.grant(victim.domid, owner.guest.allocatePage());
    this.badRefs = [...this.canaries.map(({ ref }) => ref), forged.ref, toOther, 0, 1, 2040, 4 * 512, 0xffffffff];
  }

  /** A reference, most often a good one. */
  ref(badOneIn: number): number {
    const { random, pages, reachesRings, dataPages } = this;
    if (!random.oneIn(badOneIn)) return pages[random.below(reachesRings ? pages.length : dataPages)].ref;
    return random.oneIn(4) ? random.next() : random.pick(this.badRefs);
  }

  /** Does something to a grant, whoever has it mapped. */
  meddle(): void {
    const { random, pages, owner } = this;
    const at = random.below(pages.length);
    const { page, ref } = pages[at];
    switch (random.below(5)) {
      case 0:
        // By the book: refused while it is in use.
        if (owner.guest.revoke(ref)) pages[at] = { page, ref: owner.guest.grant(0, page, random.oneIn(8)) };
        break;
      case 1:
        owner.guest.scribbleGrant(ref, random.next() & 0xffff, random.below(3), random.pick(this.someFrames(page)));
        break;
      case 2:
        owner.guest.scribbleGrant(
          ref,
          GTF_permit_access | (random.oneIn(2) ? GTF_readonly : 0),
          random.oneIn(4) ? this.otherDomid : 0,
          random.pick(this.someFrames(page)),
        );
        break;
      case 3:
        // The frame goes back to the hypervisor, granted and mapped as it may be.
        owner.guest.giveBack(page);
        this.stale.push(ref);
        pages[at] = this.newPage();
        break;
      case 4:
        for (const one of pages) owner.guest.scribbleGrant(one.ref, GTF_permit_access, 0, one.page.mfn);
        break;
    }
    if (this.stale.length > 100) this.endStale();
  }

  /** All grants are as at first, and what isn't used any more is ended. */
  restore(): void {
    for (const { page, ref } of this.pages) this.owner.guest.scribbleGrant(ref, GTF_permit_access, 0, page.mfn);
    this.endStale();
  }

  /** Throws if a page that nobody may write to has been written to. */
  check(): void {
    for (const { page } of this.canaries)
      if (page.bytes.some((byte) => byte !== CANARY)) throw new Error("a page granted read-only was written to");
  }

  private endStale(): void {
    for (const ref of this.stale.splice(0)) if (!this.owner.guest.revoke(ref)) this.stale.push(ref);
    // More than this many can't be in use at once, but for persistent grants; the table is large enough for those.
    if (this.stale.length > 1000) throw new Error("grants stay mapped");
  }

  private newPage(): DataPage {
    const page = this.owner.guest.allocatePage();
    return { page, ref: this.owner.guest.grant(0, page) };
  }

  private someFrames(own: GuestPage): number[] {
    const frames = [own.mfn, own.mfn, this.victim.mfn, this.pages[0].page.mfn, 0, 0xffffffff];
    if (this.reachesRings) frames.push(this.random.below(0x10000));
    return frames;
  }
}
