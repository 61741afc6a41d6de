import { describe, expect, it } from "vitest";
import { Access } from "../src/index.ts";
import { Machine, P, RW, US } from "./machine.ts";

describe("the log of written frames", () => {
  const setUp = () => {
    const m = new Machine();
    const tree = m.tree(1);
    expect(m.mmu.types.pin(tree.l4, 4, 1)).toBe(0);
    const all = [...tree.data, tree.l1, tree.l2, tree.l3, tree.l4];
    const { dirtyLog } = m.mmu;
    const dirty = (): number[] => all.filter((mfn) => dirtyLog.isDirty(mfn));
    return { m, tree, dirty, clean: () => dirtyLog.clean(all) };
  };

  it("notices the guest's first store after each round, through the soft TLB", () => {
    const { m, tree, dirty, clean } = setUp();
    const base = m.mmu.tlb.activate(1, tree.l4);
    const write = (page: number): void => void m.mmu.tlb.fill(base, page * 4096, 0, Access.write);
    // The soft TLB lets it by from now on.
    write(0);
    clean();
    expect(dirty()).toEqual([]);
    m.mmu.tlb.fill(base, 4096, 0, Access.read);
    // The table, for the accessed bit.
    expect(dirty()).toEqual([tree.l1]);
    clean();
    expect(m.mmu.tlb.fill(base, 0, 0, Access.write)).not.toBe(0);
    write(1);
    expect(dirty()).toEqual([tree.data[0], tree.data[1], tree.l1]);
    expect(m.mmu.audit()).toEqual([]);
  });

  it("leaves no write in the soft TLB that would pass unseen, in any domain's", () => {
    const { m, tree, clean } = setUp();
    const other = m.tree(2);
    expect(m.mmu.types.pin(other.l4, 4, 2)).toBe(0);
    const writable = (base: number): boolean => {
      const entry = (base + 0x10000) >>> 2;
      return m.mmu.memory.u32[entry] === 0 && m.mmu.memory.u32[entry + 1] === 0;
    };
    const bases = [m.mmu.tlb.activate(1, tree.l4), m.mmu.tlb.activate(2, other.l4)];
    for (const base of bases) m.mmu.tlb.fill(base, 0, 0, Access.write);
    expect(bases.map(writable)).toEqual([true, true]);
    clean();
    expect(bases.map(writable)).toEqual([false, false]);
  });

  it("notices page-table updates, the hypervisor's stores, and frames that others hold", () => {
    const { m, tree, dirty, clean } = setUp();
    clean();
    expect(m.mod(tree.l1, 3, 0, 0, 1)).toBe(0);
    expect(dirty()).toEqual([tree.l1]);
    clean();
    expect(m.mmu.guest.writeU32(tree.l4, 8, 1)).toBe(true);
    m.mmu.noteHostWrite(tree.data[2], 0, 1);
    // The tables, for their accessed and dirty bits.
    expect(dirty()).toEqual([tree.data[0], tree.data[2], tree.l1, tree.l2, tree.l3]);
    clean();
    expect(m.mmu.types.getPage(tree.data[1], 1)).toBe(true);
    expect(dirty()).toEqual([tree.data[1]]);
    expect(m.mmu.dirtyLog.wasWritten(tree.data[1])).toBe(false);
  });

  it("takes a frame that was given up and got again for a written one", () => {
    const { m, tree } = setUp();
    const mfn = m.alloc(1);
    m.mmu.dirtyLog.clean([mfn]);
    m.mmu.frames.free(mfn);
    expect(m.alloc(1)).toBe(mfn);
    expect(m.mmu.dirtyLog.isDirty(mfn)).toBe(true);
    expect(m.mod(tree.l1, 5, mfn, P | RW | US, 1)).toBe(0);
  });
});
