import { DS, ES, FCW, FS, FSW, FTW, GS, MXCSR, SS, X87, XCR0, XMM } from "@xen-node/x86-cpu";
import {
  EEXIST,
  EINVAL,
  ERESTART,
  FLAT_KERNEL_SS,
  VGCF_failsafe_disables_events,
  VGCF_I387_VALID,
  VGCF_in_kernel,
  VGCF_online,
  VGCF_syscall_disables_events,
} from "@xen-node/xen-abi";
import { installGdt } from "./abi/descriptor-tables.ts";
import { u64Number, vaOf } from "./address.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { Gpr } from "./registers.ts";
import { loadCodeSegment, loadDataSegment, loadKernelSegments, loadStackSegment, releaseGdt } from "./segments.ts";
import type { Vcpu } from "./vcpu.ts";

/** Bytes of struct vcpu_guest_context, 64-bit. */
export const GUEST_CONTEXT_BYTES = 5168;

/** Offsets in it (xen/include/public/arch-x86/xen.h). */
export const ContextAt = {
  fpu: 0,
  flags: 512,
  userRegs: 520,
  rdx: 616,
  rip: 648,
  cs: 656,
  rflags: 664,
  rsp: 672,
  ss: 680,
  es: 688,
  ds: 696,
  fs: 704,
  gs: 712,
  traps: 720,
  ldtBase: 4816,
  ldtEntries: 4824,
  gdtFrames: 4832,
  gdtEntries: 4960,
  kernelSs: 4968,
  kernelSp: 4976,
  ctrlreg: 4984,
  debugreg: 5048,
  event: 5112,
  failsafe: 5120,
  syscall: 5128,
  vmAssist: 5136,
  fsBase: 5144,
  gsBaseKernel: 5152,
  gsBaseUser: 5160,
} as const;

/** General registers (encoding order) in the order of cpu_user_regs: r15 r14 r13 r12 rbp rbx r11..r8 rax rcx rdx rsi rdi. */
export const USER_REGS_ORDER = [15, 14, 13, 12, 5, 3, 11, 10, 9, 8, 0, 1, 2, 6, 7];
const RFLAGS_KEPT = 0x254dd5 & ~0x3000;
const IF = 0x200;
const DEFAULT_MXCSR = 0x1f80;
const DEFAULT_FCW = 0x37f;
const XCR0_X87 = 1;

/** State of a processor that nobody has used: x87 and SSE defaults, control registers, flat segments. */
export function resetContext(hv: Hypervisor, vcpu: Vcpu): void {
  const { regs } = hv;
  for (let gpr = 0; gpr < 16; gpr++) regs.set(gpr, 0, 0);
  const u16 = hv.mmu.memory.u16;
  u16[FCW >>> 1] = DEFAULT_FCW;
  u16[FSW >>> 1] = 0;
  u16[FTW >>> 1] = 0xffff;
  regs.u32[MXCSR >>> 2] = DEFAULT_MXCSR;
  regs.u32[XCR0 >>> 2] = XCR0_X87;
  regs.u32[(XCR0 >>> 2) + 1] = 0;
  for (const segment of [ES, DS, FS, GS]) regs.setSegment(segment, 0, 0, 0, 0);
  loadKernelSegments(hv);
  regs.rflags = IF | 2;
  hv.control.reset(vcpu);
}

/** Where a fresh domain's first vcpu starts; `FirstVcpu` of the builder fits. Addresses are signed canonical numbers. */
export interface BootState {
  rip: number;
  rsp: number;
  /** Address of start_info. */
  rsi: number;
  /** mfn of the L4 table. */
  rootMfn: number;
}

/** Gives vcpu 0 of a built domain its boot context and brings it up. 0 or -errno. */
export function bootVcpu(hv: Hypervisor, vcpu: Vcpu, boot: BootState): number {
  return hv.withVcpu(vcpu, () => {
    resetContext(hv, vcpu);
    vcpu.kernelMode = true;
    const rc = hv.addressSpaces.setKernelRoot(vcpu, boot.rootMfn);
    if (rc !== 0) return rc;
    hv.regs.rip = boot.rip;
    hv.regs.setNumber(Gpr.rsp, boot.rsp);
    hv.regs.setNumber(Gpr.rsi, boot.rsi);
    vcpu.initialised = true;
    hv.bringUp(vcpu);
    return 0;
  });
}

/**
 * VCPUOP_initialise: takes a vcpu_guest_context. 0, -EINVAL, -EEXIST, -ERESTART to be called again. The vcpu stays down
 * unless it says online.
 */
export function initialiseVcpu(hv: Hypervisor, vcpu: Vcpu, context: DataView): number {
  if (vcpu.initialised) return -EEXIST;
  return hv.withVcpu(vcpu, () => {
    const rc = applyContext(hv, vcpu, context);
    if (rc !== 0) {
      // A vcpu that was refused holds nothing.
      releaseGdt(hv, vcpu);
      hv.addressSpaces.release(vcpu);
    }
    return rc;
  });
}

function applyContext(hv: Hypervisor, vcpu: Vcpu, c: DataView): number {
  const { regs } = hv;
  const lo = (at: number): number => c.getUint32(at, true);
  const va = (at: number): number => vaOf(c.getInt32(at, true), c.getInt32(at + 4, true));
  for (const at of [
    ContextAt.rip,
    ContextAt.kernelSp,
    ContextAt.event,
    ContextAt.failsafe,
    ContextAt.fsBase,
    ContextAt.gsBaseKernel,
    ContextAt.gsBaseUser,
  ]) {
    if (Number.isNaN(va(at))) return -EINVAL;
  }
  const gdtEntries = lo(ContextAt.gdtEntries);
  const ldtEntries = lo(ContextAt.ldtEntries);
  if (ldtEntries > 8192 || (lo(ContextAt.ldtBase) & 0xfff) !== 0 || Number.isNaN(va(ContextAt.ldtBase))) return -EINVAL;
  const frames: number[] = [];
  for (let i = 0; i < Math.min(14, Math.ceil(gdtEntries / 512)); i++) {
    frames.push(u64Number(lo(ContextAt.gdtFrames + 8 * i), lo(ContextAt.gdtFrames + 8 * i + 4)));
  }
  resetContext(hv, vcpu);
  let rc = installGdt(hv, vcpu, frames, gdtEntries);
  if (rc !== 0) return rc;
  const cr3 = ContextAt.ctrlreg + 24;
  const flags = lo(ContextAt.flags);
  vcpu.kernelMode = (flags & VGCF_in_kernel) !== 0;
  rc = hv.addressSpaces.setKernelRoot(vcpu, (lo(cr3) >>> 12) + lo(cr3 + 4) * 0x100000);
  if (rc !== 0) return rc;
  const cr1 = ContextAt.ctrlreg + 8;
  const user = (lo(cr1) >>> 12) + lo(cr1 + 4) * 0x100000;
  if (user !== 0) rc = hv.addressSpaces.setUserRoot(vcpu, user);
  if (rc === -ERESTART) return rc;
  if (rc !== 0 || (!vcpu.kernelMode && user === 0)) return -EINVAL;

  vcpu.ldtBase = va(ContextAt.ldtBase);
  vcpu.ldtEntries = ldtEntries;
  vcpu.kernelSs = lo(ContextAt.kernelSs) & 0xffff;
  vcpu.kernelSp = va(ContextAt.kernelSp);
  for (let vector = 0; vector < 256; vector++) {
    const at = ContextAt.traps + 16 * vector;
    const address = va(at + 8);
    vcpu.traps.set(vector, c.getUint8(at + 1), c.getUint16(at + 2, true), Number.isNaN(address) ? 0 : address);
  }
  vcpu.callbacks.event = va(ContextAt.event);
  vcpu.callbacks.failsafe = va(ContextAt.failsafe);
  vcpu.callbacks.failsafeMasksEvents = (flags & VGCF_failsafe_disables_events) !== 0;
  const syscall = va(ContextAt.syscall);
  vcpu.callbacks.syscall = Number.isNaN(syscall) ? 0 : syscall;
  vcpu.callbacks.syscallMasksEvents = (flags & VGCF_syscall_disables_events) !== 0;

  USER_REGS_ORDER.forEach((gpr, i) => {
    regs.set(gpr, lo(ContextAt.userRegs + 8 * i), lo(ContextAt.userRegs + 8 * i + 4));
  });
  regs.rip = va(ContextAt.rip);
  regs.set(Gpr.rsp, lo(ContextAt.rsp), lo(ContextAt.rsp + 4));
  vcpu.iopl = lo(ContextAt.rflags) & 0x3000;
  regs.rflags = (lo(ContextAt.rflags) & RFLAGS_KEPT) | IF | 2;
  hv.control.setTaskSwitched(vcpu, (lo(ContextAt.ctrlreg) & 8) !== 0);
  hv.control.writeCr4(vcpu, lo(ContextAt.ctrlreg + 32));
  for (const register of [0, 1, 2, 3, 6, 7]) {
    hv.control.writeDr(
      vcpu,
      register,
      lo(ContextAt.debugreg + 8 * register),
      lo(ContextAt.debugreg + 8 * register + 4),
    );
  }
  if ((flags & VGCF_I387_VALID) !== 0) loadFxsave(hv, new Uint8Array(c.buffer, c.byteOffset + ContextAt.fpu, 512));
  rc = loadSegments(hv, vcpu, c);
  if (rc !== 0) return rc;
  vcpu.initialised = true;
  if ((flags & VGCF_online) !== 0) hv.bringUp(vcpu);
  return 0;
}

function loadSegments(hv: Hypervisor, vcpu: Vcpu, c: DataView): number {
  const { regs } = hv;
  const selector = (at: number): number => c.getUint16(at, true);
  if (loadCodeSegment(hv, vcpu, selector(ContextAt.cs) | 3) !== 0) return -EINVAL;
  const ss = selector(ContextAt.ss);
  if (loadStackSegment(hv, vcpu, ss === 0 ? FLAT_KERNEL_SS : ss | 3) !== 0) return -EINVAL;
  const wanted: number[] = [];
  wanted[ES] = selector(ContextAt.es);
  wanted[SS] = ss;
  wanted[DS] = selector(ContextAt.ds);
  wanted[FS] = selector(ContextAt.fs);
  wanted[GS] = selector(ContextAt.gs);
  let ok = true;
  for (const segment of [ES, DS, FS, GS]) ok = loadDataSegment(hv, vcpu, segment, wanted[segment]) && ok;
  if (!ok) vcpu.failsafeSelectors = wanted;
  const word = (at: number): number => c.getInt32(at, true);
  if (word(ContextAt.fsBase) !== 0 || word(ContextAt.fsBase + 4) !== 0)
    regs.setBase(FS, word(ContextAt.fsBase), word(ContextAt.fsBase + 4));
  const active = vcpu.kernelMode ? ContextAt.gsBaseKernel : ContextAt.gsBaseUser;
  const other = vcpu.kernelMode ? ContextAt.gsBaseUser : ContextAt.gsBaseKernel;
  regs.setBase(GS, word(active), word(active + 4));
  vcpu.gsBaseShadowLo = word(other);
  vcpu.gsBaseShadowHi = word(other + 4);
  return 0;
}

/** Loads the x87 and SSE registers from an FXSAVE image (Intel SDM vol. 1, 10.5.1). */
function loadFxsave(hv: Hypervisor, image: Uint8Array): void {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const { u8, u16, u32 } = hv.mmu.memory;
  u16[FCW >>> 1] = view.getUint16(0, true);
  const status = view.getUint16(2, true);
  u16[FSW >>> 1] = status;
  const top = (status >>> 11) & 7;
  let tags = 0;
  for (let physical = 0; physical < 8; physical++) {
    const slot = 32 + 16 * ((physical - top) & 7);
    u8.set(image.subarray(slot, slot + 10), X87(physical));
    if ((image[4] & (1 << physical)) === 0) tags |= 3 << (2 * physical);
  }
  u16[FTW >>> 1] = tags;
  u32[MXCSR >>> 2] = view.getUint32(24, true) & 0xffff;
  u8.set(image.subarray(160, 416), XMM(0));
}
