import { describe, expect, it } from "vitest";
import { Access, supervisorRoot } from "../src/index.ts";
import { A, Machine, P, RW, type Tree, US } from "./machine.ts";

const hiOf = (va: number) => Math.floor(va / 2 ** 32) | 0;
/** Behind entry 1 of an L4 table, where `withKernel` has tables that are everybody's. */
const KERNEL = 2 ** 39;

function validated(m: Machine, domid = 1): Tree {
  const tree = m.tree(domid, 4);
  expect(m.mmu.types.pin(tree.l4, 4, domid)).toBe(0);
  return tree;
}

function withKernel(m: Machine, kernel: Tree, index = 1): Tree {
  const tree = validated(m);
  mapKernel(m, tree, kernel, index);
  return tree;
}

function mapKernel(m: Machine, tree: Tree, kernel: Tree, index = 1): void {
  expect(m.mmu.types.modEntry(tree.l4, index, (kernel.l3 << 12) | P | RW | US | A, 0, 1)).toBe(0);
}

/** As x86-cpu does, at a slot of our choice. */
function jump(m: Machine, base: number, slot: number, va: number, word = 0): void {
  const entry = m.mmu.tlb.jumpCache(base) + 16 * slot;
  m.mmu.tlb.noteJump(base, va | 0, hiOf(va), entry);
  m.mmu.memory.u32.set([va, hiOf(va), 0x5000 + slot, word], entry / 4);
}

/** As x86-cpu does, of code that it has found at an address. */
function hasCode(m: Machine, mfn: number, va: number): void {
  m.mmu.markCode(mfn);
  m.mmu.frames.places.noteJump(m.mmu.frames.place[mfn], hiOf(va));
}

function recordIn(m: Machine, base: number, slot: number): number {
  return m.mmu.memory.u32[m.mmu.tlb.jumpCache(base) / 4 + 4 * slot + 2];
}

describe("JumpCaches", () => {
  it("serve all address spaces of a domain whose L4 tables agree on what is in them", () => {
    const m = new Machine();
    const { tlb } = m.mmu;
    const kernel = validated(m);
    const trees = [1, 2, 3].map(() => withKernel(m, kernel));
    const first = tlb.activate(1, trees[0].l4);
    jump(m, first, 2, KERNEL + 0x1000, 0x207);
    const second = tlb.activate(1, trees[1].l4);
    expect(tlb.jumpCache(second)).toBe(tlb.jumpCache(first));
    expect(recordIn(m, second, 2)).toBe(0x5002);
    // What one of them adds is everybody's.
    jump(m, second, 3, KERNEL + 0x2000);
    expect(recordIn(m, tlb.activate(1, trees[0].l4), 3)).toBe(0x5003);
    // And goes for everybody, whoever's entry it was that changed.
    hasCode(m, kernel.data[1], KERNEL);
    tlb.dropL1(1, 1, kernel.data[1], false, true);
    expect([2, 3].map((slot) => recordIn(m, tlb.activate(1, trees[2].l4), slot))).toEqual([0, 0x5003]);
    // It stays with those who are left.
    tlb.forget(trees[1].l4);
    expect(recordIn(m, tlb.activate(1, trees[0].l4), 3)).toBe(0x5003);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("are left by an address space that has something else where another one jumps", () => {
    const m = new Machine();
    const { tlb } = m.mmu;
    const kernel = validated(m);
    const trees = [1, 2, 3].map(() => withKernel(m, kernel));
    const [first, second, third] = trees.map((tree) => {
      const base = tlb.activate(1, tree.l4);
      jump(m, base, 2, KERNEL + 0x1000);
      return base;
    });
    expect(new Set([first, second, third].map((base) => tlb.jumpCache(base))).size).toBe(1);
    // Entry 0 of each leads to tables of its own.
    tlb.activate(1, trees[0].l4);
    jump(m, first, 4, 0x1000);
    tlb.activate(1, trees[1].l4);
    expect([2, 4].map((slot) => recordIn(m, second, slot))).toEqual([0, 0]);
    jump(m, second, 4, 0x1000);
    tlb.activate(1, trees[2].l4);
    expect(recordIn(m, third, 4)).toBe(0);
    tlb.activate(1, trees[0].l4);
    expect([2, 4].map((slot) => recordIn(m, first, slot))).toEqual([0x5002, 0x5004]);
  });

  it("are left because of a page that translated code depends on, or the page after a jump's", () => {
    const m = new Machine();
    const { tlb } = m.mmu;
    const kernel = validated(m);
    for (const add of [
      (base: number) => tlb.dependOn(base, 0x1000, 0),
      (base: number) => jump(m, base, 5, 2 * KERNEL - 1),
    ]) {
      const trees = [1, 2].map(() => withKernel(m, kernel));
      // Only one has something there.
      mapKernel(m, trees[0], kernel, 2);
      const [first, second] = trees.map((tree) => {
        const base = tlb.activate(1, tree.l4);
        jump(m, base, 2, KERNEL + 0x1000);
        return base;
      });
      expect(tlb.jumpCache(second)).toBe(tlb.jumpCache(first));
      tlb.activate(1, trees[0].l4);
      add(first);
      tlb.activate(1, trees[1].l4);
      expect(tlb.jumpCache(second)).not.toBe(tlb.jumpCache(first));
      for (const tree of trees) tlb.forget(tree.l4);
    }
  });

  it("are an address space's own again after its L4 entry has changed", () => {
    const m = new Machine();
    const { tlb, types } = m.mmu;
    const [kernel, otherKernel] = [validated(m), validated(m)];
    const trees = [1, 2].map(() => withKernel(m, kernel));
    const [first, second] = trees.map((tree) => tlb.activate(1, tree.l4));
    tlb.activate(1, trees[0].l4);
    jump(m, first, 2, KERNEL + 0x1000);
    tlb.forget(trees[1].l4);
    const again = tlb.activate(1, trees[1].l4);
    expect(again).toBe(second);
    expect(tlb.jumpCache(again)).toBe(tlb.jumpCache(first));
    expect(types.modEntry(trees[1].l4, 1, 0, 0, 1)).toBe(0);
    expect(recordIn(m, first, 2)).toBe(0);
    mapKernel(m, trees[1], otherKernel);
    jump(m, again, 2, KERNEL + 0x1000);
    tlb.activate(1, trees[0].l4);
    expect(recordIn(m, first, 2)).toBe(0);
  });

  it("are nobody else's for other domains, other rights and tables that nobody checks", () => {
    const m = new Machine();
    const { tlb } = m.mmu;
    const kernel = validated(m);
    const tree = withKernel(m, kernel);
    const first = tlb.activate(1, tree.l4);
    jump(m, first, 2, KERNEL + 0x1000);
    const unchecked = m.tree(1);
    m.poke(unchecked.l4, 1, kernel.l3, P | RW | US | A);
    const supervisor = tlb.activate(1, supervisorRoot(tree.l4));
    const foreign = tlb.activate(2, validated(m, 2).l4);
    const own = tlb.activate(1, unchecked.l4);
    expect(new Set([first, supervisor, foreign, own].map((base) => tlb.jumpCache(base))).size).toBe(4);
    jump(m, own, 2, KERNEL + 0x1000);
    expect(tlb.jumpCache(tlb.activate(1, m.tree(1).l4))).not.toBe(tlb.jumpCache(own));
  });

  it("come back empty", () => {
    const m = new Machine({ banks: 2 });
    const { tlb } = m.mmu;
    for (let round = 0; round < 6; round++) {
      const base = tlb.activate(1, validated(m).l4);
      expect(recordIn(m, base, 3)).toBe(0);
      jump(m, base, 3, 0x1000);
    }
  });

  it("of kernels lose nothing with pages of programs at the same L1 index", () => {
    const m = new Machine();
    const t = validated(m);
    const { tlb } = m.mmu;
    const base = tlb.activate(1, t.l4);
    jump(m, base, 1, -0x1ff000, 0x201);
    tlb.dependOn(base, -0x1ff000, -1);
    hasCode(m, t.data[1], 0x1000);
    tlb.dropL1(1, 1, t.data[1], false, true);
    expect(recordIn(m, base, 1)).toBe(0x5001);
    // The same bytes behind both.
    hasCode(m, t.data[1], -0x1ff000);
    tlb.dropL1(1, 1, t.data[1], false, true);
    expect(recordIn(m, base, 1)).toBe(0);
    // A page that is decoded anew begins anew.
    m.mmu.unmarkCode(m.mmu.frames.place[t.data[1]]);
    hasCode(m, t.data[1], 0x1000);
    jump(m, base, 1, -0x1ff000);
    tlb.dropL1(1, 1, t.data[1], false, true);
    expect(recordIn(m, base, 1)).toBe(0x5001);
  });

  it("lose what the changed entry can be behind", () => {
    const m = new Machine();
    const t = validated(m);
    const { tlb, types } = m.mmu;
    const { u32 } = m.mmu.memory;
    const base = tlb.activate(1, t.l4);
    const cache = tlb.jumpCache(base) / 4;
    for (const va of [0, 0x1000, 0x2000]) tlb.fill(base, va, 0, Access.read);
    /** As x86-cpu does, at slots of our choice. */
    const jump = (slot: number, va: number) => {
      const p = cache + 4 * slot;
      tlb.noteJump(base, va | 0, hiOf(va), 4 * p);
      u32.set([va, hiOf(va), 0x5000 + slot], p);
    };
    const left = (...slots: number[]) => slots.map((slot) => u32[cache + 4 * slot + 2] !== 0);
    jump(1, 0x0ffe);
    jump(2, 0x1010);
    jump(3, 0x2fff);
    jump(4, 0x3123);
    jump(5, 0x201010);
    jump(6, -0x1000);
    for (const mfn of t.data) m.mmu.frames.hostAddress(mfn);
    hasCode(m, t.data[2], 0);
    // A frame without code: nothing can come of it.
    expect(m.mod(t.l1, 0, t.data[0], P | US, 1)).toBe(0);
    expect(left(1, 2, 3, 4, 5, 6)).toEqual([true, true, true, true, true, true]);
    // Page 2 is no more; an instruction of page 1 may have reached into it, at any address with those low bits.
    expect(types.modL1(t.l1, 2, 0, 0, 1)).toBe(0);
    expect(left(1, 2, 3, 4, 5, 6)).toEqual([true, false, false, true, false, true]);
    // Entries that come later are seen as well.
    jump(5, 0x201010);
    expect(types.modEntry(t.l2, 0, 0, 0, 1)).toBe(0);
    expect(left(1, 4, 5, 6)).toEqual([false, false, true, false]);
    // Translated code of page 0 that goes on in page 1, and such code that does not depend on it but has a word, too.
    const word = (slot: number) => u32[cache + 4 * slot + 3];
    for (const slot of [1, 4]) {
      jump(slot, -0x100000 + slot);
      u32[cache + 4 * slot + 3] = 0x200 + slot;
    }
    jump(2, -0x200000 + 0x5000);
    hasCode(m, t.data[1], 0x1000);
    tlb.dependOn(base, 0x1000, 0);
    tlb.dropL1(1, 3, t.data[1], false, true);
    expect(left(1, 2, 4)).toEqual([true, true, true]);
    tlb.dropL1(1, 1, t.data[1], false, true);
    expect(left(1, 2, 4)).toEqual([false, true, false]);
    expect([word(1), word(4)]).toEqual([0, 0]);
    // Tables above other pages than those that it depends on.
    jump(1, -0x100000);
    u32[cache + 4 + 3] = 0x201;
    tlb.dependOn(base, 0x1000, 0);
    tlb.dropTable(1, 2, 7);
    tlb.dropTable(1, 3, 7);
    expect(left(1)).toEqual([true]);
    tlb.dropTable(1, 2, 0);
    expect(left(1)).toEqual([false]);
    jump(6, -0x1000);
    tlb.flushDomain(1);
    expect(left(1, 2, 3, 4, 5, 6)).toEqual([false, false, false, false, false, false]);
    expect(m.mmu.audit()).toEqual([]);
  });
});
