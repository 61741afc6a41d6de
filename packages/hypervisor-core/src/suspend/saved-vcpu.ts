import {
  CR0,
  CS,
  DR,
  DR6,
  DR7,
  DS,
  ES,
  FCW,
  FDP,
  FIP,
  FOP,
  FS,
  FSW,
  FTW,
  GS,
  MXCSR,
  SS,
  X87,
  XCR0,
  XMM,
} from "@xen-node/x86-cpu";
import {
  VGCF_failsafe_disables_events,
  VGCF_I387_VALID,
  VGCF_in_kernel,
  VGCF_online,
  VGCF_syscall_disables_events,
} from "@xen-node/xen-abi";
import { vaHigh, vaLow } from "../address.ts";
import { CONTEXT_BYTES_64, ContextAt, USER_REGS_ORDER } from "../guest-abi/context64.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { Gpr } from "../registers.ts";
import type { Vcpu } from "../vcpu.ts";

/** Bytes of xen_domctl_ext_vcpucontext. */
const EXTENDED_BYTES = 64;
/** Offsets in it (xen/include/public/domctl.h). */
export const ExtendedAt = {
  vcpu: 0,
  size: 4,
  syscall32: 8,
  sysenter: 16,
  syscall32Cs: 24,
  sysenterCs: 26,
  syscall32MasksEvents: 28,
  sysenterMasksEvents: 29,
} as const;

/** XCR0 and all that it ever was, then the legacy area and the header of an XSAVE image. */
const XSAVE_HEAD = 16;
const FXSAVE_BYTES = 512;
const XSAVE_BYTES = XSAVE_HEAD + FXSAVE_BYTES + 64;
const XSTATE_X87_SSE = 3;

const IOPL = 0x3000;
const MXCSR_MASK = 0xffff;
const FLAT_RING3_CS32 = 0xe023;
const CR0_TS = 8;

/** Model-specific registers that travel with a vcpu. */
export const MSR_TSC_AUX = 0xc0000103;

/** A vcpu as libxc's stream has it, in four parts. */
export interface SavedVcpu {
  /** struct vcpu_guest_context, with pfns where it has frames; in rdx of vcpu 0, that of start_info. */
  basic: Uint8Array;
  /** struct xen_domctl_ext_vcpucontext. */
  extended: Uint8Array;
  xsave: Uint8Array;
  /** struct xen_domctl_vcpu_msr, several. */
  msrs: Uint8Array;
}

/**
 * The state of a vcpu that stands still.
 * @param pfnOf what is to stand for a frame, such as the guest's own number of it
 */
export function saveVcpu(hv: Hypervisor, vcpu: Vcpu, pfnOf: (mfn: number) => number): SavedVcpu {
  return hv.withVcpu(vcpu, () => {
    const fpu = saveFxsave(hv);
    return {
      basic: saveContext(hv, vcpu, fpu, pfnOf),
      extended: saveExtended(vcpu),
      xsave: saveXsave(hv, fpu),
      msrs: saveMsrs(vcpu),
    };
  });
}

function saveContext(hv: Hypervisor, vcpu: Vcpu, fpu: Uint8Array, pfnOf: (mfn: number) => number): Uint8Array {
  const { regs } = hv;
  const bytes = new Uint8Array(CONTEXT_BYTES_64);
  const c = new DataView(bytes.buffer);
  const put = (at: number, lo: number, hi: number): void => {
    c.setUint32(at, lo >>> 0, true);
    c.setUint32(at + 4, hi >>> 0, true);
  };
  const putVa = (at: number, va: number): void => put(at, vaLow(va), vaHigh(va));
  const putPage = (at: number, pfn: number, low = 0): void =>
    put(at, ((pfn << 12) | low) >>> 0, Math.floor(pfn / 0x100000));
  const { callbacks, traps } = vcpu;
  bytes.set(fpu, ContextAt.fpu);
  const flags =
    VGCF_I387_VALID |
    (vcpu.kernelMode ? VGCF_in_kernel : 0) |
    (callbacks.failsafeMasksEvents ? VGCF_failsafe_disables_events : 0) |
    (callbacks.syscallMasksEvents ? VGCF_syscall_disables_events : 0) |
    (vcpu.down ? 0 : VGCF_online);
  put(ContextAt.flags, flags, 0);
  USER_REGS_ORDER.forEach((gpr, i) => {
    put(ContextAt.userRegs + 8 * i, regs.lo(gpr), regs.hi(gpr));
  });
  put(ContextAt.rip, regs.ripLo, regs.ripHi);
  put(ContextAt.rflags, (regs.rflags & ~IOPL) | vcpu.iopl, 0);
  put(ContextAt.rsp, regs.lo(Gpr.rsp), regs.hi(Gpr.rsp));
  for (const [at, segment] of [
    [ContextAt.cs, CS],
    [ContextAt.ss, SS],
    [ContextAt.es, ES],
    [ContextAt.ds, DS],
    [ContextAt.fs, FS],
    [ContextAt.gs, GS],
  ] as const) {
    c.setUint16(at, regs.selector(segment), true);
  }
  for (let vector = 0; vector < 256; vector++) {
    const at = ContextAt.traps + 16 * vector;
    c.setUint8(at, vector);
    c.setUint8(at + 1, traps.flags[vector]);
    c.setUint16(at + 2, traps.cs[vector], true);
    putVa(at + 8, traps.address[vector]);
  }
  putVa(ContextAt.ldtBase, vcpu.ldtBase);
  put(ContextAt.ldtEntries, vcpu.ldtEntries, 0);
  vcpu.gdtFrames.forEach((mfn, i) => {
    put(ContextAt.gdtFrames + 8 * i, pfnOf(mfn), 0);
  });
  put(ContextAt.gdtEntries, vcpu.gdtEntries, 0);
  put(ContextAt.kernelSs, vcpu.kernelSs, 0);
  putVa(ContextAt.kernelSp, vcpu.kernelSp);
  put(ContextAt.ctrlreg, (regs.u32[CR0 >>> 2] & ~CR0_TS) | (vcpu.taskSwitched ? CR0_TS : 0), 0);
  // Bit 0 says that there is a root for the guest's programs.
  if (vcpu.guestTableUser !== 0) putPage(ContextAt.ctrlreg + 8, pfnOf(vcpu.guestTableUser), 1);
  putPage(ContextAt.ctrlreg + 24, pfnOf(vcpu.guestTable));
  put(ContextAt.ctrlreg + 32, vcpu.guestCr4, 0);
  for (let register = 0; register < 4; register++) {
    const word = DR(register) >>> 2;
    put(ContextAt.debugreg + 8 * register, regs.u32[word], regs.u32[word + 1]);
  }
  put(ContextAt.debugreg + 48, regs.u32[DR6 >>> 2], 0);
  put(ContextAt.debugreg + 56, regs.u32[DR7 >>> 2], 0);
  putVa(ContextAt.event, callbacks.event);
  putVa(ContextAt.failsafe, callbacks.failsafe);
  putVa(ContextAt.syscall, callbacks.syscall);
  const { lo, hi } = vcpu.domain.vmAssists.mask();
  put(ContextAt.vmAssist, lo, hi);
  put(ContextAt.fsBase, regs.baseLo(FS), regs.baseHi(FS));
  const active = vcpu.kernelMode ? ContextAt.gsBaseKernel : ContextAt.gsBaseUser;
  const other = vcpu.kernelMode ? ContextAt.gsBaseUser : ContextAt.gsBaseKernel;
  put(active, regs.baseLo(GS), regs.baseHi(GS));
  put(other, vcpu.gsBaseShadowLo, vcpu.gsBaseShadowHi);
  return bytes;
}

/** The x87 and SSE registers as an FXSAVE image (Intel SDM vol. 1, 10.5.1). */
function saveFxsave(hv: Hypervisor): Uint8Array {
  const image = new Uint8Array(FXSAVE_BYTES);
  const view = new DataView(image.buffer);
  const { u8, u16, u32 } = hv.mmu.memory;
  const status = u16[FSW >>> 1];
  const top = (status >>> 11) & 7;
  const tags = u16[FTW >>> 1];
  view.setUint16(0, u16[FCW >>> 1], true);
  view.setUint16(2, status, true);
  for (let physical = 0; physical < 8; physical++) {
    if (((tags >>> (2 * physical)) & 3) !== 3) image[4] |= 1 << physical;
    image.set(u8.subarray(X87(physical), X87(physical) + 10), 32 + 16 * ((physical - top) & 7));
  }
  view.setUint16(6, u16[FOP >>> 1], true);
  for (const [at, from] of [
    [8, FIP],
    [16, FDP],
  ]) {
    view.setUint32(at, u32[from >>> 2], true);
    view.setUint32(at + 4, u32[(from >>> 2) + 1], true);
  }
  view.setUint32(24, u32[MXCSR >>> 2], true);
  view.setUint32(28, MXCSR_MASK, true);
  image.set(u8.subarray(XMM(0), XMM(16)), 160);
  return image;
}

function saveXsave(hv: Hypervisor, fpu: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(XSAVE_BYTES);
  const view = new DataView(bytes.buffer);
  const xcr0 = hv.regs.u32[XCR0 >>> 2];
  view.setUint32(0, xcr0, true);
  view.setUint32(8, xcr0 | 1, true);
  bytes.set(fpu, XSAVE_HEAD);
  view.setUint32(XSAVE_HEAD + FXSAVE_BYTES, XSTATE_X87_SSE, true);
  return bytes;
}

function saveExtended({ id, callbacks }: Vcpu): Uint8Array {
  const bytes = new Uint8Array(EXTENDED_BYTES);
  const view = new DataView(bytes.buffer);
  const putVa = (at: number, va: number): void => {
    view.setInt32(at, vaLow(va), true);
    view.setInt32(at + 4, vaHigh(va), true);
  };
  view.setUint32(ExtendedAt.vcpu, id, true);
  view.setUint32(ExtendedAt.size, EXTENDED_BYTES, true);
  putVa(ExtendedAt.syscall32, callbacks.syscall32);
  putVa(ExtendedAt.sysenter, callbacks.sysenter);
  view.setUint16(ExtendedAt.syscall32Cs, callbacks.syscall32 === 0 ? 0 : FLAT_RING3_CS32, true);
  view.setUint16(ExtendedAt.sysenterCs, callbacks.sysenter === 0 ? 0 : FLAT_RING3_CS32, true);
  view.setUint8(ExtendedAt.syscall32MasksEvents, callbacks.syscall32MasksEvents ? 1 : 0);
  view.setUint8(ExtendedAt.sysenterMasksEvents, callbacks.sysenterMasksEvents ? 1 : 0);
  return bytes;
}

/** Registers that are zero are not told of, as in Xen. */
function saveMsrs({ tscAux }: Vcpu): Uint8Array {
  if (tscAux === 0) return new Uint8Array(0);
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MSR_TSC_AUX, true);
  view.setUint32(8, tscAux, true);
  return bytes;
}
