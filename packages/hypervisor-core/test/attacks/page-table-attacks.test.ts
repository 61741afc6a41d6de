import { PageType } from "@xen-node/mmu";
import { ExitReason } from "@xen-node/x86-cpu";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { handleExit } from "../../src/traps.ts";
import { KERNEL_CS, Page, va } from "../machine.ts";
import { ARG, Attacker, DOMID_SELF, EFAULT, EINVAL, Mmuext } from "./attacker.ts";

const PRESENT = 1;
const RW = 2;
const PSE = 0x80;
const TABLE = 0x27;

describe("attacks on page tables", () => {
  let a: Attacker;
  beforeEach(() => {
    a = new Attacker();
  });
  afterEach(() => a.expectHarmless());

  it("XSA-148: a large page, also by changing nothing but flags of an entry", () => {
    expect(a.update(Page.l2, 1, a.entry(10, TABLE | PSE))).toBe(EINVAL);
    expect(a.update(Page.l2, 0, a.entry(Page.l1, TABLE | PSE))).toBe(EINVAL);
    a.makeTable(20, [[3, a.entry(10, TABLE | PSE)]]);
    expect(a.mmuext(Mmuext.pinL2, a.mfn(20))).toBe(EINVAL);
    expect(a.read(Page.l2, 0) & PSE).toBe(0);
  });

  it("XSA-182: write access to its own L4 table, by flags of a linear entry", () => {
    expect(a.update(Page.l4, 5, a.entry(Page.l4, 0x25))).toBe(0);
    expect(a.update(Page.l4, 5, a.entry(Page.l4, TABLE))).toBe(EINVAL);
    expect(a.read(Page.l4, 5) & RW).toBe(0);
  });

  it("XSA-240 and XSA-280: a chain of linear entries, which would be taken apart recursively", () => {
    // Each new L2 table points at the one before it: the second may, a third would make a chain.
    for (const [page, expected] of [
      [20, 0],
      [21, 0],
      [22, EINVAL],
    ]) {
      a.makeTable(page, page === 20 ? [] : [[0, a.entry(page - 1, 0x25)]]);
      expect(a.mmuext(Mmuext.pinL2, a.mfn(page))).toBe(expected);
    }
    expect(a.mmuext(Mmuext.unpin, a.mfn(20))).toBe(0);
    expect(a.type(20)).toBe(PageType.l2);
    expect(a.mmuext(Mmuext.unpin, a.mfn(21))).toBe(0);
    expect([a.type(20), a.type(21)]).toEqual([PageType.none, PageType.none]);
  });

  it("XSA-309: a linear entry that is counted once and dropped twice", () => {
    a.makeTable(20);
    expect(a.mmuext(Mmuext.pinL4, a.mfn(20))).toBe(0);
    for (let round = 0; round < 3; round++) {
      expect(a.update(20, 7, a.entry(Page.l4, 0x25))).toBe(0);
      expect(a.update(20, 8, a.entry(Page.l4, 0x25))).toBe(0);
      expect(a.update(20, 7, 0)).toBe(0);
      expect(a.update(20, 8, 0)).toBe(0);
    }
    expect(a.g.hv.mmu.frames.linear[a.mfn(Page.l4)]).toBe(0);
  });

  it("XSA-286: a stale translation through a linear map after its entry is gone", () => {
    expect(a.update(Page.l4, 5, a.entry(Page.l4, 0x25))).toBe(0);
    // Slot 5 three times: the L4 table's own entries appear where L1 tables do.
    const window = 5 * 2 ** 39 + 5 * 2 ** 30 + 5 * 2 ** 21 + 5 * 4096;
    const { guest } = a.g.hv;
    expect(guest.fetch(window, 8)).toBe(true);
    expect(guest.u32[0] & PRESENT).toBe(1);
    expect(a.update(Page.l4, 5, 0)).toBe(0);
    expect(guest.fetch(window, 8)).toBe(false);
  });

  it("XSA-241 and XSA-401: a table whose frame is still writable through an old translation", () => {
    const { guest } = a.g.hv;
    // The hypervisor's own soft TLB has the page writable now.
    guest.u32[0] = 0;
    expect(guest.store(va(20), 8)).toBe(true);
    expect(a.mmuext(Mmuext.pinL1, a.mfn(20))).toBe(EINVAL);
    a.makeTable(20);
    expect(guest.store(va(20), 8)).toBe(false);
    expect(a.mmuext(Mmuext.pinL1, a.mfn(20))).toBe(0);
    expect(a.update(Page.l1, 20, a.entry(20, 0x23))).toBeLessThan(0);
    expect(guest.store(va(20), 8)).toBe(false);
  });

  it("XSA-242: a type reference left behind by a failed validation", () => {
    a.makeTable(20, [
      [0, a.entry(30, 0x23)],
      [1, a.entry(31, 0x23)],
      [511, a.victim.p2m[10] * 4096 + 0x23],
    ]);
    const { frames } = a.g.hv.mmu;
    const before = [30, 31].map((page) => [frames.typeCount[a.mfn(page)], frames.refCount[a.mfn(page)]]);
    for (let round = 0; round < 5; round++) expect(a.mmuext(Mmuext.pinL1, a.mfn(20))).toBeLessThan(0);
    // It was the last entry that failed.
    a.words(ARG, a.mfn(20) * 4096 + 511 * 8, 0);
    expect(a.call(1, ARG, 1, 0, DOMID_SELF)).toBe(0);
    expect([a.mmuext(Mmuext.pinL1, a.mfn(20)), a.mmuext(Mmuext.unpin, a.mfn(20))]).toEqual([0, 0]);
    expect([30, 31].map((page) => [frames.typeCount[a.mfn(page)], frames.refCount[a.mfn(page)]])).toEqual(before);
  });

  it("XSA-248: frames that are the hypervisor's own", () => {
    const { m2p, frames } = a.g.hv.mmu;
    for (const mfn of [m2p.l3Mfn, frames.endMfn - 1, frames.endMfn, frames.firstMfn - 1, 0, 1]) {
      expect(a.update(Page.l1, 30, mfn * 4096 + 0x21)).toBeLessThan(0);
      expect(a.update(Page.l1, 30, mfn * 4096 + 0x23)).toBeLessThan(0);
      for (const command of [Mmuext.pinL1, Mmuext.pinL4, Mmuext.unpin, Mmuext.newBase, Mmuext.clear])
        expect(a.mmuext(command, mfn)).toBeLessThan(0);
    }
    // Slots of the root that are Xen's.
    for (const slot of [256, 271]) expect(a.update(Page.l4, slot, a.entry(Page.l3, TABLE))).toBe(EINVAL);
  });

  it("XSA-252 and XSA-290: tables so large that validating or freeing them would stop the machine", () => {
    const { hv } = a.g;
    // One L1 table under all entries of an L2, that one under an L3, that one under an L4: 2^27 entries to look at.
    a.makeTable(20, [[0, a.entry(30, 0x21)]]);
    const all = (page: number): [number, number][] => Array.from({ length: 512 }, (_, i) => [i, a.entry(page, TABLE)]);
    a.makeTable(21, all(20));
    a.makeTable(22, all(21));
    a.makeTable(
      23,
      all(22).filter(([i]) => i < 256 || i >= 272),
    );
    for (const [command, mfn] of [
      [Mmuext.pinL4, 23],
      [Mmuext.unpin, 23],
    ] as const) {
      const before = hv.mmu.types.totalWork;
      expect(a.mmuext(command, a.mfn(mfn))).toBe(0);
      // Counted references make each table be looked at once, whatever number of entries lead to it.
      expect(hv.mmu.types.totalWork - before).toBeLessThan(4 * 1024);
    }
  });

  it("XSA-299 and XSA-310: a table that is used while its validation or the opposite is half done", () => {
    const { types, frames } = a.g.hv.mmu;
    const domid = a.g.domain.domid;
    a.makeTable(
      20,
      Array.from({ length: 512 }, (_, i) => [i, a.entry(30 + (i % 8), 0x21)]),
    );
    a.makeTable(21, [[0, a.entry(20, TABLE)]]);
    expect(types.pin(a.mfn(21), 2, domid, 100)).toBe(-85);
    // Half-way: no other type, no mapping that could write, no entry that leads there.
    expect(types.pin(a.mfn(20), 3, domid, 100)).toBeLessThan(0);
    expect(a.update(Page.l1, 40, a.entry(20, 0x23))).toBeLessThan(0);
    expect(a.g.hv.auditFrames()).toEqual([]);
    expect(a.mmuext(Mmuext.pinL2, a.mfn(21))).toBe(0);
    expect(types.unpin(a.mfn(21), domid, 100)).toBe(-85);
    expect(a.g.hv.auditFrames()).toEqual([]);
    expect(a.update(Page.l1, 40, a.entry(20, 0x23))).toBeLessThan(0);
    // The domain runs on only when the rest is done.
    while (types.continueWork(domid, 100) !== 0) expect(a.g.hv.auditFrames()).toEqual([]);
    expect(frames.type[a.mfn(20)]).toBe(PageType.none);
  });

  it("XSA-402: mappings with other cacheability", () => {
    for (const flags of [0x08, 0x10, 0x18, 0x80]) expect(a.update(Page.l1, 30, a.entry(30, 0x23 | flags))).toBe(EINVAL);
  });

  it("XSA-279: a flush of an address that is not canonical", () => {
    const UVMF_INVLPG = 2;
    for (const address of [0x8000_0000_0000, -0x8000_0000_1000, 2 ** 52, -(2 ** 52)])
      expect(a.call(14, address, 0, UVMF_INVLPG)).toBe(EINVAL);
  });

  it("XSA-213: an iret within a multicall, after which the rest would run in the wrong mode", () => {
    const { hv, vcpu } = a.g;
    hv.addressSpaces.setUserRoot(vcpu, a.mfn(Page.userL4));
    const frame = va(Page.data, 0x800);
    a.words(frame, 1, 2, 3, 0, va(Page.code, 0x100), KERNEL_CS, 0x202, va(Page.userStack + 1), 0xe02b);
    hv.regs.setNumber(4, frame);
    // {iret}, {update_va_mapping of page 30}: the second must not happen.
    a.words(ARG, 23, 0, 0, 0, 0, 0, 0, 0, 14, 99, va(30), 0, 0, 0, 0, 0);
    hv.regs.setNumber(0, 13);
    hv.regs.setNumber(7, ARG);
    hv.regs.setNumber(6, 2);
    handleExit(hv, vcpu, ExitReason.SYSCALL);
    expect(vcpu.kernelMode).toBe(false);
    expect(a.word(ARG + 64 + 8)).toBe(99);
    expect(a.read(Page.l1, 30) & PRESENT).toBe(1);
  });

  it("XSA-212: results of an exchange written where the hypervisor is", () => {
    const HOLE = -0x8000_0000_0000;
    for (const [inAt, outAt] of [
      [va(Page.data, 0x700), HOLE + 0x1000],
      [HOLE, va(Page.data, 0x700)],
      [va(Page.data, 0x700), 2 ** 47],
    ]) {
      const exchange = ARG;
      a.words(exchange, inAt, 1, 0, DOMID_SELF, outAt, 1, 0, DOMID_SELF, 0);
      a.words(va(Page.data, 0x700), a.mfn(30));
      expect(a.call(12, 11, exchange)).toBe(EFAULT);
    }
    // "Already exchanged" beyond the end would move the output list's start.
    a.words(ARG, va(Page.data, 0x700), 1, 0, DOMID_SELF, va(Page.data, 0x708), 1, 0, DOMID_SELF, 2 ** 40);
    expect(a.call(12, 11, ARG)).toBe(EINVAL);
    expect(a.g.hv.mmu.frames.owner[a.mfn(30)]).toBe(a.g.domain.domid);
  });

  it("XSA-385: more memory than the domain may have", () => {
    const { domain } = a.g;
    for (const count of [2 ** 26 - 1, 2 ** 40, -1]) {
      a.words(ARG, 0, count, 0, DOMID_SELF);
      const rc = a.call(12, 0, ARG);
      expect(rc).toBeLessThanOrEqual(domain.maxPages);
      expect(domain.totalPages).toBeLessThanOrEqual(domain.maxPages);
    }
    expect(a.g.hv.mmu.frames.ownedBy(domain.domid)).toBeLessThanOrEqual(domain.maxPages + 8);
  });
});
