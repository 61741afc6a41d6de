import { ExitReason } from "@xen-node/x86-cpu";
import { describe, expect, it } from "vitest";
import { Gpr } from "../src/registers.ts";
import { handleExit } from "../src/traps.ts";
import {
  deliver,
  exception,
  HANDLER,
  hypercall,
  makeGuest,
  Page,
  readU32,
  readU64,
  STACK_TOP,
  softwareInterrupt,
  toUser,
  va,
  write,
  writeU32,
  writeU64,
} from "./machine.ts";

const set_trap_table = 0;
const stack_switch = 3;
const callback_op = 30;

function registerTrap(g: ReturnType<typeof makeGuest>, vector: number, flags: number, address: number): void {
  const table = va(Page.data, 0x100);
  write(g, table, new Uint8Array(32));
  write(g, table, [vector, flags]);
  writeU64(g, table + 8, address);
  expect(hypercall(g, set_trap_table, table)).toBe(0);
}

describe("exception frames", () => {
  it("pushes rcx r11 error rip cs rflags rsp ss for a guest kernel fault, aligned to 16", () => {
    const g = makeGuest();
    registerTrap(g, 13, 0, HANDLER);
    const { regs } = g.hv;
    regs.setNumber(Gpr.rsp, STACK_TOP - 8);
    regs.setNumber(Gpr.rcx, 0x1111);
    regs.setNumber(Gpr.r11, -2);
    regs.rip = va(Page.code, 0x40);
    regs.rflags = 0x202 | 0x100 | 0x40000 | 1;
    exception(g, 13, 0x58);
    const sp = regs.va(Gpr.rsp);
    expect(sp % 16).toBe(0);
    expect(sp).toBe(STACK_TOP - 16 - 64);
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((i) => readU64(g, sp + 8 * i))).toEqual([
      0x1111,
      -2,
      0x58,
      va(Page.code, 0x40),
      // upcall mask was 1 at boot; RPL shows a guest kernel
      0xe030 + 2 ** 32,
      // IF is shown as "events are not masked"
      0x40103,
      STACK_TOP - 8,
      0xe02b,
    ]);
    expect(regs.rip).toBe(HANDLER);
    expect(regs.rflags).toBe(0x203);
    expect(regs.selector(1)).toBe(0xe033);
    expect(regs.selector(2)).toBe(0xe02b);
    expect(regs.va(Gpr.rcx)).toBe(HANDLER);
  });

  it("enters on the kernel stack from user mode, swaps gs and roots, and hides nothing of CS", () => {
    const g = makeGuest();
    registerTrap(g, 14, 4, HANDLER);
    hypercall(g, stack_switch, 0xe02b, STACK_TOP);
    g.hv.regs.setBase(5, 0x111, 0);
    g.vcpu.gsBaseShadowLo = 0x222;
    toUser(g);
    expect(g.vcpu.kernelMode).toBe(false);
    expect(g.cpu.root).toBe(g.p2m[Page.userL4]);
    expect(g.hv.regs.baseLo(5)).toBe(0x222);
    const info = g.vcpu.infoHost;
    expect(g.hv.mmu.memory.u8[info + 1]).toBe(0);
    exception(g, 14, 4 | 2, 0x7fff_0000_1234);
    const sp = g.hv.regs.va(Gpr.rsp);
    expect(sp).toBe(STACK_TOP - 64);
    expect(readU64(g, sp + 16)).toBe(6);
    expect(readU64(g, sp + 32)).toBe(0xe033);
    expect(readU64(g, sp + 40)).toBe(0x202);
    expect(readU64(g, sp + 48)).toBe(va(Page.userStack + 1));
    // the gate masks events
    expect(g.hv.mmu.memory.u8[info + 1]).toBe(1);
    expect(g.hv.regs.baseLo(5)).toBe(0x111);
    expect(g.cpu.root).toBe(g.p2m[Page.l4]);
    // cr2 in vcpu_info
    expect(g.hv.mmu.memory.u32[(info + 16) >>> 2]).toBe(0x1234);
    expect(g.hv.mmu.memory.u32[(info + 20) >>> 2]).toBe(0x7fff);
  });

  it("clears the U bit of a kernel's page fault", () => {
    const g = makeGuest();
    registerTrap(g, 14, 0, HANDLER);
    exception(g, 14, 4, 0x5000_0000);
    expect(readU64(g, g.hv.regs.va(Gpr.rsp) + 16)).toBe(0);
  });

  it("crashes the domain without a handler, with a dump", () => {
    const g = makeGuest();
    let dump = "";
    g.domain.symbolizer = (address) => (address === va(Page.code) ? "start+0x0" : undefined);
    g.hv.listen({ onCrash: (_domain, d) => (dump = d.lines.join("\n")) });
    exception(g, 14, 4, 0x5000_0000);
    expect(g.domain.state).toBe("shutdown");
    expect(g.domain.shutdownReason).toBe(3);
    expect(dump).toContain("(XEN) domain_crash called on d1v0: unhandled exception: vector 14");
    expect(dump).toContain("<start+0x0>");
  });

  it("crashes on a stack that is not writable or lies in the hypervisor's range", () => {
    for (const sp of [0x5000_0000, -0x7fff_0000_0000, va(Page.l1 + 1)]) {
      const g = makeGuest();
      registerTrap(g, 6, 0, HANDLER);
      g.hv.regs.setNumber(Gpr.rsp, sp);
      exception(g, 6);
      expect(g.domain.shutdownReason).toBe(3);
    }
  });
});

describe("system calls and software interrupts", () => {
  it("bounces SYSCALL from user mode to the callback with DF clear", () => {
    const g = makeGuest();
    hypercall(g, stack_switch, 0xe02b, STACK_TOP);
    const arg = va(Page.data, 0x100);
    writeU32(g, arg, 2 | (1 << 16), 0);
    writeU64(g, arg + 8, HANDLER);
    expect(hypercall(g, callback_op, 0, arg)).toBe(0);
    toUser(g);
    g.hv.regs.rflags = 0x202 | 0x400;
    const rip = g.hv.regs.rip;
    handleExit(g.hv, g.vcpu, ExitReason.SYSCALL);
    const sp = g.hv.regs.va(Gpr.rsp);
    expect(sp).toBe(STACK_TOP - 56);
    expect(readU64(g, sp)).toBe(rip + 2);
    expect(readU64(g, sp + 8)).toBe(0x602);
    expect(readU64(g, sp + 16)).toBe(rip + 2);
    expect(readU64(g, sp + 24)).toBe(0xe033);
    expect(readU64(g, sp + 32)).toBe(0x602);
    expect(g.hv.regs.rflags & 0x400).toBe(0);
    expect(g.hv.regs.rip).toBe(HANDLER);
    expect(g.vcpu.kernelMode).toBe(true);
    expect(g.hv.mmu.memory.u8[g.vcpu.infoHost + 1]).toBe(1);
  });

  it("gives #UD at the SYSCALL when no callback is there", () => {
    const g = makeGuest();
    registerTrap(g, 6, 0, HANDLER);
    hypercall(g, stack_switch, 0xe02b, STACK_TOP);
    toUser(g);
    const rip = g.hv.regs.rip;
    handleExit(g.hv, g.vcpu, ExitReason.SYSCALL);
    expect(readU64(g, g.hv.regs.va(Gpr.rsp) + 16)).toBe(rip);
    expect(g.hv.regs.rip).toBe(HANDLER);
  });

  it("checks the DPL of INT n, and none for INT3", () => {
    const g = makeGuest();
    registerTrap(g, 0x40, 0, HANDLER);
    registerTrap(g, 13, 0, HANDLER + 0x10);
    const rip = g.hv.regs.rip;
    softwareInterrupt(g, 0x40, 2);
    expect(g.hv.regs.rip).toBe(HANDLER + 0x10);
    expect(readU64(g, g.hv.regs.va(Gpr.rsp) + 16)).toBe(0x40 * 8 + 2);
    registerTrap(g, 0x40, 1, HANDLER);
    g.hv.regs.rip = rip;
    softwareInterrupt(g, 0x40, 2);
    expect(g.hv.regs.rip).toBe(HANDLER);
    expect(readU64(g, g.hv.regs.va(Gpr.rsp) + 16)).toBe(rip + 2);
    registerTrap(g, 3, 0, HANDLER + 0x20);
    g.hv.regs.rip = rip;
    softwareInterrupt(g, 3, 1);
    expect(g.hv.regs.rip).toBe(HANDLER + 0x20);
    expect(readU64(g, g.hv.regs.va(Gpr.rsp) + 16)).toBe(rip + 1);
    g.hv.regs.rip = rip;
    softwareInterrupt(g, 0x80, 2);
    expect(readU64(g, g.hv.regs.va(Gpr.rsp) + 16)).toBe(0x402);
  });
});

describe("iret", () => {
  it("returns to user mode and back by the same frame fields", () => {
    const g = makeGuest();
    toUser(g, va(Page.code, 0x200), va(Page.userStack, 0x80));
    const { regs } = g.hv;
    expect(regs.rip).toBe(va(Page.code, 0x200));
    expect(regs.va(Gpr.rsp)).toBe(va(Page.userStack, 0x80));
    expect([regs.lo(Gpr.rax), regs.lo(Gpr.r11), regs.lo(Gpr.rcx)]).toEqual([11, 22, 33]);
    expect(regs.rflags).toBe(0x202);
    expect(g.vcpu.kernelMode).toBe(false);
  });

  it("crashes a domain that returns to user mode without a user root", () => {
    const g = makeGuest();
    const frame = va(Page.data, 0x800);
    writeU64(g, frame, 0, 0, 0, 0, va(Page.code), 0xe033, 0x202, STACK_TOP, 0xe02b);
    g.hv.regs.setNumber(Gpr.rsp, frame);
    g.hv.regs.setNumber(0, 23);
    handleExit(g.hv, g.vcpu, ExitReason.SYSCALL);
    expect(g.domain.shutdownReason).toBe(3);
  });

  it("returns within the kernel, sets the mask from IF, and loads rcx and r11 like SYSRET in a syscall", () => {
    const g = makeGuest();
    const frame = va(Page.data, 0x800);
    writeU64(g, frame, 1, 2, 3, 0x100, va(Page.code, 8), 0xe030, 0x3002, STACK_TOP, 0xe02b);
    g.hv.regs.setNumber(Gpr.rsp, frame);
    g.hv.regs.setNumber(0, 23);
    handleExit(g.hv, g.vcpu, ExitReason.SYSCALL);
    expect(g.vcpu.kernelMode).toBe(true);
    expect(g.hv.regs.rflags).toBe(0x202);
    expect(g.hv.regs.va(Gpr.rcx)).toBe(va(Page.code, 8));
    expect(g.hv.regs.lo(Gpr.r11)).toBe(0x202);
    expect(g.hv.mmu.memory.u8[g.vcpu.infoHost + 1]).toBe(1);
  });

  it("raises #GP for a non-canonical target", () => {
    const g = makeGuest();
    registerTrap(g, 13, 0, HANDLER);
    const frame = va(Page.data, 0x800);
    writeU64(g, frame, 1, 2, 3, 0, 0, 0xe033 & ~3, 0x202, STACK_TOP, 0xe02b);
    writeU32(g, frame + 32, 0, 0x80000000);
    g.hv.regs.setNumber(Gpr.rsp, frame);
    g.hv.regs.setNumber(0, 23);
    handleExit(g.hv, g.vcpu, ExitReason.SYSCALL);
    expect(g.hv.regs.rip).toBe(HANDLER);
  });
});

describe("upcalls", () => {
  it("delivers when pending and not masked, masking on entry", () => {
    const g = makeGuest();
    const arg = va(Page.data, 0x100);
    writeU32(g, arg, 0, 0);
    writeU64(g, arg + 8, HANDLER);
    expect(hypercall(g, callback_op, 0, arg)).toBe(0);
    const u8 = g.hv.mmu.memory.u8;
    const info = g.vcpu.infoHost;
    u8[info] = 1;
    deliver(g);
    expect(g.hv.regs.rip).not.toBe(HANDLER);
    u8[info + 1] = 0;
    const rip = g.hv.regs.rip;
    deliver(g);
    expect(g.hv.regs.rip).toBe(HANDLER);
    const sp = g.hv.regs.va(Gpr.rsp);
    expect(readU64(g, sp + 16)).toBe(rip);
    expect(readU32(g, sp + 28)).toBe(0);
    expect(readU64(g, sp + 32) & 0x200).toBe(0x200);
    expect(u8[info + 1]).toBe(1);
    deliver(g);
    expect(g.hv.regs.va(Gpr.rsp)).toBe(sp);
  });
});
