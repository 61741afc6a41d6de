import { describe, expect, it } from "vitest";
import { CPU_STATE_BYTES, DOMID_FREE, DOMID_XEN, FrameTable, MachineMemory, Mmu } from "../src/index.ts";
import { Machine } from "./machine.ts";

describe("MachineMemory", () => {
  it("carves regions upward from the processor's area, aligned", () => {
    const memory = new MachineMemory({ bytes: 2 ** 20 });
    expect(memory.byteLength).toBe(2 ** 20);
    expect(memory.reserve(10, 4, "a")).toBe(CPU_STATE_BYTES);
    expect(memory.reserve(10, 4096, "b")).toBe(CPU_STATE_BYTES + 4096);
    expect(() => memory.reserve(2 ** 20, 1, "c")).toThrow(/too small for c/);
    expect(() => memory.reserve(8, 3, "d")).toThrow(RangeError);
  });

  it("refuses sizes that WebAssembly cannot have", () => {
    expect(() => new MachineMemory({ bytes: 2 ** 32 })).toThrow(RangeError);
    expect(() => new MachineMemory({ bytes: 0 })).toThrow(RangeError);
  });

  it("takes later regions from never-used frames at the top", () => {
    const memory = new MachineMemory({ bytes: 2 ** 20 });
    const frames = new FrameTable(memory, { firstMfn: 512 });
    const before = frames.freeFrames;
    const at = memory.reserve(5000, 4096, "late");
    expect(at % 4096).toBe(0);
    expect(frames.freeFrames).toBe(before - 2);
    expect(memory.u8.subarray(at, at + 5000).every((b) => b === 0)).toBe(true);
    while (frames.freeFrames > 0) {
      const host = frames.hostAddress(frames.alloc(1));
      expect(host + 4096 <= at || host >= at + 8192).toBe(true);
    }
    expect(() => memory.reserve(1, 1, "more")).toThrow(/too small/);
  });

  it("takes later regions from what was set aside, while that lasts", () => {
    const memory = new MachineMemory({ bytes: 2 ** 20 });
    memory.setAside(8192);
    const before = memory.reserve(100, 4, "before the frame table");
    const frames = new FrameTable(memory, { firstMfn: 512 });
    const { freeFrames } = frames;
    const first = memory.reserve(5000, 64, "first");
    const second = memory.reserve(3000, 64, "second");
    expect(first % 64).toBe(0);
    expect(second).toBeGreaterThanOrEqual(first + 5000);
    expect(second + 3000).toBeLessThanOrEqual(before);
    expect(frames.freeFrames).toBe(freeFrames);
    expect(memory.reserve(3000, 64, "third")).toBeGreaterThan(before);
    expect(frames.freeFrames).toBeLessThan(freeFrames);
  });

  it("works near 4 GiB with unsigned host addresses", () => {
    const mmu = new Mmu(new MachineMemory({ bytes: 2 ** 32 - 0x10000 }));
    const top = mmu.frames.endMfn - 1;
    const far = mmu.frames.alloc(1);
    mmu.frames.hostAddress(far);
    mmu.frames.place[far] = 0xc0000;
    expect(mmu.frames.hostAddress(far)).toBe(0xc0000000);
    expect(mmu.frames.readAddress(far)).toBe(0xc0000000);
    // What the processor keeps there is named by i32 in its generated code.
    const arena = mmu.memory.reserve(40 << 20, 64, "arena");
    expect(arena + (40 << 20)).toBeLessThan(2 ** 31);
    expect(mmu.memory.reserve(4096, 4096, "page")).toBeGreaterThanOrEqual(arena + (40 << 20));
    expect(mmu.memory.reserve(40 << 20, 4096, "top")).toBeGreaterThan(2 ** 31);
    expect(mmu.frames.exists(mmu.frames.endMfn)).toBe(false);
    expect(top).toBeGreaterThan(2 ** 20);
    expect(mmu.m2p.get(top)).toBe(-1);
    mmu.m2p.set(top, 77);
    expect(mmu.m2p.get(top)).toBe(77);
  });
});

describe("FrameTable", () => {
  it("allocates zeroed frames, recycles them, counts them", () => {
    const { frames, memory, m2p } = new Machine().mmu;
    const free = frames.freeFrames;
    const a = frames.alloc(3);
    const b = frames.alloc(3);
    expect(frames.ownedBy(3)).toBe(2);
    expect(frames.nextOwned(3)).toBe(a);
    expect(frames.nextOwned(3, a + 1)).toBe(b);
    memory.u8[frames.hostAddress(a) + 9] = 1;
    m2p.set(a, 5);
    frames.free(a);
    expect(frames.owner[a]).toBe(DOMID_FREE);
    expect(m2p.get(a)).toBe(-1);
    expect(frames.alloc(4)).toBe(a);
    expect(memory.u8[frames.hostAddress(a) + 9]).toBe(0);
    frames.free(a);
    frames.free(b);
    expect(frames.freeFrames).toBe(free);
    expect(() => frames.free(b)).toThrow(/not allocated/);
    while (frames.alloc(1) >= 0);
    expect(frames.freeFrames).toBe(0);
  });

  it("is told nothing by frame numbers that do not exist", () => {
    const { frames, types } = new Machine().mmu;
    for (const mfn of [-1, 0, 511, frames.endMfn, 2 ** 32, 2 ** 40, Number.NaN]) {
      expect(frames.hostAddress(mfn)).toBe(0);
      expect(types.getPage(mfn, 0)).toBe(false);
      expect(types.getPage(mfn, DOMID_XEN)).toBe(false);
      expect(types.getPageType(mfn, 1, 0)).toBe(-22);
      expect(types.pin(mfn, 4, 0)).toBe(-22);
      expect(types.unpin(mfn, 0)).toBe(-22);
      expect(types.modEntry(mfn, 0, 0, 0, 0)).toBe(-22);
      expect(types.modL1(mfn, 0, 0, 0, 0)).toBe(-22);
      expect(types.releaseFrame(mfn, 0)).toBe(-22);
    }
  });

  it("reports writes and the freeing of frames with code", () => {
    const m = new Machine();
    const log: number[][] = [];
    m.mmu.onCodeWrite = (...args) => log.push(args);
    const mfn = m.alloc(1);
    m.mmu.frames.hostAddress(mfn);
    m.mmu.noteHostWrite(mfn, 1, 2);
    m.mmu.markCode(mfn);
    m.mmu.noteHostWrite(mfn, 1, 2);
    m.mmu.types.modEntry(mfn, 3, 1, 2, 1);
    m.mmu.frames.free(mfn);
    expect(log).toEqual([
      [mfn, 1, 2],
      [mfn, 24, 8],
      [mfn, 0, 4096],
    ]);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("has code of frames that share a place in common, until one of them is written", () => {
    const m = new Machine();
    const { frames } = m.mmu;
    const log: unknown[] = [];
    m.mmu.onCodeWrite = (...args) => log.push(args);
    frames.onCodeLeft = (_mfn, left) => log.push(left);
    const [one, two, three] = [1, 2, 3].map((domid) => m.alloc(domid));
    m.mmu.memory.u32[frames.hostAddress(one) >>> 2] = 1;
    const place = frames.place[one];
    m.mmu.markCode(one);
    frames.share(one, two);
    frames.share(one, three);
    expect([one, two, three].map((mfn) => frames.hasCode(mfn))).toEqual([true, true, true]);
    frames.free(one);
    expect(log).toEqual([]);
    expect(frames.own(two)).toBe(true);
    expect(log).toEqual([place]);
    expect([two, three].map((mfn) => frames.hasCode(mfn))).toEqual([false, true]);
    // The last one stays where it is.
    expect(frames.own(three)).toBe(true);
    expect(frames.place[three]).toBe(place);
    m.mmu.noteHostWrite(three, 4, 4);
    frames.free(three);
    expect(log).toEqual([place, [three, 4, 4], [three, 0, 4096]]);
    expect(m.mmu.audit()).toEqual([]);
  });
});
