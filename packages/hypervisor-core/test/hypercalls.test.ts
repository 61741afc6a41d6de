import { describe, expect, it } from "vitest";
import {
  addGuest,
  type Guest,
  host,
  hypercall,
  makeGuest,
  PAGES,
  Page,
  readU32,
  readU64,
  STACK_TOP,
  va,
  write,
  writeU32,
  writeU64,
} from "./machine.ts";

const ARG = va(Page.data, 0x100);
const HOLE = 0x4000_0000_0000;

const call = {
  mmu_update: 1,
  set_gdt: 2,
  stack_switch: 3,
  fpu_taskswitch: 5,
  set_debugreg: 8,
  get_debugreg: 9,
  update_descriptor: 10,
  memory_op: 12,
  multicall: 13,
  update_va_mapping: 14,
  xen_version: 17,
  console_io: 18,
  grant_table_op: 20,
  vm_assist: 21,
  vcpu_op: 24,
  set_segment_base: 25,
  mmuext_op: 26,
  sched_op: 29,
  callback_op: 30,
  event_channel_op: 32,
  physdev_op: 33,
  sysctl: 35,
  xenpmu_op: 40,
} as const;

const pte = (g: Guest, page: number, flags: number): number => g.p2m[page] * 4096 + flags;
const l1Address = (g: Guest, index: number): number => g.p2m[Page.l1] * 4096 + index * 8;

describe("dispatch", () => {
  it("steps over SYSCALL, loads rcx and r11, answers -ENOSYS for the unknown and logs it once", () => {
    const g = makeGuest();
    const rip = g.hv.regs.rip;
    expect(hypercall(g, 38)).toBe(-38);
    expect(g.hv.regs.rip).toBe(rip + 2);
    expect(g.hv.regs.va(1)).toBe(rip + 2);
    expect(g.hv.regs.lo(11)).toBe(0x202);
    expect(hypercall(g, 38)).toBe(-38);
    expect(hypercall(g, 4000)).toBe(-38);
    expect(g.logs.filter((line) => line.includes("hypercall 38"))).toHaveLength(1);
    expect(hypercall(g, call.sysctl)).toBe(-13);
    expect(hypercall(g, call.xenpmu_op, 4)).toBe(-95);
    expect(hypercall(g, call.console_io, 0, 4, ARG)).toBe(-1);
  });
});

describe("page tables", () => {
  it("mmu_update validates, counts what it did, and stores raw in writable pages", () => {
    const g = makeGuest();
    // page 10 read-only, then an attempt to map an L4 table writable
    writeU64(g, ARG, l1Address(g, 10), pte(g, 10, 0x21), l1Address(g, 11), pte(g, Page.l4, 0x23));
    expect(hypercall(g, call.mmu_update, ARG, 2, va(Page.data, 8), 0x7ff0)).toBeLessThan(0);
    expect(readU32(g, va(Page.data, 8))).toBe(1);
    expect((readU64(g, va(Page.l1, 80)) % 4096) & 3).toBe(1);
    writeU64(g, ARG, g.p2m[20] * 4096, 0x1234567);
    expect(hypercall(g, call.mmu_update, ARG, 1, 0, 0x7ff0)).toBe(0);
    expect(readU64(g, va(20))).toBe(0x1234567);
    // MACHPHYS
    writeU64(g, ARG, g.p2m[20] * 4096 + 1, 777);
    expect(hypercall(g, call.mmu_update, ARG, 1, 0, 0x7ff0)).toBe(0);
    expect(g.hv.mmu.m2p.get(g.p2m[20])).toBe(777);
    writeU64(g, ARG, 1 * 4096 + 1, 777);
    expect(hypercall(g, call.mmu_update, ARG, 1, 0, 0x7ff0)).toBe(-22);
    writeU64(g, ARG, g.p2m[20] * 4096 + 5, 777);
    expect(hypercall(g, call.mmu_update, ARG, 1, 0, 0x7ff0)).toBe(-38);
    expect(hypercall(g, call.mmu_update, HOLE, 1, 0, 0x7ff0)).toBe(-14);
    expect(hypercall(g, call.mmu_update, -0x7fff_0000_0000, 1, 0, 0x7ff0)).toBe(-14);
    expect(g.hv.auditFrames()).toEqual([]);
  });

  it("continues a long mmu_update from where it stopped", () => {
    const g = makeGuest({ maxPages: 4096 });
    const list = va(20);
    const count = 2500;
    for (let i = 0; i < count; i++) writeU64(g, list + i * 16, g.p2m[50] * 4096 + (i % 512) * 8, i);
    expect(hypercall(g, call.mmu_update, list, count, va(Page.data, 8), 0x7ff0)).toBe(0);
    expect(readU32(g, va(Page.data, 8))).toBe(count);
    expect(g.hv.hypercallCount).toBe(3);
    expect(readU64(g, va(50))).toBe(2048);
  });

  it("update_va_mapping changes the mapping of the loaded tables", () => {
    const g = makeGuest();
    expect(hypercall(g, call.update_va_mapping, va(10), pte(g, 11, 0x21), 2)).toBe(0);
    expect(g.hv.mmu.walker.walk(g.vcpu.guestTable, va(10), 0, 0, true)).toBe(0);
    expect(g.hv.mmu.walker.mfn).toBe(g.p2m[11]);
    expect(hypercall(g, call.update_va_mapping, va(10), 0, 1)).toBe(0);
    expect(hypercall(g, call.update_va_mapping, HOLE, 0, 1)).toBe(-22);
    expect(hypercall(g, call.update_va_mapping, va(10), pte(g, 10, 0x23), HOLE + 2)).toBe(-14);
    expect(hypercall(g, call.update_va_mapping, va(12), pte(g, Page.l2, 0x23), 0)).toBeLessThan(0);
    expect(g.hv.auditFrames()).toEqual([]);
  });

  it("mmuext: pins, unpins, roots, pages, errors", () => {
    const g = makeGuest();
    const op = (cmd: number, arg1 = 0, arg2 = 0): number => {
      writeU64(g, ARG, cmd, arg1, arg2);
      return hypercall(g, call.mmuext_op, ARG, 1, 0, 0x7ff0);
    };
    expect(op(15, g.p2m[Page.userL4])).toBe(0);
    expect(g.vcpu.guestTableUser).toBe(g.p2m[Page.userL4]);
    expect(op(15, 0)).toBe(0);
    expect(op(3, g.p2m[Page.userL4])).toBe(0);
    expect(op(3, g.p2m[Page.userL4])).toBe(-22);
    expect(op(5, g.p2m[Page.userL4])).toBe(0);
    expect(g.cpu.root).toBe(g.p2m[Page.userL4]);
    expect(op(4, g.p2m[Page.l4])).toBe(0);
    expect(op(4, g.p2m[Page.l4])).toBe(-22);
    expect(op(5, 3)).toBe(-22);
    for (const flush of [6, 7, 10, 11]) expect(op(flush, va(10))).toBe(0);
    expect(op(8, 0, ARG)).toBe(0);
    expect(op(8, 0, HOLE)).toBe(-22);
    expect(op(12)).toBe(-13);
    expect(op(19, 1)).toBe(-95);
    expect(op(33)).toBe(-38);
    write(g, va(20), [1, 2, 3]);
    expect(op(17, g.p2m[21], g.p2m[20])).toBe(0);
    expect(readU32(g, va(21))).toBe(0x30201);
    expect(op(16, g.p2m[21])).toBe(0);
    expect(readU32(g, va(21))).toBe(0);
    expect(op(16, g.p2m[Page.l2])).toBe(-22);
    expect(op(13, va(30) + 8, 1)).toBe(-22);
    expect(op(13, va(30), 8193)).toBe(-22);
    expect(op(13, 0, 0)).toBe(0);
    writeU64(g, ARG, 6, 0, 0);
    expect(hypercall(g, call.mmuext_op, ARG, 1, 0, 5)).toBe(-3);
    expect(g.hv.auditFrames()).toEqual([]);
  });

  it("multicall stores each result and refuses itself", () => {
    const g = makeGuest();
    const list = va(20);
    writeU64(g, list, call.update_va_mapping, 0, va(10), pte(g, 11, 0x21), 0);
    writeU64(g, list + 64, call.multicall, 0, list, 1);
    writeU64(g, list + 128, 999, 0);
    expect(hypercall(g, call.multicall, list, 3)).toBe(0);
    expect([0, 64, 128].map((at) => readU64(g, list + at + 8))).toEqual([0, -22, -38]);
  });
});

describe("descriptor tables", () => {
  it("set_gdt types the frame, update_descriptor checks, selectors are found", () => {
    const g = makeGuest();
    // 0x10: a 64-bit code segment of the guest with DPL 0
    writeU32(g, va(30) + 16, 0xffff, 0x00af9b00);
    writeU64(g, ARG, g.p2m[30]);
    // still mapped writable
    expect(hypercall(g, call.set_gdt, ARG, 16)).toBe(-22);
    expect(hypercall(g, call.update_va_mapping, va(30), pte(g, 30, 0x21), 0)).toBe(0);
    expect(hypercall(g, call.set_gdt, ARG, 16)).toBe(0);
    expect(g.hv.descriptors.read(g.vcpu, 0x13)).toBe(true);
    expect(g.hv.descriptors.hi).toBe(0x00affb00);
    expect(hypercall(g, call.update_descriptor, g.p2m[30] * 4096 + 24, 0x92000000ffff)).toBe(0);
    expect(hypercall(g, call.update_descriptor, g.p2m[30] * 4096 + 4, 0)).toBe(-22);
    expect(g.hv.descriptors.read(g.vcpu, 0xe02b)).toBe(true);
    expect(g.hv.descriptors.hi).toBe(0x00cff300);
    expect(g.hv.descriptors.read(g.vcpu, 0xe0ff)).toBe(false);
    expect(g.hv.descriptors.read(g.vcpu, 0x7)).toBe(false);
    expect(hypercall(g, call.set_gdt, ARG, 8000)).toBe(-22);
    expect(g.hv.auditFrames()).toEqual([]);
  });
});

describe("what the guest asks about and sets", () => {
  it("xen_version", () => {
    const g = makeGuest();
    expect(hypercall(g, call.xen_version, 0, 0)).toBe((4 << 16) | 17);
    writeU32(g, ARG, 0, 0);
    expect(hypercall(g, call.xen_version, 6, ARG)).toBe(0);
    expect(readU32(g, ARG + 4)).toBe((1 << 5) | (1 << 7) | (1 << 13));
    writeU32(g, ARG, 1);
    expect(hypercall(g, call.xen_version, 6, ARG)).toBe(-22);
    expect(hypercall(g, call.xen_version, 5, ARG)).toBe(0);
    expect(readU64(g, ARG)).toBe(-0x8000_0000_0000);
    expect(hypercall(g, call.xen_version, 1, ARG)).toBe(0);
    expect(hypercall(g, call.xen_version, 7, 0)).toBe(4096);
    expect(hypercall(g, call.xen_version, 99, 0)).toBe(-38);
    expect(hypercall(g, call.xen_version, 8, ARG)).toBe(0);
    expect([0, 4, 8, 12].map((at) => readU32(g, ARG + at))).toEqual([0x04030201, 0x08070605, 0x0c0b0a09, 0x100f0e0d]);
    expect(hypercall(g, call.xen_version, 8, HOLE)).toBe(-14);
  });

  it("segment bases, FPU switch, debug registers, IOPL, assists", () => {
    const g = makeGuest();
    expect(hypercall(g, call.set_segment_base, 0, 0x1234)).toBe(0);
    expect(g.hv.regs.baseLo(4)).toBe(0x1234);
    expect(hypercall(g, call.set_segment_base, 2, 0x77)).toBe(0);
    expect(hypercall(g, call.set_segment_base, 1, 0x88)).toBe(0);
    expect(g.hv.regs.baseLo(5)).toBe(0x77);
    expect(g.vcpu.gsBaseShadowLo).toBe(0x88);
    expect(hypercall(g, call.set_segment_base, 3, 0x2b)).toBe(0);
    expect(g.hv.regs.baseLo(5)).toBe(0x77);
    expect(g.vcpu.gsBaseShadowLo).toBe(0);
    expect(hypercall(g, call.set_segment_base, 4, 0)).toBe(-22);
    expect(hypercall(g, call.set_segment_base, 0, 2 ** 47)).toBe(-22);
    expect(hypercall(g, call.fpu_taskswitch, 1)).toBe(0);
    expect(g.vcpu.taskSwitched).toBe(true);
    expect(hypercall(g, call.set_debugreg, 0, 0x4000)).toBe(0);
    expect(hypercall(g, call.get_debugreg, 0)).toBe(0x4000);
    expect(hypercall(g, call.set_debugreg, 7, 0x2000)).toBe(-1);
    expect(hypercall(g, call.set_debugreg, 9, 0)).toBe(-19); // ENODEV
    writeU32(g, ARG, 1);
    expect(hypercall(g, call.physdev_op, 6, ARG)).toBe(0);
    expect(g.vcpu.iopl).toBe(0x1000);
    writeU32(g, ARG, 4);
    expect(hypercall(g, call.physdev_op, 6, ARG)).toBe(-22);
    expect(hypercall(g, call.physdev_op, 28, ARG)).toBe(-38);
    for (const type of [0, 2, 3, 5, 32]) expect(hypercall(g, call.vm_assist, 0, type)).toBe(0);
    expect(hypercall(g, call.vm_assist, 0, 6)).toBe(-22);
    expect(hypercall(g, call.vm_assist, 2, 0)).toBe(-38);
    expect(hypercall(g, call.stack_switch, 0x18, STACK_TOP)).toBe(0);
  });

  it("memory_op: maps, reservations, M2P window", () => {
    const g = makeGuest();
    expect(hypercall(g, call.memory_op, 12, ARG)).toBe(0);
    expect(readU64(g, ARG)).toBe(-0x8000_0000_0000);
    expect(readU64(g, ARG + 8)).toBe(-0x7fc0_0000_0000);
    // All that the window could show: a guest asks once, and may be moved to a machine with more memory.
    expect(readU64(g, ARG + 16)).toBe(2 ** 35 - 1);
    writeU64(g, ARG, 4, va(20));
    expect(hypercall(g, call.memory_op, 9, ARG)).toBe(0);
    expect(readU32(g, ARG)).toBe(1);
    expect(readU64(g, va(20) + 8)).toBe(256 * 4096);
    writeU32(g, ARG, 0x7ff0);
    expect(hypercall(g, call.memory_op, 3, ARG)).toBe(PAGES);
    expect(hypercall(g, call.memory_op, 4, ARG)).toBe(256);
    // populate_physmap of two frames, then give one back
    writeU64(g, va(20), 100, 101);
    writeU64(g, ARG, va(20), 2, 0);
    writeU32(g, ARG + 24, 0x7ff0);
    expect(hypercall(g, call.memory_op, 6, ARG)).toBe(2);
    const mfn = readU64(g, va(20) + 8);
    expect(g.hv.mmu.m2p.get(mfn)).toBe(101);
    expect(g.domain.totalPages).toBe(PAGES + 2);
    writeU64(g, ARG, va(20) + 8, 1, 0);
    expect(hypercall(g, call.memory_op, 1, ARG)).toBe(1);
    expect(hypercall(g, call.memory_op, 1, ARG)).toBe(0);
    expect(g.domain.totalPages).toBe(PAGES + 1);
    expect(g.hv.mmu.frames.owner[mfn]).toBe(0x7fff);
    // the limit counts
    writeU64(g, ARG, 0, 1000, 0);
    expect(hypercall(g, call.memory_op, 0, ARG)).toBe(256 - PAGES - 1);
    expect(hypercall(g, call.memory_op, 7, ARG)).toBe(-13);
    expect(hypercall(g, call.memory_op, 10, ARG)).toBe(-1);
    expect(hypercall(g, call.memory_op, 63, ARG)).toBe(-38);
    expect(g.hv.auditFrames()).toEqual([]);
  });

  it("memory_op exchange swaps a frame nobody maps", () => {
    const g = makeGuest();
    expect(hypercall(g, call.update_va_mapping, va(30), 0, 2)).toBe(0);
    writeU64(g, va(20), g.p2m[30]);
    writeU64(g, va(21), 30);
    write(g, ARG, new Uint8Array(72));
    writeU64(g, ARG, va(20), 1);
    writeU32(g, ARG + 24, 0x7ff0);
    writeU64(g, ARG + 32, va(21), 1);
    writeU32(g, ARG + 56, 0x7ff0);
    expect(hypercall(g, call.memory_op, 11, ARG)).toBe(0);
    expect(readU64(g, ARG + 64)).toBe(1);
    const fresh = readU64(g, va(21));
    expect(g.hv.mmu.m2p.get(fresh)).toBe(30);
    // XSA-212: an output pointer into the hypervisor's range
    writeU64(g, ARG + 32, -0x7fff_0000_0000, 1);
    writeU64(g, ARG + 64, 0);
    expect(hypercall(g, call.memory_op, 11, ARG)).toBe(-14);
    expect(g.hv.auditFrames()).toEqual([]);
  });

  it("event channels and grants through guest memory", () => {
    const g = makeGuest();
    writeU32(g, ARG, 0x7ff0, 0);
    expect(hypercall(g, call.event_channel_op, 6, ARG)).toBe(0);
    const port = readU32(g, ARG + 4);
    expect(port).toBeGreaterThan(0);
    writeU32(g, ARG, 0x7ff0, port);
    expect(hypercall(g, call.event_channel_op, 5, ARG)).toBe(0);
    expect(readU32(g, ARG + 8)).toBe(1);
    writeU32(g, ARG, port);
    expect(hypercall(g, call.event_channel_op, 3, ARG)).toBe(0);
    expect(hypercall(g, call.event_channel_op, 2, ARG)).toBe(-38);
    writeU32(g, ARG, 0x7ff0, 2, 0, 0);
    writeU64(g, ARG + 16, va(20));
    expect(hypercall(g, call.grant_table_op, 2, ARG, 1)).toBe(0);
    expect(readU32(g, ARG + 8) & 0xffff).toBe(0);
    expect(readU64(g, va(20) + 8)).toBe(g.hv.grants.sharedFrames(g.domain.domid)[1]);
    writeU32(g, ARG, 1);
    expect(hypercall(g, call.grant_table_op, 8, ARG, 1)).toBe(0);
    writeU32(g, ARG, 2);
    expect(hypercall(g, call.grant_table_op, 8, ARG, 1)).toBe(-38);
    expect(hypercall(g, call.grant_table_op, 3, ARG, 1)).toBe(-38);
    writeU32(g, ARG, 0x7ff0, 0, 0, 0);
    expect(hypercall(g, call.grant_table_op, 6, ARG, 1)).toBe(0);
    expect(readU32(g, ARG + 4)).toBe(2);
  });

  it("maps another domain's grant at a virtual address and unmaps it", () => {
    const g = makeGuest();
    const other = addGuest(g.hv);
    g.hv.load(g.vcpu);
    g.hv.addressSpaces.enter(g.vcpu);
    const frame = other.p2m[20];
    g.hv.mmu.memory.u8[g.hv.mmu.frames.hostAddress(frame)] = 0x5a;
    g.hv.grants.writeEntry(other.domain.domid, 9, 1, g.domain.domid, frame);
    expect(hypercall(g, call.update_va_mapping, va(30), 0, 2)).toBe(0);
    write(g, ARG, new Uint8Array(32));
    writeU64(g, ARG, va(30));
    writeU32(g, ARG + 8, 2, 9, other.domain.domid);
    expect(hypercall(g, call.grant_table_op, 0, ARG, 1)).toBe(0);
    expect(g.hv.mmu.memory.view.getInt16(host(g, ARG + 18), true)).toBe(0);
    expect(g.hv.mmu.walker.walk(g.vcpu.guestTable, va(30), 0, 1, true)).toBe(0);
    expect(g.hv.mmu.walker.mfn).toBe(frame);
    expect(g.hv.auditFrames()).toEqual([]);
    const handle = readU32(g, ARG + 20);
    write(g, ARG, new Uint8Array(24));
    writeU64(g, ARG, va(30));
    writeU32(g, ARG + 16, handle);
    expect(hypercall(g, call.grant_table_op, 1, ARG, 1)).toBe(0);
    expect(g.hv.mmu.memory.view.getInt16(host(g, ARG + 20), true)).toBe(0);
    expect(g.hv.mmu.walker.walk(g.vcpu.guestTable, va(30), 0, 1, true)).not.toBe(0);
    expect(g.hv.auditFrames()).toEqual([]);
  });
});
