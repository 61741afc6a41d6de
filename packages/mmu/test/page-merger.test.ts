import { describe, expect, it } from "vitest";
import { Access, DOMID_XEN } from "../src/index.ts";
import { Machine } from "./machine.ts";

const page = (seed: number): Uint8Array => Uint8Array.from({ length: 4096 }, (_, i) => (i * seed) ^ (i >> 5));

function write(m: Machine, mfn: number, bytes: Uint8Array): void {
  m.mmu.memory.u8.set(bytes, m.mmu.frames.hostAddress(mfn));
}

function read(m: Machine, mfn: number): Uint8Array {
  const host = m.mmu.frames.readAddress(mfn);
  return m.mmu.memory.u8.slice(host, host + 4096);
}

describe("merging pages", () => {
  it("gives places of zeros back, and one place to all of the same bytes", () => {
    const m = new Machine();
    const { frames, merger } = m.mmu;
    const mfns = Array.from({ length: 9 }, (_, i) => m.alloc(1 + (i % 3)));
    const { free } = frames.places;
    mfns.forEach((mfn, i) => {
      write(m, mfn, i < 3 ? new Uint8Array(4096) : page(i < 7 ? 3 : i));
    });
    for (let round = 0; round < 4; round++) merger.look(50);
    expect(free - frames.places.free).toBe(3);
    expect([merger.zeros, merger.merged]).toEqual([3, 3]);
    expect(frames.usage(1)).toEqual({ own: 0, shared: 2, untouched: 1 });
    mfns.forEach((mfn, i) => {
      expect(read(m, mfn)).toEqual(i < 3 ? new Uint8Array(4096) : page(i < 7 ? 3 : i));
    });
    write(m, mfns[0], page(9));
    write(m, mfns[4], page(10));
    expect(read(m, mfns[3])).toEqual(page(3));
    expect(read(m, mfns[1])[1]).toBe(0);
    expect(m.mmu.audit()).toEqual([]);
    for (const mfn of mfns) frames.free(mfn);
    expect(frames.places.free).toBe(free);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("leaves alone what somebody has a pointer to: Xen's pages, held ones, tables", () => {
    const m = new Machine();
    const { frames, merger, types } = m.mmu;
    const xen = [m.alloc(DOMID_XEN), m.alloc(DOMID_XEN)];
    const held = m.alloc(1);
    frames.own(held);
    types.getPage(held, 1);
    const { free } = frames.places;
    merger.look(200);
    merger.look(200);
    expect(frames.places.free).toBe(free);
    for (const mfn of [...xen, held]) expect(frames.readAddress(mfn)).toBe(frames.hostAddress(mfn));
  });

  it("lets no translation by which a merged page could be written, or read where it no longer is", () => {
    const m = new Machine();
    const { mmu } = m;
    const trees = [1, 2].map((domid) => {
      const tree = m.tree(domid, 2);
      expect(mmu.types.pin(tree.l4, 4, domid)).toBe(0);
      for (const mfn of tree.data) write(m, mfn, page(7));
      return tree;
    });
    const host = (domain: number, va: number, access: number): number =>
      mmu.tlb.fill(mmu.tlb.activate(domain + 1, trees[domain].l4), va, 0, access);
    for (const domain of [0, 1])
      for (const va of [0, 0x1000]) for (const access of [Access.write, Access.read]) host(domain, va, access);
    for (let round = 0; round < 3; round++) mmu.merger.look(100);
    expect(new Set(trees.flatMap(({ data }) => data.map((mfn) => mmu.frames.place[mfn]))).size).toBe(1);
    expect(mmu.audit()).toEqual([]);
    mmu.memory.u8[host(0, 0, Access.write)] = 99;
    expect(mmu.memory.u8[host(1, 0, Access.read)]).toBe(0);
    expect(mmu.memory.u8[host(0, 0, Access.read)]).toBe(99);
    expect(mmu.audit()).toEqual([]);
  });

  it("waits until a page has been the same for a while", () => {
    const m = new Machine();
    const { frames, merger } = m.mmu;
    const [a, b] = [m.alloc(1), m.alloc(2)];
    for (let seed = 1; seed < 6; seed++) {
      write(m, a, page(seed));
      write(m, b, page(seed));
      merger.look(100);
    }
    expect(frames.place[a]).not.toBe(frames.place[b]);
    for (let round = 0; round < 2; round++) merger.look(100);
    expect(frames.place[a]).toBe(frames.place[b]);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("has as much to do as places were taken, and nothing where nothing happens", () => {
    const m = new Machine();
    const { frames, merger } = m.mmu;
    while (merger.work(100, false));
    const before = merger.looks;
    expect(merger.work(100, false)).toBe(false);
    expect(merger.looks).toBe(before);
    const mfns = Array.from({ length: 40 }, (_, i) => {
      const mfn = m.alloc(1);
      write(m, mfn, page(i));
      return mfn;
    });
    expect(merger.work(30, false)).toBe(true);
    expect(merger.looks - before).toBeLessThanOrEqual(30);
    for (let step = 0; step < 100 && merger.work(30, true); step++);
    expect(merger.work(30, true)).toBe(false);
    for (const mfn of mfns) frames.free(mfn);
    expect(m.mmu.audit()).toEqual([]);
  });
});
