import { describe, expect, it } from "vitest";
import { Access, allocateXenFrame, PAE_MACH2PHYS_START, PageType, paeRootEntry, supervisorRoot } from "../src/index.ts";
import { A, D, EBUSY, EINVAL, EPERM, ERESTART, Machine, P, RW, US } from "./machine.ts";

const DOM = 1;
const FIRST_XEN_SLOT = 428;
const XEN_SLOTS_START = PAE_MACH2PHYS_START | 0;

/** A 32-bit guest's tables: pages at address 0, the first of which is its programs' too, and the last L2 table. */
class PaeMachine extends Machine {
  readonly l3: number;
  readonly l2: number;
  readonly top: number;
  readonly l1: number;
  readonly data: number[];
  /** The hypervisor's L4 table. */
  readonly l4: number;

  constructor() {
    super();
    this.mmu.types.setPae(DOM, true);
    [this.l3, this.l2, this.top, this.l1] = Array.from({ length: 4 }, () => this.alloc(DOM));
    this.data = Array.from({ length: 4 }, () => this.alloc(DOM));
    this.poke(this.l3, 0, this.l2, P);
    this.poke(this.l3, 3, this.top, P);
    this.poke(this.l2, 0, this.l1, P | RW | US);
    for (const [i, mfn] of this.data.entries()) this.poke(this.l1, i, mfn, i === 0 ? P | RW | US : P | RW);
    this.l4 = allocateXenFrame(this.mmu.frames);
  }

  pin(): number {
    return this.mmu.types.pin(this.l3, 3, DOM);
  }

  check(): void {
    expect(this.mmu.audit()).toEqual([]);
  }
}

describe("the tables of 32-bit guests", () => {
  it("are validated, with entries left as they were given, and get Xen's slots", () => {
    const m = new PaeMachine();
    m.poke(m.l3, 100, 0x12345, P | RW);
    expect(m.pin()).toBe(0);
    m.check();
    expect(m.lo(m.l3, 0) & 0xfff).toBe(P | RW | US);
    expect(m.lo(m.l3, 100)).toBe(0);
    expect(m.lo(m.l1, 0) & 0xfff).toBe(P | RW | US);
    expect(m.lo(m.l1, 1) & 0xfff).toBe(P | RW);
    expect(m.hi(m.l1, 1)).toBe(0);
    expect(m.lo(m.top, FIRST_XEN_SLOT) & (P | RW | US)).toBe(P);
    expect(m.mmu.types.unpin(m.l3, DOM)).toBe(0);
    m.check();
    expect(m.mmu.frames.type[m.top]).toBe(PageType.none);
  });

  it("need the last L2 table, for which no other entry may be", () => {
    const m = new PaeMachine();
    m.poke(m.l3, 3, 0, 0);
    expect(m.pin()).toBe(EINVAL);
    m.check();
    m.poke(m.l3, 3, m.top, P);
    m.poke(m.l3, 1, m.top, P);
    expect(m.pin()).toBe(EINVAL);
    m.check();
    m.poke(m.l3, 1, 0, 0);
    expect(m.pin()).toBe(0);
    expect(m.mod(m.l3, 1, m.top, P, DOM)).toBe(EINVAL);
    expect(m.mmu.types.pin(m.top, 2, DOM)).toBe(EINVAL);
    expect(m.mmu.types.pin(m.l3, 4, DOM)).toBe(EINVAL);
    m.check();
  });

  it("are not shared in their last L2 table, also while it is half validated", () => {
    const m = new PaeMachine();
    const second = m.alloc(DOM);
    m.poke(second, 3, m.top, P);
    expect(m.mmu.types.pin(m.l3, 3, DOM, 600)).toBe(ERESTART);
    m.check();
    expect(m.mmu.types.pin(second, 3, DOM)).toBe(0);
    m.check();
    expect(m.pin()).toBe(EINVAL);
    m.check();
    expect(m.mmu.types.unpin(second, DOM)).toBe(0);
    expect(m.pin()).toBe(0);
    m.check();
  });

  it("keep what is Xen's from updates, and roots free of what PAE does not know", () => {
    const m = new PaeMachine();
    expect(m.pin()).toBe(0);
    expect(m.mod(m.top, FIRST_XEN_SLOT, m.l1, P, DOM)).toBe(EPERM);
    expect(m.mod(m.top, 511, 0, 0, DOM)).toBe(EPERM);
    expect(m.mod(m.top, FIRST_XEN_SLOT - 1, m.l1, P | RW, DOM)).toBe(0);
    expect(m.mod(m.l3, 3, m.top, P, DOM)).toBe(EINVAL);
    expect(m.mod(m.l3, 4, 0, 0, DOM)).toBe(EINVAL);
    expect(m.mod(m.l3, 1, m.l2, P, DOM, 0x80000000)).toBe(EINVAL);
    expect(m.mod(m.l3, 0, m.l2, P, DOM, 0x80000000)).toBe(EINVAL);
    // XSA-185: no linear entries in a root.
    expect(m.mod(m.l3, 1, m.l3, P, DOM)).toBe(EINVAL);
    expect(m.mod(m.l1, 3, m.top, P | RW, DOM)).toBe(EBUSY);
    m.check();
  });
});

describe("address spaces of 32-bit guests", () => {
  const walk = (m: PaeMachine, root: number, page: number, access: number): number =>
    m.mmu.walker.walk(root, page * 4096, 0, access, true);

  const entered = (): PaeMachine => {
    const m = new PaeMachine();
    expect(m.pin()).toBe(0);
    const [lo, hi] = paeRootEntry(m.l3);
    const at = m.mmu.frames.hostAddress(m.l4) / 4;
    m.mmu.memory.u32[at] = lo;
    m.mmu.memory.u32[at + 1] = hi;
    return m;
  };

  it("give the kernel pages without USER, and programs none", () => {
    const m = entered();
    expect(walk(m, m.l4, 0, Access.read)).toBe(0);
    expect(walk(m, m.l4, 1, Access.read)).toBe(0x105);
    expect(walk(m, supervisorRoot(m.l4), 1, Access.write)).toBe(0);
    expect(walk(m, supervisorRoot(m.l4), 1, Access.exec)).toBe(0);
    expect(walk(m, m.l4, 1, Access.exec)).toBe(0x115);
    expect(m.mmu.walker.executedFrame(supervisorRoot(m.l4), 4096, 0)).toBe(m.data[1]);
    expect(m.mmu.walker.executedFrame(m.l4, 4096, 0)).toBe(-1);
    const { mmu } = m;
    expect(mmu.walker.walk(supervisorRoot(m.l4), XEN_SLOTS_START, 0, Access.read, true)).toBe(0);
    expect(mmu.walker.walk(supervisorRoot(m.l4), XEN_SLOTS_START, 0, Access.write, true)).toBe(0x103);
    expect(mmu.walker.walk(m.l4, XEN_SLOTS_START, 0, Access.read, true)).toBe(0x105);
  });

  it("have a bank each, and a program's is rid of a page that loses USER", () => {
    const m = entered();
    const { tlb, types } = m.mmu;
    const program = tlb.activate(DOM, m.l4);
    const kernel = tlb.activate(DOM, supervisorRoot(m.l4));
    expect(kernel).not.toBe(program);
    expect(tlb.fill(kernel, 0x1000, 0, Access.write)).not.toBe(0);
    expect(tlb.fill(program, 0x1000, 0, Access.read)).toBe(0);
    expect(tlb.fill(program, 0, 0, Access.write)).not.toBe(0);
    m.check();
    expect(m.mod(m.l1, 0, m.data[0], P | RW | A | D, DOM)).toBe(0);
    m.check();
    expect(m.mod(m.l1, 0, m.data[0], P | RW | US | A | D, DOM)).toBe(0);
    expect(tlb.fill(program, 0, 0, Access.write)).not.toBe(0);
    expect(m.mod(m.l2, 0, m.l1, P | RW | A, DOM)).toBe(0);
    m.check();
    expect(tlb.fill(program, 0, 0, Access.write)).toBe(0);
    tlb.flushL4(m.l4);
    tlb.forget(m.l4);
    expect([...tlb.inUse()]).toEqual([]);
    expect(types.unpin(m.l3, DOM)).toBe(0);
  });

  it("show frame numbers in a table of four bytes an entry", () => {
    const m = entered();
    const { mmu } = m;
    const kernel = mmu.tlb.activate(DOM, supervisorRoot(m.l4));
    const entry = (mfn: number): number => {
      const host = mmu.tlb.fill(kernel, (PAE_MACH2PHYS_START + 4 * mfn) | 0, 0, Access.read);
      return mmu.memory.u32[host / 4];
    };
    mmu.m2p.set(m.data[2], 77);
    expect(entry(m.data[2])).toBe(77);
    mmu.m2p.set(m.data[2], 77, 1);
    expect(entry(m.data[2])).toBe(0xffffffff);
    expect(entry(0)).toBe(0xffffffff);
    m.check();
  });
});
