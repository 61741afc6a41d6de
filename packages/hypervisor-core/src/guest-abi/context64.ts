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
const At = {
  fpu: 0,
  flags: 512,
  userRegs: 520,
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
  fsBase: 5144,
  gsBaseKernel: 5152,
  gsBaseUser: 5160,
} as const;

/** General registers (encoding order) in the order of cpu_user_regs: r15 r14 r13 r12 rbp rbx r11..r8 rax rcx rdx rsi rdi. */
const USER_REGS_ORDER = [15, 14, 13, 12, 5, 3, 11, 10, 9, 8, 0, 1, 2, 6, 7];
const RFLAGS_KEPT = 0x254dd5 & ~0x3000;
const IF = 0x200;

/** VCPUOP_initialise of a 64-bit guest. 0, -EINVAL, -ERESTART. */
export function applyContext64(hv: Hypervisor, vcpu: Vcpu, c: DataView): number {
  const { regs } = hv;
  const lo = (at: number): number => c.getUint32(at, true);
  const va = (at: number): number => vaOf(c.getInt32(at, true), c.getInt32(at + 4, true));
  for (const at of [At.rip, At.kernelSp, At.event, At.failsafe, At.fsBase, At.gsBaseKernel, At.gsBaseUser]) {
    if (Number.isNaN(va(at))) return -EINVAL;
  }
  const gdtEntries = lo(At.gdtEntries);
  const ldtEntries = lo(At.ldtEntries);
  if (ldtEntries > 8192 || (lo(At.ldtBase) & 0xfff) !== 0 || Number.isNaN(va(At.ldtBase))) return -EINVAL;
  const frames: number[] = [];
  for (let i = 0; i < Math.min(14, Math.ceil(gdtEntries / 512)); i++) {
    frames.push(u64Number(lo(At.gdtFrames + 8 * i), lo(At.gdtFrames + 8 * i + 4)));
  }
  resetContext(hv, vcpu);
  let rc = installGdt(hv, vcpu, frames, gdtEntries);
  if (rc !== 0) return rc;
  const cr3 = At.ctrlreg + 24;
  const flags = lo(At.flags);
  vcpu.kernelMode = (flags & VGCF_in_kernel) !== 0;
  rc = hv.addressSpaces.setKernelRoot(vcpu, (lo(cr3) >>> 12) + lo(cr3 + 4) * 0x100000);
  if (rc !== 0) return rc;
  const cr1 = At.ctrlreg + 8;
  const user = (lo(cr1) >>> 12) + lo(cr1 + 4) * 0x100000;
  if (user !== 0) rc = hv.addressSpaces.setUserRoot(vcpu, user);
  if (rc === -ERESTART) return rc;
  if (rc !== 0 || (!vcpu.kernelMode && user === 0)) return -EINVAL;

  vcpu.ldtBase = va(At.ldtBase);
  vcpu.ldtEntries = ldtEntries;
  vcpu.kernelSs = lo(At.kernelSs) & 0xffff;
  vcpu.kernelSp = va(At.kernelSp);
  for (let vector = 0; vector < 256; vector++) {
    const at = At.traps + 16 * vector;
    const address = va(at + 8);
    vcpu.traps.set(vector, c.getUint8(at + 1), c.getUint16(at + 2, true), Number.isNaN(address) ? 0 : address);
  }
  vcpu.callbacks.event = va(At.event);
  vcpu.callbacks.failsafe = va(At.failsafe);
  vcpu.callbacks.failsafeMasksEvents = (flags & VGCF_failsafe_disables_events) !== 0;
  const syscall = va(At.syscall);
  vcpu.callbacks.syscall = Number.isNaN(syscall) ? 0 : syscall;
  vcpu.callbacks.syscallMasksEvents = (flags & VGCF_syscall_disables_events) !== 0;

  USER_REGS_ORDER.forEach((gpr, i) => {
    regs.set(gpr, lo(At.userRegs + 8 * i), lo(At.userRegs + 8 * i + 4));
  });
  regs.rip = va(At.rip);
  regs.set(Gpr.rsp, lo(At.rsp), lo(At.rsp + 4));
  vcpu.iopl = lo(At.rflags) & 0x3000;
  regs.rflags = (lo(At.rflags) & RFLAGS_KEPT) | IF | 2;
  hv.control.setTaskSwitched(vcpu, (lo(At.ctrlreg) & 8) !== 0);
  hv.control.writeCr4(vcpu, lo(At.ctrlreg + 32));
  for (const register of [0, 1, 2, 3, 6, 7]) {
    hv.control.writeDr(vcpu, register, lo(At.debugreg + 8 * register), lo(At.debugreg + 8 * register + 4));
  }
  if ((flags & VGCF_I387_VALID) !== 0) loadFxsave(hv, new Uint8Array(c.buffer, c.byteOffset + At.fpu, 512));
  rc = loadSegments(hv, vcpu, c);
  if (rc !== 0) return rc;
  vcpu.initialised = true;
  if ((flags & VGCF_online) !== 0) hv.bringUp(vcpu);
  return 0;
}

function loadSegments(hv: Hypervisor, vcpu: Vcpu, c: DataView): number {
  const { regs } = hv;
  const selector = (at: number): number => c.getUint16(at, true);
  if (loadCodeSegment64(hv, vcpu, selector(At.cs) | 3) !== 0) return -EINVAL;
  const ss = selector(At.ss);
  if (loadStackSegment64(hv, vcpu, ss === 0 ? FLAT_KERNEL_SS : ss | 3) !== 0) return -EINVAL;
  const wanted: number[] = [];
  wanted[ES] = selector(At.es);
  wanted[SS] = ss;
  wanted[DS] = selector(At.ds);
  wanted[FS] = selector(At.fs);
  wanted[GS] = selector(At.gs);
  let ok = true;
  for (const segment of [ES, DS, FS, GS]) ok = loadDataSegment(hv, vcpu, segment, wanted[segment]) && ok;
  if (!ok) vcpu.failsafeSelectors = wanted;
  const word = (at: number): number => c.getInt32(at, true);
  if (word(At.fsBase) !== 0 || word(At.fsBase + 4) !== 0) regs.setBase(FS, word(At.fsBase), word(At.fsBase + 4));
  const active = vcpu.kernelMode ? At.gsBaseKernel : At.gsBaseUser;
  const other = vcpu.kernelMode ? At.gsBaseUser : At.gsBaseKernel;
  regs.setBase(GS, word(active), word(active + 4));
  vcpu.gsBaseShadowLo = word(other);
  vcpu.gsBaseShadowHi = word(other + 4);
  return 0;
}
