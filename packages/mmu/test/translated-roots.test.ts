import { beforeEach, describe, expect, it } from "vitest";
import { Access, MachineMemory, Mmu, PageFault, Physmap, Pte, TLB_WRITE, WalkFault } from "../src/index.ts";

const DOMID = 1;
const RAM = 64;
const NX = 0x80000000;
/** Guest frames of the tables. */
const [L4, L3, L2, L1] = [10, 11, 12, 13];
const DATA = 20;
const ALL = Pte.present | Pte.rw | Pte.user;

describe("address spaces of guests with a physical address space of their own", () => {
  let mmu: Mmu;
  let physmap: Physmap;
  let kernel: number;
  let user: number;
  let absentReadMfn: number;
  let absentWriteMfn: number;

  const write = (gfn: number, index: number, lo: number, hi = 0): void => {
    const word = mmu.frames.hostAddress(physmap.lookup(gfn)) / 4 + index * 2;
    mmu.memory.u32[word] = lo >>> 0;
    mmu.memory.u32[word + 1] = hi >>> 0;
  };
  const read = (gfn: number, index: number): number =>
    mmu.memory.u32[mmu.frames.hostAddress(physmap.lookup(gfn)) / 4 + index * 2];
  /** Maps page `index` of the first 2 MiB. */
  const map = (index: number, gfn: number, flags: number, hi = 0): void => write(L1, index, (gfn << 12) | flags, hi);
  const walk = (root: number, va: number, access: number): number =>
    mmu.walker.walk(root, va, Math.floor(va / 2 ** 32), access, true);

  beforeEach(() => {
    mmu = new Mmu(new MachineMemory({ bytes: 32 * 2 ** 20 }), { banks: 8 });
    physmap = new Physmap(RAM);
    for (let gfn = 0; gfn < RAM; gfn++) physmap.map(gfn, mmu.frames.alloc(DOMID));
    absentReadMfn = mmu.frames.alloc(DOMID);
    absentWriteMfn = mmu.frames.alloc(DOMID);
    const space = { domid: DOMID, physmap, absentReadMfn, absentWriteMfn };
    kernel = mmu.translated.create({ ...space, user: false });
    user = mmu.translated.create({ ...space, user: true });
    write(L4, 0, (L3 << 12) | ALL);
    write(L3, 0, (L2 << 12) | ALL);
    write(L2, 0, (L1 << 12) | ALL);
    for (const root of [kernel, user])
      mmu.translated.set(root, { paging: true, l4Gfn: L4, writeProtect: true, noExecute: true });
  });

  it("lead through guest frame numbers, and mark entries accessed and dirty", () => {
    map(1, DATA, ALL);
    expect(walk(kernel, 0x1000, Access.read)).toBe(0);
    expect(mmu.walker.mfn).toBe(physmap.lookup(DATA));
    expect(read(L1, 1) & (Pte.accessed | Pte.dirty)).toBe(Pte.accessed);
    expect(walk(user, 0x1000, Access.write)).toBe(0);
    expect(read(L1, 1) & (Pte.accessed | Pte.dirty)).toBe(Pte.accessed | Pte.dirty);
    expect(read(L4, 0) & Pte.accessed).toBe(Pte.accessed);
  });

  it("are physical memory as long as paging is off", () => {
    mmu.translated.set(kernel, { paging: false, l4Gfn: 0, writeProtect: false, noExecute: false });
    expect(walk(kernel, DATA * 4096 + 5, Access.write)).toBe(0);
    expect(mmu.walker.mfn).toBe(physmap.lookup(DATA));
  });

  it.each([
    ["the supervisor's page", "user", Pte.present | Pte.rw, 0, Access.read, PageFault.user | PageFault.present],
    ["a read-only page", "user", Pte.present | Pte.user, 0, Access.write, 7],
    ["a read-only page with CR0.WP", "kernel", Pte.present, 0, Access.write, PageFault.write | PageFault.present],
    ["a page that is not to be executed", "kernel", ALL, NX, Access.exec, PageFault.fetch | PageFault.present],
    ["a page that is not present", "kernel", Pte.rw, 0, Access.write, PageFault.write],
    ["an address beyond 40 bits", "kernel", ALL, 0x100, Access.read, PageFault.present | PageFault.reserved],
  ])("refuse %s", (_what, who, flags, hi, access, errorCode) => {
    map(1, DATA, flags, hi);
    expect(walk(who === "user" ? user : kernel, 0x1000, access)).toBe(WalkFault.page | errorCode);
    expect(mmu.walker.errorCode).toBe(errorCode);
    expect(read(L1, 1) & Pte.accessed).toBe(0);
  });

  it("let the supervisor write read-only pages without CR0.WP, and take NX for a mistake without EFER.NXE", () => {
    mmu.translated.set(kernel, { paging: true, l4Gfn: L4, writeProtect: false, noExecute: false });
    map(1, DATA, Pte.present);
    expect(walk(kernel, 0x1000, Access.write)).toBe(0);
    map(1, DATA, ALL, NX);
    expect(walk(kernel, 0x1000, Access.read)).toBe(WalkFault.page | PageFault.present | PageFault.reserved);
  });

  it("have frames of their own where no memory is, and no tables there", () => {
    map(1, 0x5000, ALL);
    expect(walk(kernel, 0x1000, Access.read)).toBe(0);
    expect(mmu.walker.mfn).toBe(absentReadMfn);
    expect(walk(kernel, 0x1000, Access.write)).toBe(0);
    expect(mmu.walker.mfn).toBe(absentWriteMfn);
    write(L2, 0, (0x5000 << 12) | ALL);
    mmu.translated.flush(kernel);
    expect(walk(kernel, 0x1000, Access.read)).toBe(WalkFault.page | PageFault.present | PageFault.reserved);
  });

  it("keep a translation until it is flushed: page, large page, and all", () => {
    const bank = mmu.tlb.activate(DOMID, kernel);
    const fill = (va: number, access: number = Access.read): number => mmu.tlb.fill(bank, va, 0, access);
    const hits = (va: number, array = 0): boolean => {
      const p = (bank + array + (((va >>> 12) & 0xfff) << 4)) >>> 2;
      return mmu.memory.u32[p] === (va & ~0xfff) >>> 0 && mmu.memory.u32[p + 1] === 0;
    };
    map(1, DATA, ALL);
    map(2, DATA + 1, ALL);
    fill(0x1000);
    fill(0x2000, Access.write);
    mmu.translated.invalidatePage(kernel, 0x1234, 0);
    expect([hits(0x1000), hits(0x2000, TLB_WRITE)]).toEqual([false, true]);
    // 2 MiB from guest frame 0.
    write(L2, 1, ALL | Pte.pageSize);
    fill(0x200000);
    fill(0x205000, Access.write);
    mmu.translated.invalidatePage(kernel, 0x201000, 0);
    expect([hits(0x200000), hits(0x205000, TLB_WRITE), hits(0x2000, TLB_WRITE)]).toEqual([false, false, true]);
    mmu.translated.flush(kernel);
    expect(hits(0x2000, TLB_WRITE)).toBe(false);
  });

  it("are audited: what left the physical map must have left the soft TLB", () => {
    const bank = mmu.tlb.activate(DOMID, kernel);
    map(1, DATA, ALL);
    write(DATA, 0, 1);
    mmu.tlb.fill(bank, 0x1000, 0, Access.read);
    expect(mmu.audit()).toEqual([]);
    physmap.unmap(DATA);
    expect(mmu.audit().join()).toMatch(/leads out of the guest's physical address space/);
    mmu.tlb.flushDomain(DOMID);
    expect(mmu.audit()).toEqual([]);
  });

  it("end, and their numbers are used again", () => {
    mmu.translated.destroy(user);
    expect(walk(user, 0x1000, Access.read)).not.toBe(0);
    const space = { domid: DOMID, physmap, absentReadMfn, absentWriteMfn, user: true };
    expect(mmu.translated.create(space)).toBe(user);
  });
});

describe("a physical map", () => {
  it("has a machine frame in one place at a time", () => {
    const physmap = new Physmap(4);
    physmap.map(1, 100);
    physmap.map(1000, 100);
    expect([physmap.lookup(1), physmap.lookup(1000), physmap.gfnOf(100)]).toEqual([-1, 100, 1000]);
    physmap.map(1000, 101);
    expect([physmap.gfnOf(100), physmap.lookup(1000), physmap.highest]).toEqual([-1, 101, 1000]);
    expect(physmap.unmap(1000)).toBe(101);
    expect(physmap.unmap(1000)).toBe(-1);
  });
});
