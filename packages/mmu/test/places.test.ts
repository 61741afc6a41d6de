import { describe, expect, it } from "vitest";
import { Access, DOMID_XEN, MachineMemory, Mmu, PageType } from "../src/index.ts";
import { Machine, P, RW, US } from "./machine.ts";

const ENOMEM = -12;

describe("frames without a place", () => {
  it("take none until they are written", () => {
    const m = new Machine();
    const { frames, memory } = m.mmu;
    const { free } = frames.places;
    const mfn = m.alloc(1);
    expect(memory.u8[frames.readAddress(mfn) + 7]).toBe(0);
    expect(frames.usage(1)).toEqual({ own: 0, shared: 0, untouched: 1 });
    expect(frames.places.free).toBe(free);
    memory.u8[frames.hostAddress(mfn) + 7] = 9;
    expect(frames.usage(1)).toEqual({ own: 1, shared: 0, untouched: 0 });
    expect(frames.places.free).toBe(free - 1);
    frames.free(mfn);
    expect(frames.places.free).toBe(free);
  });

  it("may be more than the memory has places for", () => {
    const mmu = new Mmu(new MachineMemory({ bytes: 2 ** 26 }), { banks: 4, nominalBytes: 2 ** 30 });
    const { frames } = mmu;
    const count = 2 ** 29 / 4096;
    for (let i = 0; i < count; i++) frames.alloc(1);
    expect(frames.usage(1)).toEqual({ own: 0, shared: 0, untouched: count });
    const last = frames.nextOwned(1) + count - 1;
    mmu.m2p.set(last, 7);
    expect(mmu.m2p.get(last)).toBe(7);
    expect(mmu.m2p.get(last - 600)).toBe(-1);
    expect(mmu.audit()).toEqual([]);
  });

  it("have one as soon as they are Xen's, tables, or descriptor tables", () => {
    const m = new Machine();
    const { frames, types } = m.mmu;
    m.alloc(DOMID_XEN);
    expect(frames.usage(DOMID_XEN).untouched).toBe(0);
    const table = m.alloc(1);
    expect(types.getPageAndType(table, PageType.l1, 1)).toBe(0);
    const segments = m.alloc(1);
    expect(types.getPageAndType(segments, PageType.segDesc, 1)).toBe(0);
    expect(frames.usage(1)).toEqual({ own: 2, shared: 0, untouched: 0 });
  });
});

describe("a place that is lent", () => {
  it("is left by who writes, and the last one has it for its own without a copy", () => {
    const m = new Machine();
    const { frames, memory } = m.mmu;
    const [a, b] = [m.alloc(1), m.alloc(2)];
    memory.u8[frames.hostAddress(a)] = 5;
    const place = frames.place[a];
    frames.share(a, b);
    expect(frames.place[b]).toBe(place);
    expect(frames.usage(2)).toEqual({ own: 0, shared: 1, untouched: 0 });
    expect(memory.u8[frames.hostAddress(a)]).toBe(5);
    expect(frames.place[a]).not.toBe(place);
    expect(frames.hostAddress(b)).toBe(place * 4096);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("is nothing that somebody may hold a pointer to, and no table's", () => {
    const m = new Machine();
    const { frames, types } = m.mmu;
    const [held, table, target] = [m.alloc(1), m.alloc(1), m.alloc(1)];
    types.getPage(held, 1);
    types.getPageAndType(table, PageType.l1, 1);
    expect(() => frames.share(held, target)).toThrow(/cannot share/);
    expect(() => frames.share(table, target)).toThrow(/cannot share/);
    types.putPage(held);
    frames.hostAddress(target);
    expect(() => frames.share(held, target)).toThrow(/has bytes/);
  });
});

describe("contents that frames begin with", () => {
  const page = (seed: number): Uint8Array => Uint8Array.from({ length: 4096 }, (_, i) => (i * seed) ^ (i >> 5));

  it("take one place for all frames with the same, until they are written", () => {
    const m = new Machine();
    const { frames, contents, memory } = m.mmu;
    const mfns = Array.from({ length: 6 }, (_, i) => m.alloc(1 + (i % 2)));
    const { free } = frames.places;
    mfns.forEach((mfn, i) => {
      contents.fill(mfn, page(i < 4 ? 3 : 5));
    });
    expect(free - frames.places.free).toBe(2);
    const read = (mfn: number) => memory.u8.slice(frames.readAddress(mfn), frames.readAddress(mfn) + 4096);
    memory.u8[frames.hostAddress(mfns[0])] = 99;
    memory.u8[frames.hostAddress(mfns[4])] = 99;
    memory.u8[frames.hostAddress(mfns[5])] = 98;
    expect(mfns.map((mfn) => read(mfn)[0])).toEqual([99, 0, 0, 0, 99, 98]);
    expect(read(mfns[1])).toEqual(page(3));
    expect(m.mmu.audit()).toEqual([]);
    // What nobody has any more is not shared.
    const late = m.alloc(1);
    contents.fill(late, page(5));
    expect(read(late)).toEqual(page(5));
    expect(read(mfns[4])[0]).toBe(99);
    for (const mfn of [...mfns, late]) frames.free(mfn);
    expect(frames.places.free).toBe(free);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("are compared, not believed by their hash", () => {
    const m = new Machine();
    const { frames, contents, memory } = m.mmu;
    const [a, b] = [m.alloc(1), m.alloc(1)];
    contents.fill(a, page(3));
    // As if another page had the same hash.
    memory.u8[frames.readAddress(a) + 4095] ^= 1;
    contents.fill(b, page(3));
    expect(frames.place[a]).not.toBe(frames.place[b]);
    expect(memory.u8[frames.readAddress(b) + 4095]).toBe(page(3)[4095]);
    expect(m.mmu.audit()).toHaveLength(1);
  });
});

describe("a machine without a place left", () => {
  function full(): { m: Machine; short: number[]; pages: number[]; l4: number; l1: number } {
    const m = new Machine({ nominalBytes: 2 ** 26 });
    const { frames, types } = m.mmu;
    const { data, l4, l1 } = m.tree(1, 4);
    expect(types.pin(l4, 4, 1)).toBe(0);
    while (frames.places.free > frames.reserved) frames.own(m.alloc(2));
    const short: number[] = [];
    frames.onShortage = (domid) => short.push(domid);
    return { m, short, pages: data, l4, l1 };
  }

  it("refuses a guest's write and says whose it was; reads go on", () => {
    const { m, short, l4 } = full();
    const { mmu } = m;
    const bank = mmu.tlb.activate(1, l4);
    expect(mmu.tlb.fill(bank, 0, 0, Access.read)).not.toBe(0);
    expect(mmu.tlb.fill(bank, 0, 0, Access.write)).toBe(0);
    expect(short).toEqual([1]);
    expect(mmu.guest.writeU32(l4, 0x1000, 1)).toBe(false);
    expect(mmu.guest.readU32(l4, 0x1000)).toBe(0);
    const plain = m.alloc(3);
    expect(mmu.types.modEntry(plain, 0, 1, 0, 3)).toBe(ENOMEM);
    expect(mmu.types.pin(plain, 1, 3)).toBe(ENOMEM);
    expect(short).toEqual([1, 1, 3, 3]);
    expect(mmu.audit()).toEqual([]);
  });

  it("lets the hypervisor write what it has begun, at last to where nobody reads", () => {
    const { m, short, pages } = full();
    const { frames, memory } = m.mmu;
    for (let i = 0; i < frames.reserved; i++)
      expect(frames.hostAddress(m.alloc(3))).not.toBe(frames.places.sink * 4096);
    expect(short).toEqual([]);
    const lost = frames.hostAddress(pages[0]);
    memory.u8[lost] = 1;
    expect(short).toEqual([1]);
    expect(memory.u8[frames.readAddress(pages[0])]).toBe(0);
    expect(frames.alloc(DOMID_XEN)).toBe(-1);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("lets a guest write again when another one has ended", () => {
    const { m, l4 } = full();
    expect(m.mmu.types.releaseDomain(2)).toBe(0);
    expect(m.mmu.guest.writeU32(l4, 0, 7)).toBe(true);
    expect(m.mmu.guest.readU32(l4, 0)).toBe(7);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("maps no grant for writing whose owner would have to pay", () => {
    const { m, pages, l1 } = full();
    const { types } = m.mmu;
    expect(types.getPageAndType(pages[1], PageType.writable, 1)).toBe(0);
    expect(types.storeGrantEntry(l1, 9, (pages[1] << 12) | P | RW | US, 0, 1)).toBe(ENOMEM);
    expect(types.storeGrantEntry(l1, 9, (pages[1] << 12) | P | US, 0, 1)).toBe(0);
  });
});
