import { ExitReason } from "@xen-node/x86-cpu";
import { VMASST_TYPE_writable_pagetables } from "@xen-node/xen-abi";
import { describe, expect, it } from "vitest";
import { vaHigh, vaLow } from "../src/address.ts";
import { Gpr } from "../src/registers.ts";
import { handleExit } from "../src/traps.ts";
import { exception, type Guest, HANDLER, makeGuest, Page, privileged, readU64, toUser, va, write } from "./machine.ts";

function withTraps(): Guest {
  const g = makeGuest();
  g.vcpu.traps.set(13, 0, 0xe033, HANDLER);
  g.vcpu.traps.set(14, 0, 0xe033, HANDLER + 0x10);
  g.vcpu.traps.set(6, 0, 0xe033, HANDLER + 0x20);
  g.vcpu.kernelSp = va(Page.stack + 1);
  return g;
}

/** Runs the bytes as a privileged instruction; true if it was emulated (RIP moved past it). */
function emulated(g: Guest, ...bytes: number[]): boolean {
  const rip = va(Page.code, 0x40);
  g.hv.regs.rip = rip;
  g.hv.regs.setNumber(Gpr.rsp, va(Page.stack + 1));
  privileged(g, ...bytes);
  if (g.hv.regs.rip === HANDLER) return false;
  expect(g.hv.regs.rip).toBe(rip + bytes.length);
  return true;
}

describe("privileged instructions", () => {
  it("control registers", () => {
    const g = withTraps();
    const { regs } = g.hv;
    expect(emulated(g, 0x0f, 0x20, 0xc0)).toBe(true);
    expect(regs.lo(0) >>> 0).toBe(0x80050033);
    regs.set(0, 0x8005003b | 0, 0);
    expect(emulated(g, 0x0f, 0x22, 0xc0)).toBe(true);
    expect(g.vcpu.taskSwitched).toBe(true);
    expect(emulated(g, 0x0f, 0x06)).toBe(true);
    expect(g.vcpu.taskSwitched).toBe(false);
    regs.set(0, 0x80040033 | 0, 0);
    expect(emulated(g, 0x0f, 0x22, 0xc0)).toBe(false);
    // mov r9, cr3
    expect(emulated(g, 0x41, 0x0f, 0x20, 0xd9)).toBe(true);
    expect(regs.va(9)).toBe(g.vcpu.guestTable * 4096);
    regs.setNumber(3, g.p2m[Page.userL4] * 4096);
    expect(emulated(g, 0x0f, 0x22, 0xdb)).toBe(true);
    expect(g.vcpu.guestTable).toBe(g.p2m[Page.userL4]);
    expect(emulated(g, 0x0f, 0x20, 0xe0)).toBe(true);
    expect(regs.lo(0)).toBe(0x660);
    regs.set(0, 0x40660 | 0x80, 0);
    expect(emulated(g, 0x0f, 0x22, 0xe0)).toBe(true);
    expect(emulated(g, 0x0f, 0x20, 0xe0)).toBe(true);
    expect(regs.lo(0)).toBe(0x40660);
  });

  it("MSRs", () => {
    const g = withTraps();
    const { regs } = g.hv;
    const msr = (number: number): void => regs.set(Gpr.rcx, number | 0, 0);
    msr(0xc0000101);
    regs.set(0, vaLow(-0x7e00_0000_0000), 0);
    regs.set(2, vaHigh(-0x6000_0000_0000), 0);
    expect(emulated(g, 0x0f, 0x30)).toBe(true);
    expect(regs.baseHi(5)).toBe(vaHigh(-0x6000_0000_0000));
    regs.set(2, 0x12345678, 0);
    expect(emulated(g, 0x0f, 0x30)).toBe(false);
    msr(0x277);
    expect(emulated(g, 0x0f, 0x32)).toBe(true);
    expect([regs.lo(0), regs.lo(2)]).toEqual([0x00070406, 0x0501]);
    msr(0x12345);
    expect(emulated(g, 0x0f, 0x32)).toBe(false);
    g.vcpu.traps.set(13, 0, 0, 0);
    msr(0x12345);
    expect(emulated(g, 0x0f, 0x32)).toBe(true);
    expect(regs.lo(0)).toBe(0);
  });

  it("ports go by IOPL; what is not there reads all ones", () => {
    const g = withTraps();
    const { regs } = g.hv;
    expect(emulated(g, 0xfa)).toBe(false);
    g.vcpu.iopl = 0x1000;
    expect(emulated(g, 0xfa)).toBe(true);
    expect(emulated(g, 0xfb)).toBe(true);
    regs.set(Gpr.rdx, 0xcfc, 0);
    regs.set(0, 0, 0);
    expect(emulated(g, 0xed)).toBe(true);
    expect(regs.lo(0)).toBe(-1);
    regs.set(0, 0x5500, 0);
    expect(emulated(g, 0xe4, 0x71)).toBe(true);
    expect(regs.lo(0)).toBe(0x55ff);
    expect(emulated(g, 0xe4, 0x42)).toBe(true);
    expect(regs.lo(0)).toBe(0x5500);
    regs.set(0, 0x80001000 | 0, 0);
    regs.set(Gpr.rdx, 0xcf8, 0);
    expect(emulated(g, 0xef)).toBe(true);
    regs.set(0, 0, 0);
    expect(emulated(g, 0xed)).toBe(true);
    expect(regs.lo(0) >>> 0).toBe(0x80001000);
  });

  it("rep insb writes memory and counts down", () => {
    const g = withTraps();
    g.vcpu.iopl = 0x1000;
    const { regs } = g.hv;
    regs.set(Gpr.rdx, 0x1f0, 0);
    regs.setNumber(Gpr.rdi, va(20, 4));
    regs.setNumber(Gpr.rcx, 4);
    expect(emulated(g, 0xf3, 0x6c)).toBe(true);
    expect(readU64(g, va(20))).toBe(0xffffffff * 2 ** 32 - 2 ** 64);
    expect(regs.va(Gpr.rdi)).toBe(va(20, 8));
  });

  it("the rest is #GP, and everything but CPUID is for the kernel", () => {
    const g = withTraps();
    for (const bytes of [[0xf4], [0x0f, 0x01, 0x38], [0x0f, 0x01, 0x10], [0x0f, 0x00, 0xd8]]) {
      expect(emulated(g, ...bytes)).toBe(false);
    }
    expect(emulated(g, 0x0f, 0x09)).toBe(true);
    toUser(g, va(Page.code, 0x40));
    expect(emulated(g, 0x0f, 0x06)).toBe(false);
  });

  it("CPUID with the forced-emulation prefix shows the hypervisor's leaves and OSXSAVE", () => {
    const g = withTraps();
    const { regs } = g.hv;
    const bytes = [0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2];
    write(g, regs.rip, bytes);
    const rip = regs.rip;
    regs.set(0, 0x40000000, 0);
    exception(g, 6);
    expect(regs.rip).toBe(rip + 7);
    expect(regs.lo(0)).toBe(0x40000005);
    expect([3, 1, 2].map((i) => Buffer.from(Uint32Array.of(regs.lo(i)).buffer).toString()).join("")).toBe(
      "XenVMMXenVMM",
    );
    regs.rip = rip;
    regs.set(0, 1, 0);
    exception(g, 6);
    expect(regs.lo(Gpr.rcx)).toBe(3 << 26);
    regs.rip = rip + 2;
    exception(g, 6);
    expect(regs.rip).toBe(HANDLER + 0x20);
  });

  it("#NM clears TS first", () => {
    const g = withTraps();
    g.vcpu.traps.set(7, 0, 0, HANDLER);
    g.hv.control.setTaskSwitched(g.vcpu, true);
    exception(g, 7);
    expect(g.hv.regs.rip).toBe(HANDLER);
    expect(g.vcpu.taskSwitched).toBe(false);
  });
});

describe("writable page tables", () => {
  /** One store instruction of the scripted processor, through the write TLB as the interpreter does it. */
  function store(g: Guest, address: number, value: number, size: number): void {
    g.cpu.script = () => {
      const { u32, u8 } = g.hv.mmu.memory;
      const entry = (g.cpu.bank + 0x10000 + ((address >>> 8) & 0xfff0)) >>> 2;
      expect((u32[entry] ^ address) >>> 12).toBe(0);
      const at = (address + u32[entry + 2]) >>> 0;
      for (let i = 0; i < size; i++) u8[at + i] = Math.floor(value / 2 ** (8 * i)) & 0xff;
      g.cpu.retired++;
      g.hv.regs.advance(3);
      g.hv.regs.setNumber(0, 77);
      return ExitReason.BUDGET;
    };
  }

  it("emulates a kernel's store to its L1 table and validates the entry", () => {
    const g = withTraps();
    const address = va(Page.l1, 30 * 8);
    store(g, address, g.p2m[31] * 4096 + 0x21, 8);
    const rip = g.hv.regs.rip;
    exception(g, 14, 7, address);
    expect(g.hv.regs.rip).toBe(rip + 3);
    expect(g.hv.ptwr.emulated).toBe(1);
    expect(readU64(g, address) % 4096).toBe(0x125 - 0x100);
    g.hv.mmu.walker.walk(g.vcpu.guestTable, va(30), 0, 0, true);
    expect(g.hv.mmu.walker.mfn).toBe(g.p2m[31]);
    expect(g.hv.auditFrames()).toEqual([]);
  });

  it("leaves the fault to a guest that has not asked for emulation", () => {
    const g = withTraps();
    g.domain.vmAssists.set(VMASST_TYPE_writable_pagetables, false);
    const address = va(Page.l1, 30 * 8);
    store(g, address, g.p2m[31] * 4096 + 0x21, 8);
    exception(g, 14, 7, address);
    expect(g.hv.regs.rip).toBe(HANDLER + 0x10);
    expect(g.hv.ptwr.emulated).toBe(0);
  });

  it("gives the guest its #PF, registers untouched, for an entry that breaks the rules", () => {
    const g = withTraps();
    const address = va(Page.l1, 30 * 8);
    const before = readU64(g, address);
    store(g, address, g.p2m[Page.l4] * 4096 + 0x23, 8);
    g.hv.regs.setNumber(0, 5);
    exception(g, 14, 7, address);
    expect(g.hv.regs.rip).toBe(HANDLER + 0x10);
    expect(g.hv.regs.lo(0)).toBe(5);
    expect(readU64(g, address)).toBe(before);
    expect(readU64(g, g.hv.regs.va(Gpr.rsp) + 16)).toBe(3);
    expect(g.hv.auditFrames()).toEqual([]);
  });

  it("does byte stores, but nothing for L2 tables, user mode or reads", () => {
    const g = withTraps();
    const address = va(Page.l1, 30 * 8);
    store(g, address, 0x20, 1);
    exception(g, 14, 7, address);
    expect(readU64(g, address) & 0xff).toBe(0x20);
    store(g, va(Page.l2, 8), 0, 8);
    exception(g, 14, 7, va(Page.l2, 8));
    expect(g.hv.regs.rip).toBe(HANDLER + 0x10);
    toUser(g);
    exception(g, 14, 7, address);
    expect(g.hv.regs.rip).toBe(HANDLER + 0x10);
    expect(g.hv.ptwr.emulated).toBe(1);
  });
});

describe("user mode", () => {
  it("a #GP with an error code goes straight to the guest", () => {
    const g = withTraps();
    toUser(g);
    exception(g, 13, 0x18);
    expect(readU64(g, g.hv.regs.va(Gpr.rsp) + 16)).toBe(0x18);
    handleExit(g.hv, g.vcpu, ExitReason.BUDGET);
  });
});
