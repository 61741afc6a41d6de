import { describe, expect, it } from "vitest";
import { Access, DOMID_XEN, FrameFlags, PageType, Pte } from "../src/index.ts";
import { A, D, EBUSY, EINVAL, EPERM, ERESTART, Machine, P, RW, US } from "./machine.ts";

const G = Pte.global;
const KERNEL = Pte.hiGuestKernel;

function counts(m: Machine, mfn: number): [type: number, types: number, refs: number] {
  const f = m.mmu.frames;
  return [f.type[mfn], f.typeCount[mfn], f.refCount[mfn]];
}

describe("validation", () => {
  it("gives every table of a pinned tree its type and rewrites the entries", () => {
    const m = new Machine();
    const t = m.tree(1);
    m.poke(t.l1, 1, t.data[1], P | RW);
    m.poke(t.l1, 2, t.l1, P | US);
    m.poke(t.l1, 3, t.l4, P);
    m.poke(t.l4, 0, t.l3, P | RW);
    m.poke(t.l4, 260, 0x12345, 0xfff);
    expect(m.mmu.types.pin(t.l4, 4, 1)).toBe(0);
    expect(counts(m, t.l4)).toEqual([PageType.l4, 1, 3]);
    expect(counts(m, t.l3)).toEqual([PageType.l3, 1, 2]);
    expect(counts(m, t.l2)).toEqual([PageType.l2, 1, 2]);
    expect(counts(m, t.l1)).toEqual([PageType.l1, 1, 3]);
    expect(counts(m, t.data[0])).toEqual([PageType.writable, 1, 2]);
    expect(counts(m, t.data[2])).toEqual([PageType.none, 0, 1]);
    expect(m.lo(t.l4, 0) & 0xfff).toBe(P | RW | US | A);
    expect(m.lo(t.l1, 0) & 0xfff).toBe(P | RW | US | G);
    expect([m.lo(t.l1, 1) & 0xfff, m.hi(t.l1, 1)]).toEqual([P | RW | US, KERNEL]);
    expect([m.lo(t.l4, 256), m.lo(t.l4, 260)]).toEqual([m.mmu.m2p.slotLo, 0]);
    expect(m.mmu.audit()).toEqual([]);
    expect(m.mmu.types.unpin(t.l4, 1)).toBe(0);
    for (const mfn of [t.l4, t.l3, t.l2, t.l1, ...t.data]) expect(counts(m, mfn)).toEqual([0, 0, 1]);
    // A tree that was validated once validates again as the guest left it.
    expect(m.mmu.types.pin(t.l4, 4, 1)).toBe(0);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("answers pins and unpins as Xen does", () => {
    const m = new Machine();
    const t = m.tree(1);
    const { types } = m.mmu;
    expect(types.unpin(t.l4, 1)).toBe(EINVAL);
    expect(types.pin(t.l4, 4, 2)).toBe(EINVAL);
    expect(types.pin(t.l4, 0, 1)).toBe(EINVAL);
    expect(types.pin(t.l4, 5, 1)).toBe(EINVAL);
    expect(types.pin(t.l2, 2, 1)).toBe(0);
    expect(types.pin(t.l2, 2, 1)).toBe(EINVAL);
    expect(types.pin(t.l2, 1, 1)).toBe(EINVAL);
    expect(types.unpin(t.l2, 2)).toBe(EINVAL);
    expect(types.pin(t.l4, 4, 1)).toBe(0);
    expect(types.unpin(t.l2, 1)).toBe(0);
    expect(counts(m, t.l2)).toEqual([PageType.l2, 1, 2]);
    expect(m.mmu.audit()).toEqual([]);
  });

  for (const [what, spoil, errno] of [
    ["a frame of another domain", (m, t) => m.poke(t.l1, 5, m.alloc(2), P | US), EBUSY],
    ["a hypervisor frame", (m, t) => m.poke(t.l1, 5, m.mmu.m2p.l3Mfn, P | US), EBUSY],
    ["a free frame", (m, t) => m.poke(t.l1, 5, m.mmu.frames.endMfn - 1, P | US), EBUSY],
    ["no frame at all", (m, t) => m.poke(t.l1, 5, 3, P | US), EPERM],
    ["a frame number of 40 bits", (m, t) => m.poke(t.l1, 5, t.data[0] + 2 ** 39, P | US), EPERM],
    ["the frame number that means none", (m, t) => m.poke(t.l1, 5, 2 ** 40 - 1, P | US), EINVAL],
    ["its own table writable", (m, t) => m.poke(t.l1, 5, t.l1, P | RW | US), EBUSY],
    ["its root writable", (m, t) => m.poke(t.l1, 5, t.l4, P | RW | US), EBUSY],
    ["cache attributes", (m, t) => m.poke(t.l1, 5, t.data[0], P | US | Pte.cacheDisable), EINVAL],
    ["PAT", (m, t) => m.poke(t.l1, 5, t.data[0], P | US | Pte.pageSize), EINVAL],
    ["a forged grant mark", (m, t) => m.poke(t.l1, 5, t.data[0], P | US, Pte.hiGrant), EINVAL],
    ["a 2 MiB page", (m, t) => m.poke(t.l2, 5, 512, P | US | Pte.pageSize), EINVAL],
    ["a global L2 entry", (m, t) => m.poke(t.l2, 5, t.l1, P | US | G), EINVAL],
    ["a 1 GiB page", (m, t) => m.poke(t.l3, 5, 512, P | US | Pte.pageSize), EINVAL],
    ["an L1 table of another domain", (m, t) => m.poke(t.l2, 5, m.alloc(2), P | US), EINVAL],
    ["an L1 table as L2", (m, t) => m.poke(t.l3, 5, t.l1, P | US), EINVAL],
    ["an L2 table in the root", (m, t) => m.poke(t.l4, 5, t.l2, P | US), EINVAL],
    ["the root as L3", (m, t) => m.poke(t.l3, 5, t.l4, P | US), EINVAL],
  ] as [string, (m: Machine, t: ReturnType<Machine["tree"]>) => void, number][]) {
    it(`refuses ${what}, and unwinds all that it took`, () => {
      const m = new Machine();
      const t = m.tree(1);
      // A second branch behind the bad one must never be touched, one before it must be given back.
      const other = m.alloc(1);
      m.poke(t.l2, 511, other, P | US);
      spoil(m, t);
      expect(m.mmu.types.pin(t.l4, 4, 1)).toBe(errno);
      for (const mfn of [t.l4, t.l3, t.l2, t.l1, ...t.data]) expect(counts(m, mfn)).toEqual([0, 0, 1]);
      expect(m.mmu.audit()).toEqual([]);
    });
  }

  it("takes not-present entries for anything", () => {
    const m = new Machine();
    const t = m.tree(1);
    for (const table of [t.l1, t.l2, t.l3, t.l4]) m.poke(table, 100, 0x7ffffff, 0xffe, 0xfff00000);
    expect(m.mmu.types.pin(t.l4, 4, 1)).toBe(0);
    expect(m.mod(t.l2, 100, 0x1234567, 0x18e, 1)).toBe(0);
    expect(m.lo(t.l1, 100)).toBe(0xfffffffe);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("asks the policy about other domains' frames", () => {
    const allowed = new Set<string>();
    const policy = { foreignFrameAllowed: (mfn: number, d: number, w: boolean) => allowed.has(`${mfn} ${d} ${w}`) };
    const m = new Machine({ policy });
    const t = m.tree(1);
    expect(m.mmu.types.pin(t.l4, 4, 1)).toBe(0);
    const foreign = m.alloc(2);
    expect(m.mod(t.l1, 9, foreign, P | US, 1)).toBe(EBUSY);
    allowed.add(`${foreign} 1 false`);
    expect(m.mod(t.l1, 9, foreign, P | US, 1)).toBe(0);
    expect(m.mod(t.l1, 9, foreign, P | US | RW, 1)).toBe(EBUSY);
    allowed.add(`${foreign} 1 true`);
    expect(m.mod(t.l1, 9, foreign, P | US | RW, 1)).toBe(0);
    expect(counts(m, foreign)).toEqual([PageType.writable, 1, 2]);
    expect(m.mmu.types.releaseFrame(foreign, 2)).toBe(0);
    expect(m.mmu.frames.ownedBy(2)).toBe(1);
    expect(m.mmu.types.releaseDomain(1)).toBe(0);
    expect(m.mmu.frames.ownedBy(2)).toBe(0);
    expect(m.mmu.audit()).toEqual([]);
  });
});

describe("entry updates", () => {
  const setUp = () => {
    const m = new Machine();
    const t = m.tree(1);
    expect(m.mmu.types.pin(t.l4, 4, 1)).toBe(0);
    return { m, t, types: m.mmu.types };
  };

  it("moves references with L1 entries", () => {
    const { m, t } = setUp();
    expect(m.mod(t.l1, 0, t.data[1], P | RW | US, 1)).toBe(0);
    expect(counts(m, t.data[0])).toEqual([0, 0, 1]);
    expect(counts(m, t.data[1])).toEqual([PageType.writable, 2, 3]);
    expect(m.mod(t.l1, 0, t.data[1], P | US, 1)).toBe(0);
    expect(counts(m, t.data[1])).toEqual([PageType.writable, 1, 3]);
    expect(m.mod(t.l1, 0, t.data[1], P | US, 1, 0x80000000)).toBe(0);
    expect(m.hi(t.l1, 0)).toBe(0x80000000);
    expect(m.mod(t.l1, 0, t.l4, P | RW | US, 1)).toBe(EBUSY);
    expect(m.mod(t.l1, 0, t.l4, P, 1)).toBe(0);
    expect(m.mod(t.l1, 0, 0, 0, 1)).toBe(0);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("keeps accessed and dirty bits when asked", () => {
    const { m, t, types } = setUp();
    m.mmu.guest.writeU8(t.l4, 0, 1);
    types.modEntry(t.l1, 0, (t.data[0] << 12) | P | US | RW, 0, 1, { preserveAd: true });
    expect(m.lo(t.l1, 0) & (A | D)).toBe(A | D);
    types.modEntry(t.l1, 0, (t.data[0] << 12) | P | US | RW, 0, 1);
    expect(m.lo(t.l1, 0) & (A | D)).toBe(0);
  });

  it("stores raw in writable and untyped frames, and nothing in descriptor tables", () => {
    const { m, t, types } = setUp();
    const untyped = m.alloc(1);
    for (const mfn of [t.data[0], untyped]) {
      expect(types.modEntry(mfn, 511, 0xdeadbeef, 0xcafebabe, 1)).toBe(0);
      expect([m.lo(mfn, 511), m.hi(mfn, 511)]).toEqual([0xdeadbeef, 0xcafebabe]);
      expect(types.modEntry(mfn, 511, 0, 0, 2)).toBe(EINVAL);
      for (const index of [-1, 512, 2 ** 32, Number.NaN]) expect(types.modEntry(mfn, index, 0, 0, 1)).toBe(EINVAL);
    }
    const gdt = m.alloc(1);
    expect(types.getPageAndType(gdt, PageType.segDesc, 1)).toBe(0);
    expect(types.modEntry(gdt, 0, 0, 0, 1)).toBe(EINVAL);
    expect(types.modEntry(m.mmu.m2p.l3Mfn, 0, 0, 0, DOMID_XEN)).toBe(EINVAL);
    expect(types.modL1(t.l2, 0, 0, 0, 1)).toBe(EINVAL);
    expect(types.modL1(t.data[0], 0, 0, 0, 1)).toBe(EINVAL);
  });

  it("validates and gives up whole subtrees through one entry", () => {
    const { m, t, types } = setUp();
    const other = m.tree(1);
    expect(m.mod(t.l3, 7, other.l2, P | RW | US, 1)).toBe(0);
    expect(counts(m, other.l1)).toEqual([PageType.l1, 1, 2]);
    expect(types.modEntry(t.l3, 7, 0, 0, 1)).toBe(0);
    expect(counts(m, other.l2)).toEqual([0, 0, 1]);
    expect(counts(m, other.data[0])).toEqual([0, 0, 1]);
    expect(m.mod(t.l4, 256, other.l3, P | RW | US, 1)).toBe(EINVAL);
    expect(m.mod(t.l4, 271, 0, 0, 1)).toBe(EINVAL);
    expect(m.mod(t.l4, 272, other.l3, P | RW | US, 1)).toBe(0);
    m.poke(other.data[0], 0, 3, P);
    expect(m.mod(t.l2, 3, other.data[0], P | US, 1)).toBe(EINVAL);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("compares and exchanges an L1 entry as a whole", () => {
    const { m, t, types } = setUp();
    const [lo, hi] = [m.lo(t.l1, 0), m.hi(t.l1, 0)];
    expect(types.compareExchangeL1(t.l1, 0, lo, hi ^ 1, 0, 0, 1)).toBe(1);
    expect(m.lo(t.l1, 0)).toBe(lo);
    expect(types.compareExchangeL1(t.l1, 0, lo | 0, hi, (t.l2 << 12) | P | RW, 0, 1)).toBe(EBUSY);
    expect(types.compareExchangeL1(t.l1, 0, lo | 0, hi, (t.l2 << 12) | P, 0, 1)).toBe(0);
    expect(types.compareExchangeL1(t.l2, 0, 0, 0, 0, 0, 1)).toBe(EINVAL);
    expect(m.mmu.audit()).toEqual([]);
  });
});

describe("attack shapes", () => {
  it("XSA-182: a linear L4 entry never becomes writable", () => {
    const m = new Machine();
    const t = m.tree(1);
    m.poke(t.l4, 5, t.l4, P | US);
    expect(m.mmu.types.pin(t.l4, 4, 1)).toBe(0);
    expect(m.mod(t.l4, 5, t.l4, P | US | RW, 1)).toBe(EINVAL);
    expect(m.mod(t.l4, 5, t.l4, P | US | A, 1)).toBe(0);
    expect(m.mod(t.l4, 6, t.l4, P | US | RW, 1)).toBe(EINVAL);
    const va = 5 * 2 ** 39 + 5 * 2 ** 30 + 5 * 2 ** 21 + 5 * 2 ** 12;
    expect(m.mmu.walker.walk(t.l4, va | 0, Math.floor(va / 2 ** 32), Access.read, true)).toBe(0);
    expect(m.mmu.walker.mfn).toBe(t.l4);
    expect(m.mmu.walker.walk(t.l4, va | 0, Math.floor(va / 2 ** 32), Access.write, true)).not.toBe(0);
    // A read-only L1 reached through the linear slot is no L1 for update_va_mapping.
    const l1 = m.mmu.walker.locateL1(t.l4, va);
    expect(m.mmu.types.modL1(l1, 5, (t.data[0] << 12) | P | RW | US, 0, 1)).toBe(EINVAL);
    expect(m.mmu.types.unpin(t.l4, 1)).toBe(0);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("XSA-240: linear entries do not chain, and tables die from the top", () => {
    const m = new Machine();
    const [a, b, c] = [m.tree(1), m.tree(1), m.tree(1)];
    const { types } = m.mmu;
    for (const t of [a, b, c]) expect(types.pin(t.l4, 4, 1)).toBe(0);
    expect(m.mod(a.l4, 9, b.l4, P | US, 1)).toBe(0);
    expect(m.mod(b.l4, 9, c.l4, P | US, 1)).toBe(EINVAL);
    expect(m.mod(c.l4, 9, a.l4, P | US, 1)).toBe(EINVAL);
    expect(m.mod(c.l4, 9, b.l4, P | US, 1)).toBe(0);
    expect(m.mod(b.l4, 9, b.l4, P | US, 1)).toBe(0);
    expect(types.unpin(b.l4, 1)).toBe(0);
    expect(counts(m, b.l4)[0]).toBe(PageType.l4);
    expect(m.mmu.audit()).toEqual([]);
    expect(types.unpin(a.l4, 1)).toBe(0);
    expect(m.mmu.audit()).toEqual([]);
    expect(types.unpin(c.l4, 1)).toBe(0);
    expect(counts(m, b.l4)).toEqual([0, 0, 1]);
    expect(types.pin(a.l4, 4, 1)).toBe(EINVAL);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("linear tables can be switched off", () => {
    const m = new Machine({ linearTables: false });
    const t = m.tree(1);
    m.poke(t.l4, 5, t.l4, P | US);
    expect(m.mmu.types.pin(t.l4, 4, 1)).toBe(EINVAL);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("a writable frame becomes no page table, nor the reverse", () => {
    const m = new Machine();
    const t = m.tree(1);
    const { types } = m.mmu;
    expect(types.pin(t.l4, 4, 1)).toBe(0);
    expect(types.pin(t.data[0], 1, 1)).toBe(EINVAL);
    expect(types.getPageType(t.data[0], PageType.segDesc, 1)).toBe(EINVAL);
    expect(m.mod(t.l2, 1, t.data[0], P | US, 1)).toBe(EINVAL);
    expect(m.mod(t.l1, 0, t.data[0], P | US, 1)).toBe(0);
    expect(types.pin(t.data[0], 1, 1)).toBe(0);
    expect(m.mod(t.l1, 0, t.data[0], P | US | RW, 1)).toBe(EBUSY);
    expect(types.getPageType(t.data[0], PageType.writable, 1)).toBe(EINVAL);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("counts never exceed their limit", () => {
    const m = new Machine({ countLimit: 6 });
    const t = m.tree(1);
    const { types } = m.mmu;
    expect(types.pin(t.l4, 4, 1)).toBe(0);
    const results = [];
    for (let i = 10; i < 20; i++) results.push(m.mod(t.l1, i, t.data[0], P | US | RW, 1));
    expect(results).toEqual([0, 0, 0, 0, ...Array(6).fill(EBUSY)]);
    expect(counts(m, t.data[0])).toEqual([PageType.writable, 5, 6]);
    expect(types.getPage(t.data[0], 1)).toBe(false);
    expect(m.mod(t.l1, 30, t.data[0], P | US, 1)).toBe(EBUSY);
    for (let i = 1; i < 20; i++) m.mod(t.l2, i, t.l1, P | US, 1);
    expect(counts(m, t.l1)).toEqual([PageType.l1, 5, 6]);
    for (let i = 0; i < 10; i++) types.getPageType(t.l1, PageType.l1, 1);
    expect(counts(m, t.l1)).toEqual([PageType.l1, 6, 6]);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("grant entries cannot be forged, kept through re-typing or made writable", () => {
    const m = new Machine();
    const t = m.tree(1);
    const { types } = m.mmu;
    expect(types.pin(t.l1, 1, 1)).toBe(0);
    const granted = m.alloc(2);
    const lo = ((granted << 12) | P | US) >>> 0;
    expect(types.storeGrantEntry(t.l1, 20, lo, 0, 1)).toBe(EINVAL);
    expect(types.getPage(granted, 2)).toBe(true);
    expect(types.storeGrantEntry(t.l1, 20, lo | RW, 0, 1)).toBe(EINVAL);
    expect(types.storeGrantEntry(t.l1, 20, lo, 0, 2)).toBe(EINVAL);
    expect(types.storeGrantEntry(t.l1, 20, lo, 0, 1)).toBe(0);
    expect(m.mmu.audit()).toEqual([]);
    const [markedLo, markedHi] = [m.lo(t.l1, 20), m.hi(t.l1, 20)];
    expect(types.modL1(t.l1, 21, markedLo, markedHi, 1)).toBe(EINVAL);
    expect(types.modL1(t.l1, 21, markedLo, 0, 1)).toBe(EBUSY);
    expect(types.modL1(t.l1, 20, markedLo | RW, markedHi, 1)).toBe(EINVAL);
    expect(types.modL1(t.l1, 20, markedLo | RW, 0, 1)).toBe(EBUSY);
    // A change of soft bits keeps the mark, whether or not the guest writes it back.
    expect(types.modL1(t.l1, 20, markedLo | A, 0, 1)).toBe(0);
    expect(m.hi(t.l1, 20)).toBe(markedHi);
    expect(types.clearGrantEntry(t.l1, 20, granted, true, 1)).toBe(-2);
    expect(types.clearGrantEntry(t.l1, 20, t.l1, false, 1)).toBe(-2);
    // XSA-224, XSA-234: the table goes away and comes back with the entry still in it.
    expect(types.unpin(t.l1, 1)).toBe(0);
    expect(m.lo(t.l1, 20)).toBe(0);
    expect(counts(m, granted)).toEqual([0, 0, 2]);
    expect(types.pin(t.l1, 1, 1)).toBe(0);
    expect(types.storeGrantEntry(t.l1, 20, lo, 0, 1)).toBe(0);
    expect(types.modL1(t.l1, 20, 0, 0, 1)).toBe(0);
    expect(types.clearGrantEntry(t.l1, 20, granted, false, 1)).toBe(-2);
    expect(types.storeGrantEntry(t.l1, 20, lo, 0, 1)).toBe(0);
    // unmap_and_replace: entry 0 moves here, references and all.
    const moved = m.lo(t.l1, 0);
    expect(types.clearGrantEntry(t.l1, 20, granted, false, 1, t.l1, 0)).toBe(0);
    expect([m.lo(t.l1, 20), m.lo(t.l1, 0)]).toEqual([moved, 0]);
    types.putPage(granted);
    expect(counts(m, granted)).toEqual([0, 0, 1]);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("a frame is not reused while an entry or a translation leads to it", () => {
    const m = new Machine();
    const t = m.tree(1);
    const { types, frames, tlb } = m.mmu;
    expect(types.pin(t.l4, 4, 1)).toBe(0);
    const base = tlb.activate(1, t.l4);
    tlb.fill(base, 0, 0, Access.write);
    expect(types.releaseFrame(t.data[0], 1)).toBe(0);
    expect(types.releaseFrame(t.data[0], 1)).toBe(EINVAL);
    expect(frames.owner[t.data[0]]).toBe(1);
    expect(types.modL1(t.l1, 0, 0, 0, 1)).toBe(0);
    expect(frames.ownedBy(1)).toBe(7);
    expect(frames.alloc(2)).toBe(t.data[0]);
    expect(m.mmu.audit()).toEqual([]);
  });
});

describe("descriptor tables", () => {
  it("force privilege 3 and refuse gates into the hypervisor", () => {
    const m = new Machine();
    const { types } = m.mmu;
    const set = (mfn: number, i: number, lo: number, hi: number) => types.modEntry(mfn, i, lo, hi, 1);
    const gdt = m.alloc(1);
    set(gdt, 1, 0xffff, 0x00af9a00);
    set(gdt, 2, 0xffff, 0x00cf9200);
    set(gdt, 3, 0x12345678, 0x0000008b);
    set(gdt, 4, 0x00081234, 0x0000ec00);
    expect(types.getPageAndType(gdt, PageType.segDesc, 1)).toBe(0);
    expect(m.hi(gdt, 1)).toBe(0x00affa00);
    expect(m.hi(gdt, 2)).toBe(0x00cff200);
    expect([m.lo(gdt, 4), m.hi(gdt, 4)]).toEqual([0x000b1234, 0x00008c00]);
    expect(types.updateDescriptor(gdt, 40, 0xffff, 0x00af9a00, 1)).toBe(0);
    expect(m.hi(gdt, 5)).toBe(0x00affa00);
    expect(types.updateDescriptor(gdt, 40, 0xffff, 0x00008900, 1)).toBe(EINVAL);
    expect(types.updateDescriptor(gdt, 41, 0, 0, 1)).toBe(EINVAL);
    expect(types.updateDescriptor(gdt, 4096, 0, 0, 1)).toBe(EINVAL);
    expect(types.updateDescriptor(gdt, 40, 0, 0, 2)).toBe(EINVAL);
    expect(m.mmu.audit()).toEqual([]);
    types.putPageAndType(gdt);
    expect(types.getPageAndType(gdt, PageType.segDesc, 1)).toBe(0);
    expect([m.lo(gdt, 4), m.hi(gdt, 4)]).toEqual([0x000b1234, 0x00008c00]);
    for (const [lo, hi] of [
      [0, 0x8900],
      [0, 0x8e00],
      [0, 0x8200],
      [0xe0080000, 0x8c00],
      [0x00080000, 0x8c01],
    ]) {
      const bad = m.alloc(1);
      set(bad, 511, lo, hi);
      expect(types.getPageAndType(bad, PageType.segDesc, 1)).toBe(EINVAL);
      expect(counts(m, bad)).toEqual([0, 0, 1]);
    }
    expect(m.mmu.audit()).toEqual([]);
  });
});

describe("frames of Xen", () => {
  it("are mapped as shared, never typed, never given back", () => {
    const m = new Machine();
    const t = m.tree(1);
    const { types, frames } = m.mmu;
    const [rw, ro] = [m.alloc(DOMID_XEN), m.alloc(DOMID_XEN)];
    types.shareWithGuest(rw, 1, true);
    types.shareWithGuest(ro, 1, false);
    expect(types.pin(t.l4, 4, 1)).toBe(0);
    expect(m.mod(t.l1, 10, rw, P | RW | US, 1)).toBe(0);
    expect(m.mod(t.l1, 11, ro, P | RW | US, 1)).toBe(EBUSY);
    expect(m.mod(t.l1, 11, ro, P | US, 1)).toBe(0);
    for (const mfn of [rw, ro]) {
      expect(types.pin(mfn, 1, 1)).toBe(EINVAL);
      expect(types.releaseFrame(mfn, 1)).toBe(EINVAL);
    }
    expect(m.mod(ro, 0, 0, 0, 1)).toBe(EINVAL);
    expect(m.mmu.audit()).toEqual([]);
    expect(types.releaseDomain(1)).toBe(0);
    expect(frames.ownedBy(1)).toBe(2);
    types.unshare(rw);
    types.unshare(ro);
    expect(frames.ownedBy(1)).toBe(0);
    expect(m.mmu.audit()).toEqual([]);
    expect(() => types.unshare(rw)).toThrow(/not shared/);
    expect(() => types.shareWithGuest(rw, 1, true)).toThrow(/cannot be shared/);
  });
});

describe("preemption", () => {
  it("pins in steps, refusing all other uses meanwhile", () => {
    const m = new Machine();
    const t = m.tree(1);
    const { types, frames } = m.mmu;
    let calls = 1;
    for (; types.pin(t.l4, 4, 1, 100) === ERESTART; calls++) {
      expect(m.mmu.audit()).toEqual([]);
      expect(types.modEntry(t.l4, 0, 0, 0, 1)).toBe(EINVAL);
      expect(types.pin(t.l4, 1, 1)).toBe(EINVAL);
      expect(m.mod(m.alloc(1), 0, 0, 0, 1)).toBe(0);
    }
    expect(calls).toBeGreaterThan(15);
    expect(frames.flags[t.l4] & FrameFlags.pinned).not.toBe(0);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("devalidates in steps, and a pin in the middle turns it round", () => {
    const m = new Machine();
    const t = m.tree(1);
    const { types } = m.mmu;
    expect(types.pin(t.l4, 4, 1)).toBe(0);
    expect(types.unpin(t.l4, 1, 700)).toBe(ERESTART);
    expect(types.hasWork(1)).toBe(true);
    expect(m.mmu.audit()).toEqual([]);
    expect(types.unpin(t.l4, 1)).toBe(EINVAL);
    expect(types.pin(t.l3, 3, 1)).toBe(0);
    expect(m.mmu.audit()).toEqual([]);
    while (types.continueWork(1, 50) === ERESTART) expect(m.mmu.audit()).toEqual([]);
    expect(counts(m, t.l4)).toEqual([0, 0, 1]);
    expect(counts(m, t.l1)).toEqual([PageType.l1, 1, 2]);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("makes progress with the smallest budget", () => {
    const m = new Machine();
    const t = m.tree(1);
    let calls = 0;
    while (m.mmu.types.pin(t.l4, 4, 1, 1) === ERESTART) calls++;
    expect(calls).toBeLessThan(4 * 512 + 10);
    while (m.mmu.types.releaseDomain(1, 1) === ERESTART) calls++;
    expect(m.mmu.frames.ownedBy(1)).toBe(0);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("destroys a domain with half-done tables, and leaves what others hold", () => {
    const m = new Machine();
    const [t, u] = [m.tree(1), m.tree(1)];
    const { types, frames } = m.mmu;
    const free = frames.freeFrames;
    expect(types.pin(t.l4, 4, 1)).toBe(0);
    expect(types.pin(u.l4, 4, 1, 600)).toBe(ERESTART);
    expect(types.getPage(t.data[0], 1)).toBe(true);
    let calls = 1;
    for (; types.releaseDomain(1, 64) === ERESTART; calls++) expect(m.mmu.audit()).toEqual([]);
    expect(calls).toBeGreaterThan(30);
    expect(frames.ownedBy(1)).toBe(1);
    types.putPage(t.data[0]);
    expect(frames.freeFrames).toBe(free + 16);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("mistakes of the hypervisor throw", () => {
    const m = new Machine();
    const mfn = m.alloc(1);
    expect(() => m.mmu.types.putPage(mfn)).toThrow(/nobody holds/);
    expect(() => m.mmu.types.putPageType(mfn)).toThrow(/nobody holds/);
  });
});
