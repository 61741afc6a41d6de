import { CS, SS } from "@xen-node/x86-cpu";
import { VMASST_TYPE_architectural_iopl } from "@xen-node/xen-abi";
import { isGuestRange, vaHigh, vaLow } from "../address.ts";
import { BounceFlag } from "../bounce.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { Gpr } from "../registers.ts";
import type { Vcpu } from "../vcpu.ts";
import { loadKernelSegments64 } from "./segments64.ts";

const IF = 0x200;
const DF = 0x400;
const IOPL = 0x3000;
/** Cleared on entry to a guest handler: TF, NT, RF, VM, AC. */
export const CLEARED_ON_ENTRY = 0x100 | 0x4000 | 0x10000 | 0x20000 | 0x40000;
const UPCALL_MASK = 1;

/** Words of the smallest frame, a system call's. */
export const SYSTEM_CALL_WORDS = 7;

/** Where a frame of so many words begins below the top of a stack. */
export function frameBelow(top: number, words: number): number {
  return top - (vaLow(top) & 15) - words * 8;
}

/**
 * Builds an exception frame on the guest kernel's stack and sends the vcpu to `handler`. Lowest address first:
 * RCX, R11, [DS, ES, FS, GS], [error code], RIP, CS | saved upcall mask << 32, RFLAGS, RSP, SS (16-byte aligned below).
 * False: the domain was crashed (no handler, bad stack).
 */
export function bounce64(
  hv: Hypervisor,
  vcpu: Vcpu,
  handler: number,
  _cs: number,
  flags: number,
  errorCode: number,
): boolean {
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
  const words = SYSTEM_CALL_WORDS + (flags & BounceFlag.errorCode) + ((flags & BounceFlag.failsafe) !== 0 ? 4 : 0);
  const sp = frameBelow(top, words);
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
  loadKernelSegments64(hv);
  return true;
}
