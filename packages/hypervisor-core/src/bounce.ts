import { CS, SS } from "@xen-node/x86-cpu";
import { VMASST_TYPE_architectural_iopl } from "@xen-node/xen-abi";
import { isGuestRange, vaHigh, vaLow } from "./address.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { Gpr } from "./registers.ts";
import { loadKernelSegments } from "./segments.ts";
import { TraceKind } from "./trace.ts";
import type { Vcpu } from "./vcpu.ts";

const IF = 0x200;
const DF = 0x400;
const IOPL = 0x3000;
/** Cleared on entry to a guest handler: TF, NT, RF, VM, AC. */
const CLEARED_ON_ENTRY = 0x100 | 0x4000 | 0x10000 | 0x20000 | 0x40000;
const UPCALL_MASK = 1;

/** Options of `bounce`. */
export const BounceFlag = {
  none: 0,
  errorCode: 1,
  maskEvents: 2,
  /** The failsafe frame: DS, ES, FS, GS between R11 and RIP. */
  failsafe: 4,
} as const;

/**
 * Builds an exception frame on the guest kernel's stack and sends the vcpu to `handler`. Lowest address first:
 * RCX, R11, [DS, ES, FS, GS], [error code], RIP, CS | saved upcall mask << 32, RFLAGS, RSP, SS (16-byte aligned below).
 * False: the domain was crashed (no handler, bad stack).
 */
export function bounce(hv: Hypervisor, vcpu: Vcpu, handler: number, flags: number, errorCode: number): boolean {
  return bounceWithFlags(hv, vcpu, handler, flags, errorCode, hv.regs.rflags, CLEARED_ON_ENTRY);
}

/** The frame of a system call: its handler finds DF clear, too. `rflags`: what the program had. */
export function bounceSystemCall(
  hv: Hypervisor,
  vcpu: Vcpu,
  handler: number,
  masksEvents: boolean,
  rflags: number,
): boolean {
  const flags = masksEvents ? BounceFlag.maskEvents : BounceFlag.none;
  return bounceWithFlags(hv, vcpu, handler, flags, 0, rflags, CLEARED_ON_ENTRY | DF);
}

/** RFLAGS are evaluated once for the whole way: that is a good part of what a bounce costs. */
function bounceWithFlags(
  hv: Hypervisor,
  vcpu: Vcpu,
  handler: number,
  flags: number,
  errorCode: number,
  rflags: number,
  cleared: number,
): boolean {
  const { regs } = hv;
  if (handler === 0 || Number.isNaN(handler)) {
    hv.crashDomain(vcpu, "exception or event with no handler registered");
    return false;
  }
  let cs = regs.selector(CS);
  const oldRspLo = regs.lo(Gpr.rsp);
  const oldRspHi = regs.hi(Gpr.rsp);
  let top: number;
  if (vcpu.kernelMode) {
    cs &= ~3;
    top = regs.va(Gpr.rsp);
  } else {
    top = vcpu.kernelSp;
    hv.addressSpaces.toggle(vcpu);
  }
  const words = 7 + (flags & BounceFlag.errorCode) + ((flags & BounceFlag.failsafe) !== 0 ? 4 : 0);
  const sp = top - (((vaLow(top) & 15) + 16) & 15) - words * 8;
  if (!isGuestRange(sp, words * 8)) {
    hv.crashDomain(vcpu, "exception frame would lie outside the guest's address space");
    return false;
  }
  const info = vcpu.infoHost;
  const { u8, u32 } = hv.mmu.memory;
  const masked = info !== 0 ? u8[info + UPCALL_MASK] : 1;
  let shown = rflags & ~(IF | IOPL);
  if (masked === 0) shown |= IF;
  if (vcpu.domain.vmAssists.has(VMASST_TYPE_architectural_iopl)) shown |= vcpu.iopl;

  const { guest } = hv;
  const spLo = vaLow(sp);
  const spHi = vaHigh(sp);
  const host = guest.hostForWrite(spLo, spHi, words * 8);
  // Nearly every frame lies within a page and is written where it belongs.
  const inPlace = host !== 0 && (spLo & 0xfff) + words * 8 <= 4096;
  const frame = inPlace ? u32 : guest.u32;
  let n = inPlace ? host >>> 2 : 0;
  frame[n++] = regs.lo(Gpr.rcx);
  frame[n++] = regs.hi(Gpr.rcx);
  frame[n++] = regs.lo(Gpr.r11);
  frame[n++] = regs.hi(Gpr.r11);
  if ((flags & BounceFlag.failsafe) !== 0) {
    for (const segment of [3, 0, 4, 5]) {
      frame[n++] = vcpu.failsafeSelectors?.[segment] ?? 0;
      frame[n++] = 0;
    }
  }
  if ((flags & BounceFlag.errorCode) !== 0) {
    frame[n++] = errorCode;
    frame[n++] = 0;
  }
  frame[n++] = regs.ripLo;
  frame[n++] = regs.ripHi;
  frame[n++] = cs;
  frame[n++] = masked & 0xff;
  frame[n++] = shown;
  frame[n++] = 0;
  frame[n++] = oldRspLo;
  frame[n++] = oldRspHi;
  frame[n++] = regs.selector(SS);
  frame[n] = 0;
  if (!inPlace && (host === 0 || !guest.store(sp, words * 8))) {
    hv.crashDomain(vcpu, "exception frame could not be written to the guest's stack");
    return false;
  }

  if ((flags & BounceFlag.maskEvents) !== 0 && info !== 0) u8[info + UPCALL_MASK] = 1;
  const entered = (rflags & ~cleared) | IF;
  const handlerLo = vaLow(handler);
  const handlerHi = vaHigh(handler);
  regs.rflags = entered;
  regs.set(Gpr.rsp, spLo, spHi);
  regs.setRip(handlerLo, handlerHi);
  regs.set(Gpr.rcx, handlerLo, handlerHi);
  regs.set(Gpr.r11, entered, 0);
  loadKernelSegments(hv);
  return true;
}

/** Injects exception `vector` at the current context, through the trap table. */
export function injectException(
  hv: Hypervisor,
  vcpu: Vcpu,
  vector: number,
  hasErrorCode: boolean,
  errorCode: number,
): void {
  if (hv.trace.enabled) hv.traceEvent(TraceKind.bounce, vcpu, vector, errorCode, hv.regs.rip);
  const handler = vcpu.traps.address[vector];
  if (handler === 0) {
    const code = hasErrorCode ? ` (error code ${errorCode.toString(16)})` : "";
    hv.crashDomain(vcpu, `unhandled exception: vector ${vector}${code}`);
    return;
  }
  let flags: number = hasErrorCode ? BounceFlag.errorCode : BounceFlag.none;
  if (vcpu.traps.masksEvents(vector)) flags |= BounceFlag.maskEvents;
  bounce(hv, vcpu, handler, flags, errorCode);
}

/** #PF: CR2 goes to vcpu_info as well, and the U/S bit says guest kernel or guest user (all run at CPL 3). */
export function injectPageFault(hv: Hypervisor, vcpu: Vcpu, errorCode: number, cr2Lo: number, cr2Hi: number): void {
  const info = vcpu.infoHost;
  if (info !== 0) {
    // arch_vcpu_info.cr2, after evtchn_pending_sel.
    hv.mmu.memory.u32[(info + 16) >>> 2] = cr2Lo;
    hv.mmu.memory.u32[(info + 20) >>> 2] = cr2Hi;
  }
  hv.regs.u32[0x258 >>> 2] = cr2Lo;
  hv.regs.u32[0x25c >>> 2] = cr2Hi;
  const code = vcpu.kernelMode ? errorCode & ~4 : errorCode | 4;
  injectException(hv, vcpu, 14, true, code);
}
