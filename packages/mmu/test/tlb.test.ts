import { describe, expect, it } from "vitest";
import {
  Access,
  auditTlb,
  BANK_BYTES,
  HEADER_FILL_COUNT,
  Pte,
  TLB_HEADER,
  TLB_READ,
  TLB_WRITE,
  TlbBanks,
  WalkFault,
} from "../src/index.ts";
import { A, D, Machine, P, RW, type Tree, US } from "./machine.ts";

const loOf = (va: number) => va | 0;
const hiOf = (va: number) => Math.floor(va / 2 ** 32) | 0;

/** What generated code does on its fast path: host address or -1. */
function lookup(m: Machine, base: number, array: number, va: number, size = 8): number {
  const big = BigInt(va);
  const entry = base + array + Number((big >> 8n) & 0xfff0n);
  const tag = m.mmu.memory.view.getBigUint64(entry, true);
  if ((tag ^ BigInt.asUintN(64, big)) > BigInt(4096 - size)) return -1;
  return (Number(BigInt.asIntN(32, big)) + m.mmu.memory.view.getInt32(entry + 8, true)) >>> 0;
}

function validated(m: Machine, pages = 4): Tree {
  const tree = m.tree(1, pages);
  expect(m.mmu.types.pin(tree.l4, 4, 1)).toBe(0);
  return tree;
}

describe("Walker", () => {
  it("translates and sets accessed and dirty bits at the levels where they belong", () => {
    const m = new Machine();
    const t = m.tree(1);
    const w = m.mmu.walker;
    expect(w.walk(t.l4, 0x1234, 0, Access.read, true)).toBe(0);
    expect([w.mfn, w.l1Mfn, w.l1Index]).toEqual([t.data[1], t.l1, 1]);
    expect([m.lo(t.l4, 0), m.lo(t.l3, 0), m.lo(t.l2, 0), m.lo(t.l1, 1)].map((e) => e & (A | D))).toEqual([A, A, A, A]);
    expect(w.walk(t.l4, 0x1234, 0, Access.write, true)).toBe(0);
    expect(m.lo(t.l1, 1) & (A | D)).toBe(A | D);
    expect(m.lo(t.l2, 0) & D).toBe(0);
    expect(m.lo(t.l1, 0) & A).toBe(0);
  });

  it("gives the processor's error codes and leaves no marks on a fault", () => {
    const m = new Machine();
    const t = m.tree(1);
    const w = m.mmu.walker;
    const fault = (va: number, access: number, user = true) => {
      const rc = w.walk(t.l4, loOf(va), hiOf(va), access, user);
      expect(rc).toBe(WalkFault.page | w.errorCode);
      return w.errorCode;
    };
    expect(fault(0x9000, Access.read)).toBe(4);
    expect(fault(0x9000, Access.write)).toBe(6);
    expect(fault(-4096, Access.exec, false)).toBe(0x10);
    m.poke(t.l1, 0, t.data[0], P | US);
    expect(fault(0, Access.write)).toBe(7);
    m.poke(t.l1, 1, t.data[1], P | RW);
    expect(fault(0x1000, Access.read)).toBe(5);
    expect(w.walk(t.l4, 0x1000, 0, Access.read, false)).toBe(0);
    m.poke(t.l1, 2, t.data[2], P | US, Pte.hiNoExecute);
    expect(fault(0x2000, Access.exec)).toBe(0x15);
    expect(w.walk(t.l4, 0x2000, 0, Access.read, true)).toBe(0);
    m.poke(t.l1, 3, 0x7ffffff, P | US);
    expect(fault(0x3000, Access.read)).toBe(0xd);
    m.poke(t.l3, 1, t.l2, P | RW | US | Pte.pageSize);
    expect(fault(2 ** 30, Access.read)).toBe(0xd);
    m.poke(t.l2, 0, t.l1, P | US);
    expect(fault(0, Access.write)).toBe(7);
    expect(m.lo(t.l1, 0) & A).toBe(0);
    for (const hi of [0x8000, 0xffff0000 | 0, 0x12345678]) {
      expect(w.walk(t.l4, 0, hi, Access.read, true)).toBe(WalkFault.nonCanonical);
    }
    expect(w.walk(0, 0, 0, Access.read, true)).toBe(WalkFault.page | 0xd);
  });

  it("maps 2 MiB pages by their own table entry", () => {
    const m = new Machine();
    const t = m.tree(1);
    m.poke(t.l2, 1, 1024, P | RW | US | Pte.pageSize);
    const w = m.mmu.walker;
    expect(w.walk(t.l4, 0x203abc, 0, Access.write, true)).toBe(0);
    expect([w.mfn, w.l1Mfn, w.l1Index]).toEqual([1027, t.l2, 1]);
    expect(m.lo(t.l2, 1) & (A | D)).toBe(A | D);
    m.poke(t.l2, 1, 1025 + 16, P | RW | US | Pte.pageSize);
    expect(w.walk(t.l4, 0x203abc, 0, Access.write, true)).toBe(WalkFault.page | 0xf);
  });

  it("finds the L1 entry of an address, present or not", () => {
    const m = new Machine();
    const t = m.tree(1);
    const w = m.mmu.walker;
    expect(w.locateL1(t.l4, 0x1ff000)).toBe(t.l1);
    expect([w.l1Index, w.pteLo]).toEqual([511, 0]);
    expect(w.locateL1(t.l4, 0x200000)).toBe(-1);
    expect(w.locateL1(t.l4, -4096)).toBe(-1);
    m.poke(t.l4, 511, t.l3, P | RW | US);
    expect(w.locateL1(t.l4, -(2 ** 39) + 0x3000)).toBe(t.l1);
    expect(w.pteLo >>> 12).toBe(t.data[3]);
    m.poke(t.l2, 1, 1024, P | US | Pte.pageSize);
    expect(w.locateL1(t.l4, 0x200000)).toBe(-1);
  });
});

describe("remembered fetches", () => {
  it("follow the tables", () => {
    const m = new Machine();
    const t = validated(m);
    const { walker, types, tlb } = m.mmu;
    const fetch = (va: number) => (walker.walk(t.l4, va, 0, Access.exec, true) === 0 ? walker.mfn : -walker.errorCode);
    tlb.activate(1, t.l4);
    expect([fetch(0x1000), fetch(0x1fff), fetch(0x1000)]).toEqual([t.data[1], t.data[1], t.data[1]]);
    // Another frame, no execution, no page.
    expect(m.mod(t.l1, 1, t.data[3], P | US, 1)).toBe(0);
    expect(fetch(0x1000)).toBe(t.data[3]);
    expect(m.mod(t.l1, 1, t.data[3], P | US, 1, Pte.hiNoExecute)).toBe(0);
    expect(fetch(0x1000)).toBe(-0x15);
    expect(types.modL1(t.l1, 1, 0, 0, 1)).toBe(0);
    expect(fetch(0x1000)).toBe(-0x14);
    // The accessed bit is set again after the guest has cleared it.
    expect(fetch(0x2000)).toBe(t.data[2]);
    expect(m.mod(t.l1, 2, t.data[2], P | RW | US, 1)).toBe(0);
    expect(m.lo(t.l1, 2) & A).toBe(0);
    expect(fetch(0x2000)).toBe(t.data[2]);
    expect(m.lo(t.l1, 2) & A).toBe(A);
    // Upper levels, and a root that is none any more.
    expect(types.modEntry(t.l2, 0, 0, 0, 1)).toBe(0);
    expect(fetch(0x2000)).toBe(-0x14);
    expect(m.mod(t.l2, 0, t.l1, P | RW | US, 1)).toBe(0);
    expect(fetch(0x2000)).toBe(t.data[2]);
    const other = validated(m);
    expect(walker.walk(other.l4, 0x2000, 0, Access.exec, true)).toBe(0);
    expect(walker.mfn).toBe(other.data[2]);
    expect(fetch(0x2000)).toBe(t.data[2]);
  });
});

const KERNEL_INDEX = 300;
/** Behind entry KERNEL_INDEX of both L4 tables of `sharingKernel`. */
const KERNEL = (KERNEL_INDEX - 512) * 2 ** 39;

/** Two address spaces with the same tables behind KERNEL; the bank of the first one is active. */
function sharingKernel() {
  const m = new Machine();
  const t = validated(m);
  const other = m.tree(1);
  const { tlb } = m.mmu;
  const from = tlb.activate(1, t.l4);
  for (const l4 of [t.l4, other.l4]) m.poke(l4, KERNEL_INDEX, other.l3, P | RW | US | A);
  return { m, tlb, other, from };
}

describe("TlbBanks", () => {
  it("lays banks out as the generated code reads them", () => {
    const m = new Machine();
    const t = validated(m);
    const tlb = m.mmu.tlb;
    const base = tlb.activate(1, t.l4);
    expect(BANK_BYTES).toBe(0x24000);
    expect(TlbBanks.bytes({ banks: 4 })).toBe(4 * (0x24000 + 0x81000) + 0x20000);
    expect([TLB_READ, TLB_WRITE, TLB_HEADER]).toEqual([0, 0x10000, 0x20000]);
    expect(m.mmu.memory.u32[(base + TLB_HEADER) / 4]).toBe(t.l4);
    expect(m.mmu.memory.u32[(base + TLB_HEADER) / 4 + 1]).toBe(1);
    for (const array of [TLB_READ, TLB_WRITE]) {
      for (let i = 0; i < 4096; i++) {
        expect(m.mmu.memory.view.getBigUint64(base + array + i * 16, true)).toBe(BigInt((i ^ 1) << 12));
      }
    }
    for (const va of [0, 0x1000, 0xfff000, -4096, -(2 ** 47)]) expect(lookup(m, base, TLB_READ, va)).toBe(-1);

    const host = m.mmu.frames.hostAddress(t.data[2]);
    expect(tlb.fill(base, 0x2123, 0, Access.read)).toBe(host + 0x123);
    expect(lookup(m, base, TLB_READ, 0x2ff8)).toBe(host + 0xff8);
    expect(lookup(m, base, TLB_READ, 0x2ff9)).toBe(-1);
    expect(lookup(m, base, TLB_READ, 0x2ff9, 4)).toBe(host + 0xff9);
    expect(lookup(m, base, TLB_WRITE, 0x2000)).toBe(-1);
    expect(lookup(m, base, TLB_READ, 0x2000 + 2 ** 40)).toBe(-1);
    expect(tlb.fill(base, 0x2123, 0, Access.write)).toBe(host + 0x123);
    expect(lookup(m, base, TLB_WRITE, 0x2000)).toBe(host);
    expect(tlb.fill(base, 0x9000, 0, Access.read)).toBe(0);
    expect(m.mmu.walker.errorCode).toBe(4);
    expect(m.mmu.audit()).toEqual([]);
    tlb.flushBank(base);
    for (const array of [TLB_READ, TLB_WRITE]) {
      expect(m.mmu.memory.view.getBigUint64(base + array + 2 * 16, true)).toBe(BigInt((2 ^ 1) << 12));
    }
  });

  it("handles negative addresses", () => {
    const m = new Machine();
    const t = m.tree(1);
    m.poke(t.l4, 511, t.l3, P | RW | US);
    m.poke(t.l3, 511, t.l2, P | RW | US);
    expect(m.mmu.types.pin(t.l4, 4, 1)).toBe(0);
    const base = m.mmu.tlb.activate(1, t.l4);
    const va = -(2 ** 30) + 0x1008;
    const host = m.mmu.frames.hostAddress(t.data[1]) + 8;
    expect(m.mmu.tlb.fill(base, loOf(va), hiOf(va), Access.write)).toBe(host);
    expect(lookup(m, base, TLB_WRITE, va)).toBe(host);
    m.mmu.tlb.dropL1(1, (loOf(va) >>> 12) & 511, t.data[1], true, false);
    expect(lookup(m, base, TLB_WRITE, va)).toBe(-1);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("keeps one bank an address space and recycles the one used longest ago", () => {
    const m = new Machine();
    const trees = [0, 1, 2, 3, 4].map(() => validated(m));
    const bases = trees.slice(0, 4).map((t) => m.mmu.tlb.activate(1, t.l4));
    expect(new Set(bases).size).toBe(4);
    m.mmu.tlb.fill(bases[1], 0, 0, Access.read);
    m.mmu.tlb.activate(1, trees[0].l4);
    expect(m.mmu.tlb.activate(1, trees[4].l4)).toBe(bases[1]);
    expect(lookup(m, bases[1], TLB_READ, 0)).toBe(-1);
    expect(m.mmu.tlb.activate(1, trees[0].l4)).toBe(bases[0]);
    expect(m.mmu.types.unpin(trees[0].l4, 1)).toBe(0);
    expect(m.mmu.tlb.fill(bases[0], 0, 0, Access.read)).toBe(0);
    expect(m.mmu.tlb.activate(1, trees[1].l4)).toBe(bases[0]);
  });

  it("uses no more banks than it is allowed, and more when it is allowed more", () => {
    const m = new Machine({ banks: 4 });
    const { tlb } = m.mmu;
    const roots = Array.from({ length: 4 }, () => validated(m).l4);
    const inUse = (): number[] => [...tlb.inUse()].map(([, , root]) => root);
    tlb.allow(2);
    for (const root of roots) tlb.activate(1, root);
    expect(inUse().sort()).toEqual(roots.slice(2).sort());
    tlb.allow(100);
    for (const root of roots) tlb.activate(1, root);
    expect(inUse().sort()).toEqual([...roots].sort());
    // What is in use stays so.
    tlb.allow(0);
    for (const root of roots) tlb.activate(1, root);
    expect(inUse().sort()).toEqual([...roots].sort());
    expect(m.mmu.audit()).toEqual([]);
  });

  it("survives its log filling up", () => {
    const m = new Machine();
    const t = validated(m, 2);
    const base = m.mmu.tlb.activate(1, t.l4);
    // The same data page at 4096 addresses: eight L1 tables that map it throughout.
    for (let k = 1; k < 8; k++) {
      const l1 = m.alloc(1);
      for (let i = 0; i < 512; i++) m.poke(l1, i, t.data[1], P | RW | US);
      expect(m.mod(t.l2, k, l1, P | RW | US, 1)).toBe(0);
    }
    for (let i = 1; i < 512; i++) expect(m.mod(t.l1, i, t.data[1], P | RW | US, 1)).toBe(0);
    for (let page = 0; page < 4096; page++) {
      expect(m.mmu.tlb.fill(base, page << 12, 0, Access.read)).toBeGreaterThan(0);
      expect(m.mmu.tlb.fill(base, page << 12, 0, Access.write)).toBeGreaterThan(0);
    }
    expect(m.mmu.memory.u32[(base + TLB_HEADER + HEADER_FILL_COUNT) / 4]).toBe(0xffff);
    expect(m.mmu.audit()).toEqual([]);
    m.mmu.markCode(t.data[1]);
    expect(lookup(m, base, TLB_WRITE, 0x1000)).toBe(-1);
    expect(lookup(m, base, TLB_WRITE, 0)).not.toBe(-1);
    m.mmu.tlb.flushDomain(1);
    for (let page = 0; page < 4096; page++) {
      expect(lookup(m, base, TLB_READ, page << 12)).toBe(-1);
      expect(lookup(m, base, TLB_WRITE, page << 12)).toBe(-1);
    }
  });

  it("does not log a slot twice after single drops", () => {
    const m = new Machine();
    const t = validated(m);
    const base = m.mmu.tlb.activate(1, t.l4);
    for (let i = 0; i < 10_000; i++) {
      m.mmu.tlb.fill(base, 0x1000, 0, Access.read);
      m.mmu.tlb.dropL1(1, 1, t.data[1], true, false);
    }
    expect(m.mmu.memory.u32[(base + TLB_HEADER + HEADER_FILL_COUNT) / 4]).toBe(1);
    m.mmu.tlb.fill(base, 0x1000, 0, Access.read);
    m.mmu.tlb.flushBank(base);
    expect(lookup(m, base, TLB_READ, 0x1000)).toBe(-1);
  });

  it("drops translations as soon as an entry changes, at any level", () => {
    const m = new Machine();
    const t = validated(m);
    const { tlb, types, frames } = m.mmu;
    const base = tlb.activate(1, t.l4);
    const fillAll = () => {
      for (const access of [Access.read, Access.write]) {
        for (const va of [0, 0x1000]) expect(tlb.fill(base, va, 0, access)).toBeGreaterThan(0);
      }
    };
    fillAll();
    expect(m.mod(t.l1, 0, t.data[3], P | RW | US, 1)).toBe(0);
    expect(lookup(m, base, TLB_READ, 0)).toBe(-1);
    expect(lookup(m, base, TLB_WRITE, 0)).toBe(-1);
    expect(lookup(m, base, TLB_WRITE, 0x1000)).toBe(frames.hostAddress(t.data[1]));
    fillAll();
    // Write protection keeps nothing writable.
    expect(m.mod(t.l1, 0, t.data[3], P | US, 1)).toBe(0);
    expect(lookup(m, base, TLB_WRITE, 0)).toBe(-1);
    expect(tlb.fill(base, 0, 0, Access.write)).toBe(0);
    expect(m.mod(t.l1, 0, t.data[3], P | RW | US, 1)).toBe(0);
    fillAll();
    // Clearing the dirty bit: the next write must set it again.
    expect(m.mod(t.l1, 0, t.data[3], P | RW | US | A, 1)).toBe(0);
    expect(lookup(m, base, TLB_WRITE, 0)).toBe(-1);
    fillAll();
    expect(types.modEntry(t.l2, 0, 0, 0, 1)).toBe(0);
    expect(lookup(m, base, TLB_READ, 0)).toBe(-1);
    expect(lookup(m, base, TLB_WRITE, 0x1000)).toBe(-1);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("reports writes to frames with code and never remembers them", () => {
    const m = new Machine();
    const t = validated(m);
    const base = m.mmu.tlb.activate(1, t.l4);
    const log: number[][] = [];
    m.mmu.onCodeWrite = (...args) => log.push(args);
    expect(m.mmu.tlb.fill(base, 0x1000, 0, Access.write)).toBeGreaterThan(0);
    m.mmu.markCode(t.data[1]);
    expect(lookup(m, base, TLB_WRITE, 0x1000)).toBe(-1);
    const host = m.mmu.frames.hostAddress(t.data[1]);
    expect(m.mmu.tlb.fill(base, 0x1ffe, 0, Access.write, 2)).toBe(host + 0xffe);
    expect(m.mmu.tlb.fill(base, 0x1ffe, 0, Access.write)).toBe(host + 0xffe);
    expect(lookup(m, base, TLB_WRITE, 0x1000)).toBe(-1);
    expect(log).toEqual([
      [t.data[1], 0xffe, 2],
      [t.data[1], 0xffe, 2],
    ]);
  });

  it("gives a new address space the translations of another one behind the entries of the L4 table that they share", () => {
    const { m, tlb, other, from } = sharingKernel();
    const { memory } = m.mmu;
    const { u32 } = memory;
    // Behind entry 0 they have tables of their own; page 2 of the kernel is dropped again.
    tlb.fill(from, 0x1000, 0, Access.read);
    const host = tlb.fill(from, 0x1000, hiOf(KERNEL), Access.write);
    expect(host).toBeGreaterThan(0);
    tlb.fill(from, 0x2000, hiOf(KERNEL), Access.read);
    tlb.dropL1(1, 2, other.data[2], true, false);
    const base = tlb.activate(1, other.l4);
    tlb.inherit(from, base);
    const entry = (array: number, slot: number) => {
      const p = (base + array) / 4 + 4 * slot;
      return [u32[p], u32[p + 1], (u32[p] + u32[p + 2]) >>> 0];
    };
    expect(entry(TLB_WRITE, 1)).toEqual([0x1000, hiOf(KERNEL) >>> 0, host]);
    // What selects these entries cannot hit them.
    for (const slot of [1, 2]) expect(entry(TLB_READ, slot)[0] >>> 12).toBe(slot ^ 1);
    // Its own now: they go when their mapping does, and with the bank.
    tlb.dropL1(1, 1, other.data[1], true, false);
    expect(entry(TLB_WRITE, 1)[0]).toBe(0);
    expect(auditTlb(m.mmu.frames, tlb, memory, m.mmu.translated)).toEqual([]);
  });

  it("drops what a bank has inherited when an entry of a table above it changes", () => {
    const { m, tlb, other, from } = sharingKernel();
    expect(tlb.fill(from, 0x1000, hiOf(KERNEL), Access.read)).toBeGreaterThan(0);
    const base = tlb.activate(1, other.l4);
    tlb.inherit(from, base);
    expect(lookup(m, base, TLB_READ, KERNEL + 0x1000)).toBeGreaterThan(0);
    tlb.dropTable(1, 2, 1);
    expect(lookup(m, base, TLB_READ, KERNEL + 0x1000)).toBeGreaterThan(0);
    tlb.dropTable(1, 2, 0);
    for (const bank of [from, base]) expect(lookup(m, bank, TLB_READ, KERNEL + 0x1000)).toBe(-1);
  });

  it("finds what is to be dropped in all of a bank whose log has overflowed", () => {
    const OVERFLOW = 0xffff;
    const { m, tlb, other, from } = sharingKernel();
    const drops = [
      () => tlb.dropTable(1, 2, 0),
      () => tlb.dropFrame(other.data[1]),
      () => {
        const marks = new Uint8Array(m.mmu.memory.byteLength / 4096);
        marks[m.mmu.frames.place[other.data[1]]] = 1;
        tlb.dropMarked(1, marks);
      },
    ];
    for (const drop of drops) {
      // Before the first store it has no place, which would drop what was read.
      tlb.fill(from, 0x1000, hiOf(KERNEL), Access.write);
      tlb.fill(from, 0x1000, hiOf(KERNEL), Access.read);
      m.mmu.memory.u32[(from + TLB_HEADER + 16) / 4] = OVERFLOW;
      for (const array of [TLB_READ, TLB_WRITE]) expect(lookup(m, from, array, KERNEL + 0x1000)).toBeGreaterThan(0);
      drop();
      for (const array of [TLB_READ, TLB_WRITE]) expect(lookup(m, from, array, KERNEL + 0x1000)).toBe(-1);
    }
  });

  it("gives nothing to an address space that has another kernel", () => {
    const { m, tlb, other, from } = sharingKernel();
    m.poke(other.l4, KERNEL_INDEX, validated(m).l3, P | RW | US | A);
    tlb.fill(from, 0x1000, hiOf(KERNEL), Access.write);
    const base = tlb.activate(1, other.l4);
    tlb.inherit(from, base);
    expect(lookup(m, base, TLB_WRITE, KERNEL + 0x1000)).toBe(-1);
  });

  it("leaves an address space empty that shares hardly anything with the one before", () => {
    const { m, tlb, other, from } = sharingKernel();
    for (let page = 1; page <= 4; page++) tlb.fill(from, page * 0x1000, 0, Access.read);
    tlb.fill(from, 0x1000, hiOf(KERNEL), Access.write);
    const base = tlb.activate(1, other.l4);
    tlb.inherit(from, base);
    expect(lookup(m, base, TLB_WRITE, KERNEL + 0x1000)).toBe(-1);
    expect(m.mmu.memory.u32[(base + TLB_HEADER + 16) / 4]).toBe(0);
  });
});

describe("GuestAccess", () => {
  it("copies across pages with the guest's rights", () => {
    const m = new Machine();
    const t = validated(m);
    const g = m.mmu.guest;
    const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i & 0xff);
    expect(g.copyOut(t.l4, 0xff0, bytes)).toBe(true);
    const back = new Uint8Array(5000);
    expect(g.copyIn(t.l4, 0xff0, back)).toBe(true);
    expect(back).toEqual(bytes);
    expect(m.lo(t.l1, 0) & D).toBe(D);
    expect(g.writeU64(t.l4, 0x1ffd, 0x89abcdef, 0x01234567)).toBe(true);
    expect(g.readU64(t.l4, 0x1ffd)).toBe(true);
    expect([g.lo, g.hi]).toEqual([0x89abcdef, 0x01234567]);
    expect(g.readU32(t.l4, 0x1ffd)).toBe(0x89abcdef);
    expect(g.readU16(t.l4, 0x1fff)).toBe(0x89ab);
    expect(g.readU8(t.l4, 0x2004)).toBe(0x01);
    expect(g.clear(t.l4, 0x1000, 0x2000)).toBe(true);
    expect(g.readU32(t.l4, 0x1ffd)).toBe(0);
  });

  it("fails where the guest would fault, and in Xen's range", () => {
    const m = new Machine();
    const t = validated(m);
    const g = m.mmu.guest;
    expect(g.copyOut(t.l4, 0x3fff, new Uint8Array(2))).toBe(false);
    expect(g.faultVa).toBe(0x4000);
    expect(g.writeU32(t.l4, 0x3ffe, 0)).toBe(false);
    expect(g.readU32(t.l4, 0x3ffe)).toBe(-1);
    expect(g.readU64(t.l4, 0x3ffc)).toBe(false);
    m.mod(t.l1, 0, t.data[0], P | US, 1);
    expect(g.writeU8(t.l4, 0, 1)).toBe(false);
    expect(g.readU8(t.l4, 0)).toBe(0);
    const m2p = -(2 ** 47) + t.data[0] * 8;
    m.mmu.m2p.set(t.data[0], 42);
    expect(g.readU64(t.l4, m2p)).toBe(false);
    // The guest itself reads it through its slot, and cannot write it.
    const base = m.mmu.tlb.activate(1, t.l4);
    const host = m.mmu.tlb.fill(base, loOf(m2p), hiOf(m2p), Access.read);
    expect(m.mmu.memory.u32[host / 4]).toBe(42);
    expect(m.mmu.tlb.fill(base, loOf(m2p), hiOf(m2p), Access.write)).toBe(0);
    expect(m.mmu.walker.errorCode).toBe(7);
    const hole = m.mmu.tlb.fill(base, loOf(-(2 ** 47)), hiOf(-(2 ** 47)), Access.read);
    expect(m.mmu.memory.u32[hole / 4]).toBe(0xffffffff);
    expect(g.readU8(t.l4, 2 ** 47)).toBe(-1);
    expect(g.readU8(t.l4, Number.NaN)).toBe(-1);
    expect(m.mmu.audit()).toEqual([]);
  });
});
