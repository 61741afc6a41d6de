import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Domain, type Hypervisor, MovingDomain, RestoredDomain, SuspendedDomain } from "../../src/index.ts";
import { imageOf, machine, PAGES, suspendedGuest } from "./suspended-guest.ts";

const PAGE_BYTES = 4096;
const ABSENT = 15;
/** Pages that nothing is in, and no page table maps. */
const FIRST = 1400;
const COUNT = 6;

const page = fc.integer({ min: FIRST, max: FIRST + COUNT - 1 });
const action = fc.oneof(
  fc.record({ kind: fc.constant("write" as const), page, value: fc.nat(255) }),
  fc.record({ kind: fc.constant("giveUp" as const), page }),
  fc.record({ kind: fc.constant("get" as const), page }),
  fc.record({ kind: fc.constant("swap" as const), page, with: page }),
);
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never;

/** A guest that does such things to its memory, as its balloon driver and its programs would. */
class BusyGuest {
  private readonly frames: number[];
  private readonly list: SuspendedDomain;

  constructor(
    private readonly hv: Hypervisor,
    private readonly domain: Domain,
  ) {
    this.list = new SuspendedDomain(hv, domain);
    this.frames = Array.from({ length: COUNT }, (_, i) => this.list.frameOf(FIRST + i));
  }

  do(wanted: Action): void {
    const { hv, domain, frames: own } = this;
    const { frames, m2p, memory } = hv.mmu;
    const at = wanted.page - FIRST;
    const mfn = own[at];
    switch (wanted.kind) {
      case "write":
        if (mfn === 0) break;
        memory.u8[frames.hostAddress(mfn) + 5] = wanted.value;
        frames.noteHostWrite(mfn, 5, 1);
        break;
      case "giveUp":
        if (mfn === 0) break;
        frames.free(mfn);
        domain.totalPages--;
        this.set(at, 0);
        break;
      case "get":
        if (mfn !== 0) break;
        domain.totalPages++;
        this.set(at, frames.alloc(domain.domid));
        m2p.set(own[at], wanted.page);
        break;
      case "swap": {
        const other = wanted.with - FIRST;
        const theirs = own[other];
        if (mfn === 0 || theirs === 0) break;
        this.set(at, theirs);
        this.set(other, mfn);
        m2p.set(mfn, wanted.with);
        m2p.set(theirs, wanted.page);
      }
    }
  }

  private set(at: number, mfn: number): void {
    this.frames[at] = mfn;
    const { frames, memory } = this.hv.mmu;
    const pfn = FIRST + at;
    const list = this.list.frameOf(this.list.p2mPages[Math.floor(pfn / 512)]);
    const word = (frames.hostAddress(list) >>> 2) + 2 * (pfn % 512);
    memory.u32[word] = mfn === 0 ? 0xffffffff : mfn;
    memory.u32[word + 1] = mfn === 0 ? 0xffffffff : 0;
    frames.noteHostWrite(list, (pfn % 512) * 8, 8);
  }
}

describe("a domain that is sent in rounds", () => {
  it("is the same at the other end, whatever it did to its memory meanwhile", () => {
    fc.assert(
      fc.property(fc.array(fc.array(action, { maxLength: 8 }), { minLength: 1, maxLength: 4 }), (rounds) => {
        const hv = machine();
        const domain = suspendedGuest(hv);
        const guest = new BusyGuest(hv, domain);
        const moving = new MovingDomain(hv, domain);
        const to = machine();
        const copy = to.createDomain({ kind: "pv", maxPages: PAGES });
        const restored = new RestoredDomain(to, copy, moving.pages);
        const bytes = new Uint8Array(PAGE_BYTES);
        for (const actions of rounds) {
          const left = [...actions];
          const { dropped, pfns } = moving.beginRound();
          for (const pfn of dropped) restored.addPage(pfn, ABSENT, undefined);
          for (const pfn of pfns) {
            if (pfn >= FIRST && left.length > 0) guest.do(left.shift() as Action);
            if (moving.read(pfn, bytes, 0)) restored.addPage(pfn, 0, bytes);
          }
          for (const next of left) guest.do(next);
        }
        const suspended = new SuspendedDomain(hv, domain);
        const { dropped, pfns } = moving.lastRound(suspended);
        for (const pfn of dropped) restored.addPage(pfn, ABSENT, undefined);
        for (const pfn of pfns) {
          suspended.readPage(pfn, bytes, 0);
          restored.addPage(pfn, suspended.pageType(pfn), bytes);
        }
        const image = imageOf(hv, domain);
        const wrong = image.pages.filter((each) => restored.hasPage(each.pfn, each.bytes) !== (each.type !== ABSENT));
        expect(wrong.map(({ pfn }) => pfn)).toEqual([]);
        expect(copy.totalPages).toBe(domain.totalPages);
        restored.finish(image.state, { storeEvtchn: 3, consoleEvtchn: 4 });
        expect(to.auditFrames()).toEqual([]);
      }),
      { numRuns: 8 },
    );
  });

  it("comes again only where it was written to", () => {
    const hv = machine();
    const domain = suspendedGuest(hv);
    const guest = new BusyGuest(hv, domain);
    const moving = new MovingDomain(hv, domain);
    const tables = imageOf(hv, domain).pages.filter(({ type }) => type !== 0).length;
    expect(moving.beginRound().pfns).toHaveLength(PAGES - tables);
    expect(moving.dirtyPages()).toBe(0);
    guest.do({ kind: "write", page: FIRST + 2, value: 1 });
    expect(moving.dirtyPages()).toBe(1);
    expect(moving.beginRound()).toEqual({ dropped: [], pfns: [FIRST + 2] });
    guest.do({ kind: "giveUp", page: FIRST + 3 });
    const { dropped, pfns } = moving.lastRound(new SuspendedDomain(hv, domain));
    expect(dropped).toEqual([FIRST + 3]);
    // Beside the list of frames: page tables, and what is held.
    expect(pfns.length).toBeLessThan(tables + 10);
  });

  it("takes no memory for pages that nothing was written to, at either end", () => {
    const hv = machine();
    const domain = suspendedGuest(hv);
    const before = hv.mmu.frames.usage(domain.domid);
    expect(before.untouched).toBeGreaterThan(1000);
    const moving = new MovingDomain(hv, domain);
    const to = machine();
    const copy = to.createDomain({ kind: "pv", maxPages: PAGES });
    const restored = new RestoredDomain(to, copy, moving.pages);
    const empty = to.mmu.frames.usage(copy.domid);
    const bytes = new Uint8Array(PAGE_BYTES);
    const { pfns } = moving.beginRound();
    for (const pfn of pfns) if (moving.read(pfn, bytes, 0)) restored.addPage(pfn, 0, bytes);
    expect(hv.mmu.frames.usage(domain.domid)).toEqual(before);
    expect(to.mmu.frames.usage(copy.domid).untouched - empty.untouched).toBeGreaterThanOrEqual(before.untouched);
    // A page that is zero again is written.
    bytes.fill(7);
    restored.addPage(FIRST, 0, bytes);
    bytes.fill(0);
    restored.addPage(FIRST, 0, bytes);
    expect(restored.hasPage(FIRST, bytes)).toBe(true);
  });
});
