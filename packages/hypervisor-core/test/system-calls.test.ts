import {
  CONTEXT_BYTES,
  CONTEXT_START,
  ExitReason,
  FLAG_KIND,
  FLAG_R,
  GPR,
  JUMP_CACHE,
  L4_MFN,
  readRflags,
  TLB_BANK,
  writeRflags,
} from "@xen-node/x86-cpu";
import { VMASST_TYPE_architectural_iopl } from "@xen-node/xen-abi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { handleExit } from "../src/traps.ts";
import {
  type Guest,
  HANDLER,
  hypercall,
  makeGuest,
  Page,
  STACK_TOP,
  toUser,
  va,
  writeU32,
  writeU64,
} from "./machine.ts";

const set_trap_table = 0;
const stack_switch = 3;
const callback_op = 30;
const BUDGET = 100_000;
/** Flat user segments of the guest's own GDT, as Linux has them, and one of 32-bit code. */
const GDT = [0, 0, 0xffff, 0x00cffa00, 0xffff, 0x00cff200, 0xffff, 0x00affa00, 0xffff, 0x00affb00];
const USER_DATA = 0x13;
const USER_CODE = [0x1b, 0x23, 0x0b];

/** A guest with all that system calls need. */
function readyGuest(): Guest {
  const g = makeGuest();
  hypercall(g, stack_switch, 0xe02b, STACK_TOP);
  const arg = va(Page.data, 0x100);
  writeU32(g, arg, 2, 0);
  writeU64(g, arg + 8, HANDLER);
  expect(hypercall(g, callback_op, 0, arg)).toBe(0);
  // Where faults on the way back go: else they would end the guest.
  const table = va(Page.data, 0x200);
  for (const [i, vector] of [11, 12, 13].entries()) {
    writeU32(g, table + 16 * i, vector, 0);
    writeU64(g, table + 16 * i + 8, HANDLER);
  }
  writeU64(g, table + 48, 0, 0);
  expect(hypercall(g, set_trap_table, table)).toBe(0);
  g.hv.addressSpaces.setUserRoot(g.vcpu, g.p2m[Page.userL4]);
  return g;
}

/** What the processor's own part of machine memory says of the address space. */
function select(g: Guest): void {
  const { memory, tlb } = g.hv.mmu;
  const { bank } = g.hv.guest;
  memory.u32[TLB_BANK >>> 2] = bank;
  memory.u32[JUMP_CACHE >>> 2] = tlb.jumpCache(bank);
  memory.u32[L4_MFN >>> 2] = g.vcpu.activeRoot;
}

/** All that a guest could see. */
function observe(g: Guest) {
  const { memory, frames } = g.hv.mmu;
  const context = memory.u8.slice(CONTEXT_START, CONTEXT_START + CONTEXT_BYTES);
  context.fill(0, FLAG_KIND - CONTEXT_START, FLAG_R + 8 - CONTEXT_START);
  const pages = [Page.stack, Page.data, Page.userStack].map((page) => {
    const at = frames.hostAddress(g.p2m[page]);
    return Buffer.from(memory.u8.subarray(at, at + 4096)).toString("hex");
  });
  const { kernelMode, gsBaseShadowLo, gsBaseShadowHi, infoHost, iopl, activeRoot } = g.vcpu;
  return {
    context: Buffer.from(context).toString("hex"),
    rflags: readRflags(memory.view),
    info: [memory.u8[infoHost], memory.u8[infoHost + 1]],
    vcpu: { kernelMode, gsBaseShadowLo, gsBaseShadowHi, iopl, activeRoot },
    state: g.domain.state,
    pages,
  };
}

const flags = fc
  .tuple(fc.integer({ min: 0, max: 0x3fffff }), fc.boolean())
  .map(([bits, tame]) => (tame ? bits & 0xed5 : bits & ~0x100) | 2);
const register = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const situation = fc.record({
  registers: fc.array(register, { minLength: 16, maxLength: 16 }),
  rflags: flags,
  pending: fc.constantFrom(...Array(9).fill(0), 1),
  masked: fc.constantFrom(0, 1),
  masksEvents: fc.boolean(),
  ownIopl: fc.boolean(),
  shadow: fc.integer({ min: 0, max: 0xffffffff }),
  kernelSp: fc.constantFrom(STACK_TOP, STACK_TOP - 24, STACK_TOP - 0x800, STACK_TOP - 4096 + 48),
  frame: fc.record({
    at: fc.constantFrom(0x800, 0x808, 0x7f8, 0xfb8, 0xf00, 0xfc0, 0x804),
    rip: fc.constantFrom(va(Page.code), va(Page.code, 0x123), 0x7fff_ffff_f000, -4096),
    high: fc.constantFrom(...Array(8).fill(undefined), 0x8000_0000, 0x0000_8000),
    cs: fc.constantFrom(0xe033, 0xe033, 0xe030, 0xe030, 0xe023, 0x33, 0, ...USER_CODE),
    ss: fc.constantFrom(0xe02b, 0xe02b, 0xe028, USER_DATA, USER_DATA, 0x2b, 0),
    rflags: flags,
    how: fc.constantFrom(0, 0x100),
  }),
  /** RAX at a SYSCALL of the kernel's. */
  call: fc.constantFrom(23n, 23n, 23n, 29n << 32n),
});

function arrange(g: Guest, s: typeof situation extends fc.Arbitrary<infer T> ? T : never): void {
  const { memory } = g.hv.mmu;
  const { vcpu } = g;
  vcpu.kernelSp = s.kernelSp;
  vcpu.callbacks.syscallMasksEvents = s.masksEvents;
  g.domain.vmAssists.set(VMASST_TYPE_architectural_iopl, s.ownIopl);
  vcpu.gsBaseShadowLo = s.shadow | 0;
  for (const [i, value] of s.registers.entries()) memory.view.setBigUint64(GPR(i), value, true);
  g.hv.regs.rip = va(Page.code, 0x40);
  writeRflags(memory.view, s.rflags);
  memory.u8[vcpu.infoHost] = s.pending;
  memory.u8[vcpu.infoHost + 1] = s.masked;
  if (!vcpu.kernelMode) return;
  const { at, rip, high, cs, ss, rflags, how } = s.frame;
  const frame = va(Page.data, at);
  writeU64(g, frame, 11, 12, 13, how, rip, cs, rflags, va(Page.userStack, 0x100), ss);
  if (high !== undefined) writeU32(g, frame + 32, 0, high);
  memory.view.setBigUint64(GPR(4), BigInt(frame), true);
  memory.view.setBigUint64(GPR(0), s.call, true);
}

describe("system calls and returns without TypeScript", () => {
  it("do what handling the exit does, or nothing", () => {
    const outcomes = { systemCalls: 0, returnsToUser: 0, returnsToKernel: 0, declined: 0 };
    const pair = [readyGuest(), readyGuest()];
    const restart = () => pair.splice(0, 2, readyGuest(), readyGuest());
    fc.assert(
      fc.property(situation, (s) => {
        const [direct, usual] = pair;
        for (const g of pair) arrange(g, s);
        if (direct.vcpu.kernelMode) {
          for (const g of pair) g.vcpu.gdtFrames = [g.p2m[Page.code + 1]];
          for (const g of pair) writeU32(g, va(Page.code + 1), ...GDT);
        }
        select(direct);
        const { hv, vcpu } = direct;
        const before = observe(direct);
        hv.systemCalls.prepare(vcpu);
        const left = hv.systemCalls.run(BUDGET, hv.regs.rflags);
        const done = hv.systemCalls.takeOver(vcpu);
        const wasKernel = before.vcpu.kernelMode;
        if (left < 0) {
          expect(done).toBe(0);
          expect(observe(direct)).toEqual(before);
          handleExit(hv, vcpu, ExitReason.SYSCALL);
          outcomes.declined++;
        } else {
          expect(done).toBe(1);
          expect(left).toBe(BUDGET - 200);
          expect(hv.mmu.memory.u32[TLB_BANK >>> 2]).toBe(hv.guest.bank);
          if (!wasKernel) outcomes.systemCalls++;
          else if (vcpu.kernelMode) outcomes.returnsToKernel++;
          else outcomes.returnsToUser++;
        }
        handleExit(usual.hv, usual.vcpu, ExitReason.SYSCALL);
        expect(observe(direct)).toEqual(observe(usual));
        if (direct.domain.state !== "running") restart();
      }),
      { numRuns: 2000 },
    );
    expect(Math.min(...Object.values(outcomes)), JSON.stringify(outcomes)).toBeGreaterThan(20);
  });

  it("wait for address spaces that are still theirs", () => {
    const g = readyGuest();
    toUser(g);
    const trySystemCall = () => {
      select(g);
      return g.hv.systemCalls.run(BUDGET, 0x202);
    };
    // Fills the soft TLB.
    handleExit(g.hv, g.vcpu, ExitReason.SYSCALL);
    toUser(g);
    g.hv.systemCalls.prepare(g.vcpu);
    const { tlb } = g.hv.mmu;
    g.hv.mmu.memory.u32[tlb.changesAddress >>> 2]++;
    expect(trySystemCall()).toBe(-1);
    g.hv.systemCalls.prepare(g.vcpu);
    expect(trySystemCall()).toBe(BUDGET - 200);
  });
});
