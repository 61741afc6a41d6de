import { ExitReason } from "@xen-node/x86-cpu";
import { describe, expect, it } from "vitest";
import { vaHigh, vaLow } from "../../src/address.ts";
import { Gpr } from "../../src/registers.ts";
import { handleExit } from "../../src/traps.ts";
import { deliver, HANDLER, hypercall, Page, readU64, softwareInterrupt, toUser, va, write } from "../machine.ts";
import { ARG, Attacker, DOMID_SELF, EINVAL, EPERM } from "./attacker.ts";

const RIP = va(Page.code, 0x40);
const STACK = va(Page.stack + 1);

/** Runs bytes as a privileged instruction of the kernel. @returns whether it was emulated; if not, #GP was delivered */
function emulates(a: Attacker, ...bytes: number[]): boolean {
  const { regs } = a.g.hv;
  regs.rip = RIP;
  regs.setNumber(Gpr.rsp, STACK);
  a.privileged(...bytes);
  return regs.rip !== HANDLER;
}

const RDMSR = [0x0f, 0x32];
const WRMSR = [0x0f, 0x30];

describe("attacks by traps, registers and emulated instructions", () => {
  it("XSA-215: a failsafe frame that reaches into the hypervisor's range", () => {
    const a = new Attacker();
    const { hv, vcpu } = a.g;
    vcpu.callbacks.failsafe = HANDLER;
    vcpu.failsafeSelectors = [0, 0, 0x18, 0, 0, 0];
    // The end of the hole: eleven words below it are not the guest's.
    hv.regs.setNumber(Gpr.rsp, -0x7800_0000_0000 + 64);
    deliver(a.g);
    expect(a.g.domain.state).toBe("shutdown");
    expect(a.g.logs.join("\n")).toContain("outside the guest's address space");
    a.expectHarmless();
  });

  it("XSA-259: INT 0x80 without a handler is a #GP like any other, from kernel and from user mode", () => {
    const a = new Attacker();
    const { regs } = a.g.hv;
    regs.rip = RIP;
    regs.setNumber(Gpr.rsp, STACK);
    softwareInterrupt(a.g, 0x80, 2);
    expect(regs.rip).toBe(HANDLER);
    expect(readU64(a.g, regs.va(Gpr.rsp) + 16)).toBe(0x402);
    toUser(a.g);
    softwareInterrupt(a.g, 0x80, 2);
    expect([regs.rip, a.g.vcpu.kernelMode]).toEqual([HANDLER, true]);
    a.expectHarmless();
  });

  it("XSA-193: segment bases that are not canonical", () => {
    const a = new Attacker();
    const { regs } = a.g.hv;
    for (const msr of [0xc0000100, 0xc0000101, 0xc0000102]) {
      regs.set(Gpr.rcx, msr | 0, 0);
      regs.set(Gpr.rax, 0, 0);
      regs.set(Gpr.rdx, 0x8000, 0);
      expect(emulates(a, ...WRMSR), msr.toString(16)).toBe(false);
    }
    for (const which of [0, 1, 2]) expect(a.call(25, which, 2 ** 47)).toBe(EINVAL);
    a.expectHarmless();
  });

  it("XSA-298: descriptors beyond the limit of a table", () => {
    const a = new Attacker();
    const { hv, vcpu } = a.g;
    // A page that can be written is no descriptor table.
    expect(a.mmuext(13, va(30), 4)).toBe(0);
    expect(hv.descriptors.read(vcpu, 3 * 8 + 7)).toBe(false);
    expect(a.update(Page.l1, 30, a.entry(30, 0x21))).toBe(0);
    expect(hv.descriptors.read(vcpu, 3 * 8 + 7)).toBe(true);
    for (const selector of [4 * 8 + 7, 512 * 8 + 7, 0xffff]) expect(hv.descriptors.read(vcpu, selector)).toBe(false);
    // Without an LDT nothing of it is left, and the page may be written again.
    expect(a.mmuext(13, 0, 0)).toBe(0);
    expect(hv.descriptors.read(vcpu, 7)).toBe(false);
    expect(a.update(Page.l1, 30, a.entry(30, 0x23))).toBe(0);
    expect(hv.guest.store(va(30), 8)).toBe(true);
    // The hypervisor's own descriptors are the flat ones alone.
    for (let selector = 0xe000; selector < 0x10000; selector += 8) {
      if ([0xe020, 0xe028, 0xe030].includes(selector)) continue;
      expect(hv.descriptors.read(vcpu, selector), selector.toString(16)).toBe(false);
    }
    a.expectHarmless();
  });

  it("XSA-333 and other registers of the machine's: #GP or a fixed answer, and nothing else", () => {
    const a = new Attacker();
    const { regs } = a.g.hv;
    for (const msr of [
      0x1a0, 0x1b, 0x3a, 0x8b, 0x1d9, 0x480, 0xc0000080, 0xc0000082, 0xc0010015, 0xc0011027, 0xffffffff,
    ]) {
      for (const code of [RDMSR, WRMSR]) {
        regs.set(Gpr.rcx, msr | 0, 0);
        regs.set(Gpr.rax, -1, 0);
        regs.set(Gpr.rdx, -1, 0);
        emulates(a, ...code);
        expect(a.g.domain.state).toBe("running");
      }
    }
    // SYSCALL's target is the hypervisor's own.
    regs.set(Gpr.rcx, 0xc0000082 | 0, 0);
    expect(emulates(a, ...WRMSR)).toBe(false);
    a.expectHarmless();
  });

  it("XSA-339: SYSENTER of a program is one fault of that program, not of its kernel", () => {
    const a = new Attacker();
    const { hv, vcpu } = a.g;
    toUser(a.g);
    handleExit(hv, vcpu, ExitReason.SYSENTER);
    expect([hv.regs.rip, vcpu.kernelMode]).toEqual([HANDLER, true]);
    const sp = hv.regs.va(Gpr.rsp);
    // rcx r11 error rip cs: the selector has RPL 3, which is how a kernel tells its programs.
    expect(readU64(a.g, sp + 32) & 3).toBe(3);
    expect(sp).toBe(va(Page.stack + 1) - 8 * 8);
    a.expectHarmless();
  });

  it("XSA-444: breakpoints on the hypervisor's own addresses, and reserved bits of debug registers", () => {
    const a = new Attacker();
    for (const register of [0, 1, 2, 3])
      for (const address of [-0x8000_0000_0000, -0x7800_0000_0001, 2 ** 47]) {
        const rc = a.call(8, register, address);
        expect(rc === EPERM || rc === EINVAL, `${register} ${address}: ${rc}`).toBe(true);
      }
    // DR7: general detect and breakpoints on I/O.
    expect(a.call(8, 7, 0x2000)).toBeLessThan(0);
    expect(a.call(8, 8, 0)).toBeLessThan(0);
    a.expectHarmless();
  });

  it("XSA-296: VCPUOP_initialise with tables that take long to validate goes on where it stopped", () => {
    const a = new Attacker({ vcpus: 2, maxPages: 400 });
    const { hv, domain } = a.g;
    const root = bigTree(a, 150);
    const context = ARG;
    const at = (offset: number): number => context + offset;
    write(a.g, context, new Uint8Array(4096 - 0x100));
    expect(hv.mmu.guest.clear(a.g.vcpu.guestTable, context, 5168)).toBe(true);
    a.words(at(512), 4);
    a.words(at(648), va(Page.code));
    a.words(at(656), 0xe033, 0x202, STACK, 0xe02b);
    for (const [offset, value] of [
      [4984 + 24, a.mfn(Page.l4) * 4096],
      [4984 + 8, root * 4096],
    ])
      a.words(at(offset), value);
    let entries = 0;
    const { call } = hv.dispatcher;
    hv.dispatcher.call = (...args) => {
      entries++;
      return call.apply(hv.dispatcher, args);
    };
    expect(hypercall(a.g, 24, 0, 1, context)).toBe(0);
    expect(entries).toBeGreaterThan(1);
    expect(domain.vcpus[1].guestTableUser).toBe(root);
    a.expectHarmless();
  });

  it("XSA-231: memory from a node that does not exist", () => {
    const a = new Attacker();
    for (const memFlags of [0xff00, 0x1ff00, 0xffffffff]) {
      a.words(ARG, 0, 1);
      a.words32(ARG + 16, 0, memFlags, DOMID_SELF, 0);
      expect(a.call(12, 0, ARG)).toBeGreaterThanOrEqual(0);
    }
    a.expectHarmless();
  });

  it("privileged instructions whose bytes end where memory ends, or lie where there is none", () => {
    const a = new Attacker();
    const { regs } = a.g.hv;
    const last = va(Page.l1) - 1;
    for (const bytes of [[0x0f], [0xf3], [0x66], [0x48], [0xe4], [0x6c]]) {
      // The last byte of a page behind which comes another, then one behind which comes nothing.
      write(a.g, last, bytes);
      for (const rip of [last, va(64) - 1, 0x7fff_ffff_ffff, -0x7800_0000_0000, -1]) {
        regs.rip = rip;
        regs.setNumber(Gpr.rsp, STACK);
        handleExit(a.g.hv, a.g.vcpu, ExitReason.PRIVILEGED);
        expect(a.g.domain.state).toBe("running");
      }
    }
    a.expectHarmless();
  });

  it("string input and output at the limits of the address space", () => {
    const a = new Attacker();
    const { regs } = a.g.hv;
    for (const address of [-0x8000_0000_0000, -0x7800_0000_0000 - 1, 0x7fff_ffff_ffff, -1, va(Page.l1), va(64) - 1]) {
      for (const code of [[0xf3, 0x6c], [0xf3, 0x6d], [0xf3, 0x6e], [0x6f]]) {
        regs.set(Gpr.rdi, vaLow(address), vaHigh(address));
        regs.set(Gpr.rsi, vaLow(address), vaHigh(address));
        regs.set(Gpr.rcx, 0xffff, 0);
        regs.set(Gpr.rdx, 0x80, 0);
        a.g.vcpu.iopl = 0x3000;
        emulates(a, ...code);
        expect(a.g.domain.state).toBe("running");
      }
    }
    // None of it has reached a page table.
    expect(a.g.hv.auditFrames()).toEqual([]);
    a.expectHarmless();
  });
});

/** A root that nobody has validated, over many empty L1 tables. */
function bigTree(a: Attacker, tables: number): number {
  const { hv, domain } = a.g;
  const { frames, memory } = hv.mmu;
  const make = (children: readonly number[]): number => {
    const mfn = frames.alloc(domain.domid);
    domain.totalPages++;
    const at = frames.hostAddress(mfn) >>> 2;
    children.forEach((child, i) => {
      memory.u32[at + 2 * i] = ((child << 12) | 0x27) >>> 0;
    });
    return mfn;
  };
  const leaves = Array.from({ length: tables }, () => make([]));
  return make([make([make(leaves)])]);
}
