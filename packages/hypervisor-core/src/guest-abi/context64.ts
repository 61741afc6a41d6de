import { DS, ES, FS, GS, SS } from "@xen-node/x86-cpu";
import {
  EINVAL,
  ERESTART,
  FLAT_KERNEL_SS,
  VGCF_failsafe_disables_events,
  VGCF_I387_VALID,
  VGCF_in_kernel,
  VGCF_online,
  VGCF_syscall_disables_events,
} from "@xen-node/xen-abi";
import { installGdt } from "../abi/descriptor-tables.ts";
import { u64Number, vaOf } from "../address.ts";
import { loadFxsave, resetContext } from "../guest-context.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { Gpr } from "../registers.ts";
import { loadDataSegment } from "../segments.ts";
import type { Vcpu } from "../vcpu.ts";
import { loadCodeSegment64, loadStackSegment64 } from "./segments64.ts";

/** Bytes of struct vcpu_guest_context. */
export const CONTEXT_BYTES_64 = 5168;

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

/** VCPUOP_initialise of a 64-bit guest. 0, -EINVAL, -ERESTART. */
export function applyContext64(hv: Hypervisor, vcpu: Vcpu, c: DataView): number {
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
  if (loadCodeSegment64(hv, vcpu, selector(ContextAt.cs) | 3) !== 0) return -EINVAL;
  const ss = selector(ContextAt.ss);
  if (loadStackSegment64(hv, vcpu, ss === 0 ? FLAT_KERNEL_SS : ss | 3) !== 0) return -EINVAL;
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
