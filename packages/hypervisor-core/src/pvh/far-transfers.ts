import { type Instruction, RSP } from "@xen-node/x86-cpu";
import { vaHigh, vaLow, vaOf } from "../address.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { Gpr } from "../registers.ts";
import type { Vcpu } from "../vcpu.ts";
import {
  Descriptor,
  dplOf,
  dropKernelData,
  limitOf,
  loadCode,
  loadFlat,
  loadStack,
  readDescriptor,
} from "./descriptors.ts";
import { raise, raisePageFault, Vector } from "./interrupts.ts";
import { Efer, isLongMode, nativeOf, setPrivilege } from "./paging.ts";

/** RFLAGS bits that CPL 0 may set by IRET: all but VM, VIF and VIP. */
const IRET_FLAGS = 0x257fd5;
const NT = 0x4000;
const RF = 0x10000;
const VM = 0x20000;
/** RFLAGS bits that SYSRET takes from R11 (Intel SDM vol. 2). */
const SYSRET_FLAGS = 0x3c7fd7;
const SYSCALL_LENGTH = 2;

/** Checks a code segment for a transfer from CPL 0 to `cpl`; answers 0 or the vector of the fault, of that selector. */
function checkCode(hv: Hypervisor, vcpu: Vcpu, selector: number, cpl: number): number {
  if ((selector & 0xfffc) === 0 || !readDescriptor(hv, vcpu, selector)) return Vector.GP;
  const { hi } = hv.descriptors;
  if ((hi & (Descriptor.codeOrData | Descriptor.code)) !== (Descriptor.codeOrData | Descriptor.code)) return Vector.GP;
  if ((hi & Descriptor.conforming) !== 0 ? dplOf(hi) > cpl : dplOf(hi) !== cpl) return Vector.GP;
  if (isLongMode(vcpu) && (hi & Descriptor.long) !== 0 && (hi & Descriptor.big) !== 0) return Vector.GP;
  return (hi & Descriptor.present) === 0 ? Vector.NP : 0;
}

function isReachable(vcpu: Vcpu, target: number, lo: number, hi: number): boolean {
  const long = isLongMode(vcpu) && (hi & Descriptor.long) !== 0;
  return long ? !Number.isNaN(target) : target >= 0 && target <= limitOf(lo, hi);
}

/** IRET in a 64-bit kernel, to itself or to user code of either width. */
export function iret(hv: Hypervisor, vcpu: Vcpu, insn: Instruction): void {
  const { regs, guest } = hv;
  const size = insn.opSize;
  if (!insn.mode64 || size === 2) {
    hv.crashDomain(vcpu, `IRET with ${size * 8}-bit operands outside of 64-bit code: not there yet`);
    return;
  }
  if ((regs.rflags & NT) !== 0) {
    raise(hv, vcpu, Vector.GP, 0);
    return;
  }
  const stack = vaOf(regs.u32[RSP >>> 2], regs.u32[(RSP >>> 2) + 1]);
  if (Number.isNaN(stack) || !guest.fetch(stack, 5 * size)) {
    if (Number.isNaN(stack)) raise(hv, vcpu, Vector.SS, 0);
    else raisePageFault(hv, vcpu, stack);
    return;
  }
  const step = size >>> 2;
  const word = (i: number): number => guest.u32[i * step];
  const high = (i: number): number => (size === 8 ? guest.u32[i * step + 1] : 0);
  const ripLo = word(0);
  const ripHi = high(0);
  const cs = word(1) & 0xffff;
  const flags = word(2);
  const rspLo = word(3);
  const rspHi = high(3);
  const ss = word(4) & 0xffff;
  const cpl = cs & 3;
  if (cpl === 1 || cpl === 2) {
    raise(hv, vcpu, Vector.GP, cs & 0xfffc);
    return;
  }
  const codeFault = checkCode(hv, vcpu, cs, cpl);
  if (codeFault !== 0) {
    raise(hv, vcpu, codeFault, cs & 0xfffc);
    return;
  }
  const { lo: codeLo, hi: codeHi } = hv.descriptors;
  const stackFault = checkStack(hv, vcpu, ss, cpl, (codeHi & Descriptor.long) !== 0);
  if (stackFault !== 0) {
    raise(hv, vcpu, stackFault, ss & 0xfffc);
    return;
  }
  const { lo: stackLo, hi: stackHi } = hv.descriptors;
  if (!isReachable(vcpu, vaOf(ripLo, ripHi), codeLo, codeHi)) {
    raise(hv, vcpu, Vector.GP, 0);
    return;
  }
  loadCode(hv, vcpu, cs, codeLo, codeHi, cpl);
  loadStack(hv, ss, stackLo, stackHi, cpl);
  regs.setRip(ripLo, ripHi);
  regs.u32[RSP >>> 2] = rspLo;
  regs.u32[(RSP >>> 2) + 1] = rspHi;
  regs.rflags = (regs.rflags & ~(IRET_FLAGS | RF)) | (flags & (IRET_FLAGS | RF));
  vcpu.nmiMasked = false;
  if (cpl === 3) {
    dropKernelData(hv);
    setPrivilege(hv, vcpu, false);
  }
}

/** 0, or the vector of the fault. Leaves the descriptor in `hv.descriptors`, if there is one. */
function checkStack(hv: Hypervisor, vcpu: Vcpu, selector: number, cpl: number, toLong: boolean): number {
  if ((selector & 0xfffc) === 0) return cpl === 0 && toLong ? 0 : Vector.GP;
  if ((selector & 3) !== cpl || !readDescriptor(hv, vcpu, selector)) return Vector.GP;
  const { hi } = hv.descriptors;
  const kind = hi & (Descriptor.codeOrData | Descriptor.code | Descriptor.writable);
  if (kind !== (Descriptor.codeOrData | Descriptor.writable) || dplOf(hi) !== cpl) return Vector.GP;
  return (hi & Descriptor.present) === 0 ? Vector.SS : 0;
}

/** Far JMP and far RET within the kernel. */
export function farTransfer(hv: Hypervisor, vcpu: Vcpu, insn: Instruction, operandVa: number): void {
  const { regs, guest } = hv;
  const size = insn.opSize;
  const returns = insn.entry.family === "retf";
  let targetLo = insn.immLo;
  let targetHi = 0;
  let selector = insn.imm2;
  if (returns || insn.hasMem) {
    const stack = vaOf(regs.u32[RSP >>> 2], regs.u32[(RSP >>> 2) + 1]);
    const from = returns ? stack : operandVa;
    const bytes = returns ? 2 * size : size + 2;
    if (Number.isNaN(from) || !guest.fetch(from, bytes)) {
      if (Number.isNaN(from)) raise(hv, vcpu, returns ? Vector.SS : Vector.GP, 0);
      else raisePageFault(hv, vcpu, from);
      return;
    }
    targetLo = size === 2 ? guest.u16[0] : guest.u32[0];
    targetHi = size === 8 ? guest.u32[1] : 0;
    selector = guest.u16[size >>> 1];
  }
  // Outer levels are entered by IRET and SYSRET only.
  const fault = returns && (selector & 3) !== 0 ? Vector.GP : checkCode(hv, vcpu, selector, 0);
  if (fault !== 0) {
    raise(hv, vcpu, fault, selector & 0xfffc);
    return;
  }
  const { lo, hi } = hv.descriptors;
  if (!isReachable(vcpu, vaOf(targetLo, targetHi), lo, hi)) {
    raise(hv, vcpu, Vector.GP, 0);
    return;
  }
  loadCode(hv, vcpu, selector, lo, hi, 0);
  regs.setRip(targetLo, targetHi);
  if (returns) {
    const top = vaOf(regs.u32[RSP >>> 2], regs.u32[(RSP >>> 2) + 1]) + 2 * size + insn.immLo;
    regs.u32[RSP >>> 2] = vaLow(top);
    regs.u32[(RSP >>> 2) + 1] = insn.mode64 ? vaHigh(top) : 0;
  }
}

/** SYSCALL, from user code or from the kernel itself; RIP is at it. */
export function syscall(hv: Hypervisor, vcpu: Vcpu): void {
  const { regs } = hv;
  const native = nativeOf(vcpu);
  if ((native.efer & Efer.SCE) === 0 || !isLongMode(vcpu)) {
    raise(hv, vcpu, Vector.UD);
    return;
  }
  const entry = regs.is64Bit ? native.lstar : native.cstar;
  const rflags = regs.rflags;
  regs.advance(SYSCALL_LENGTH);
  regs.set(Gpr.rcx, regs.ripLo, regs.ripHi);
  regs.set(Gpr.r11, rflags & ~RF, 0);
  regs.setRip(entry.lo, entry.hi);
  regs.rflags = rflags & ~(native.syscallMask | RF | VM);
  const selector = native.star.hi & 0xffff;
  loadFlat(hv, selector, selector + 8, 0, true);
  setPrivilege(hv, vcpu, true);
}

/** SYSRET from the kernel. */
export function sysret(hv: Hypervisor, vcpu: Vcpu, insn: Instruction): void {
  const { regs } = hv;
  const native = nativeOf(vcpu);
  if ((native.efer & Efer.SCE) === 0) {
    raise(hv, vcpu, Vector.UD);
    return;
  }
  const long = (insn.rex & 8) !== 0;
  const selector = native.star.hi >>> 16;
  const flags = regs.lo(Gpr.r11);
  // An address that is not canonical faults in user mode, as on AMD's processors.
  regs.setRip(regs.lo(Gpr.rcx), long ? regs.hi(Gpr.rcx) : 0);
  loadFlat(hv, long ? selector + 16 : selector, selector + 8, 3, long);
  regs.rflags = (flags & SYSRET_FLAGS & ~(RF | VM)) | 2;
  setPrivilege(hv, vcpu, false);
}
