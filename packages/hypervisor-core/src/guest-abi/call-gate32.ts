import { CS, createInstruction, Decoder, DecodeStatus, DS, SEG_LIMIT, SS } from "@xen-node/x86-cpu";
import { FIRST_RESERVED_GDT_BYTE } from "@xen-node/xen-abi";
import { injectException, injectPageFault } from "../bounce.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { Gpr } from "../registers.ts";
import { baseOf, limitOf, loadCodeSegment, loadStackSegment } from "../segments.ts";
import type { Vcpu } from "../vcpu.ts";
import { SavedSegment } from "./frame32.ts";

const Vector = { TS: 10, NP: 11, SS: 12, GP: 13 } as const;

/** Bits of a descriptor's high word (Intel SDM vol. 3, 3.4.5 and 5.8.3). */
const PRESENT = 0x8000;
const DPL = 0x6000;
const CODE_OR_DATA = 0x1000;
const CODE = 0x0800;
/** Data: expand-down. Code: conforming. */
const CONFORMING = 0x0400;
const WRITABLE = 0x0200;
const SYSTEM_TYPE = 0x1f00;
const CALL_GATE = 0x0c00;
const WORDS = 0x1f;

const KERNEL_RPL = 1;
const WRITE_FAULT = 2;
const MAX_LENGTH = 15;
const dplOf = (hi: number): number => (hi >>> 13) & 3;

const decoder = new Decoder();
const insn = createInstruction();
const bytes = new Uint8Array(MAX_LENGTH);

/** A fault that the guest gets instead of the transfer. */
type Fault = readonly [vector: number, errorCode: number];

/**
 * A far CALL or JMP of a 32-bit guest by a call gate of its own, which the processor has refused with #GP(gate): Xen takes every
 * gate's privilege away (`adjustDescriptor`) and does the transfer itself. As on Xen, a gate leads to the level that runs or,
 * with CALL, from a program to the kernel, on the stack of HYPERVISOR_stack_switch.
 * @param errorCode of the #GP: a selector without its RPL. Whatever else it was about, the guest gets it
 */
export function callGate32(hv: Hypervisor, vcpu: Vcpu, errorCode: number): void {
  const fault = transfer(hv, vcpu, errorCode);
  if (fault !== undefined) injectException(hv, vcpu, fault[0], true, fault[1]);
}

function transfer(hv: Hypervisor, vcpu: Vcpu, gate: number): Fault | undefined {
  const { regs, descriptors: d } = hv;
  const refused: Fault = [Vector.GP, gate];
  const cpl = regs.selector(CS) & 3;
  // A gate of Xen's part there is none; error codes of the IDT have bit 1 set.
  if (gate < 4 || (gate & 3) !== 0 || ((gate & 4) === 0 && gate >= FIRST_RESERVED_GDT_BYTE)) return refused;
  if (!d.read(vcpu, gate) || (d.hi & SYSTEM_TYPE) !== CALL_GATE) return refused;
  const present = (d.hi & PRESENT) !== 0;
  if (present && (d.hi & DPL) !== 0) return refused;
  // Its privilege is parked in the selector's RPL; one that is not present may have kept it, and is the processor's to refuse.
  const gateDpl = dplOf(d.hi) || (d.lo >>> 16) & 3;
  if (gateDpl < cpl) return refused;
  const selector = (d.lo >>> 16) & 0xfffc;
  const target = ((d.lo & 0xffff) | (d.hi & 0xffff0000)) >>> 0;
  const words = d.hi & WORDS;

  if (!decode(hv)) return refused;
  const calls = insn.entry.mnemonic === "callf";
  const operand = selectorOperand(hv);
  if (operand < 0 || (operand & ~3) !== gate || gateDpl < (operand & 3)) return refused;
  if (!present) return [Vector.NP, gate];

  if ((selector & ~3) === 0 || !d.read(vcpu, selector)) return [Vector.GP, selector];
  const codeHi = d.hi;
  if ((codeHi & (CODE_OR_DATA | CODE)) !== (CODE_OR_DATA | CODE)) return [Vector.GP, selector];
  const dpl = dplOf(codeHi);
  if (calls || (codeHi & CONFORMING) !== 0 ? dpl > cpl : dpl !== cpl) return [Vector.GP, selector];
  if ((codeHi & PRESENT) === 0) return [Vector.NP, selector];
  if (target > limitOf(d.lo, d.hi)) return [Vector.GP, 0];

  const returnTo = (regs.ripLo + insn.length) >>> 0;
  const inner = calls && dpl < cpl && (codeHi & CONFORMING) === 0;
  if (inner) return callKernel(hv, vcpu, gate, selector | dpl, target, words, returnTo);
  const saved = calls ? [returnTo, regs.selector(CS)] : [];
  const top = regs.lo(Gpr.rsp) >>> 0;
  if (calls && !stackHolds(regs.attributes(SS) << 8, stackLimit(hv), top, 8)) return [Vector.SS, 0];
  const at = (top - 4 * saved.length + regs.baseLo(SS)) >>> 0;
  hv.guest.u32.set(saved);
  if (calls && !hv.guest.store(at, 8)) return pageFault(hv, vcpu, at, 8);
  if (loadCodeSegment(hv, vcpu, selector | cpl) !== 0) return [Vector.GP, selector];
  regs.set(Gpr.rsp, (top - 4 * saved.length) >>> 0, 0);
  regs.setRip(target, 0);
  return undefined;
}

/** From a program to the kernel: SS and ESP of the program, words of its stack, CS and EIP go to the kernel's stack. */
function callKernel(
  hv: Hypervisor,
  vcpu: Vcpu,
  gate: number,
  selector: number,
  target: number,
  words: number,
  returnTo: number,
): Fault | undefined {
  const { regs, guest, descriptors: d } = hv;
  const refused: Fault = [Vector.GP, gate];
  if ((selector & 3) !== KERNEL_RPL) return refused;
  const { kernelSs, kernelSp } = vcpu;
  const badStack: Fault = [Vector.TS, kernelSs & ~3];
  if ((kernelSs & 3) !== KERNEL_RPL || (kernelSs & ~3) === 0 || !d.read(vcpu, kernelSs)) return badStack;
  if (dplOf(d.hi) !== KERNEL_RPL || (d.hi & (CODE_OR_DATA | CODE | WRITABLE)) !== (CODE_OR_DATA | WRITABLE))
    return badStack;
  const length = (4 + words) * 4;
  if ((d.hi & PRESENT) === 0 || !stackHolds(d.hi, limitOf(d.lo, d.hi), kernelSp, length)) {
    return [Vector.SS, kernelSs & ~3];
  }
  const at = (baseOf(d.lo, d.hi) + kernelSp - length) >>> 0;

  const esp = regs.lo(Gpr.rsp) >>> 0;
  const frame = [returnTo, regs.selector(CS)];
  if (words > 0) {
    const from = (esp + regs.baseLo(SS)) >>> 0;
    if (!stackHolds(regs.attributes(SS) << 8, stackLimit(hv), esp + words * 4, words * 4)) return refused;
    // They are the program's to read.
    if (!guest.fetch(from, words * 4)) return pageFault(hv, vcpu, from, words * 4, 0);
    for (let i = 0; i < words; i++) frame.push(guest.u32[i]);
  }
  frame.push(esp, regs.selector(SS));

  const code = new SavedSegment(hv, CS);
  const stack = new SavedSegment(hv, SS);
  hv.addressSpaces.setKernelMode(vcpu, true);
  guest.u32.set(frame);
  const stored = guest.store(at, length);
  if (stored && loadCodeSegment(hv, vcpu, selector) === 0 && loadStackSegment(hv, vcpu, kernelSs) === 0) {
    regs.set(Gpr.rsp, (kernelSp - length) >>> 0, 0);
    regs.setRip(target, 0);
    return undefined;
  }
  code.restore();
  stack.restore();
  hv.addressSpaces.setKernelMode(vcpu, false);
  return stored ? [Vector.GP, selector & ~3] : pageFault(hv, vcpu, at, length);
}

/** Decodes the instruction at CS:EIP into `insn`; false if it is no far CALL or JMP. */
function decode(hv: Hypervisor): boolean {
  const { regs, guest } = hv;
  const at = ((regs.ripLo >>> 0) + (regs.baseLo(CS) >>> 0)) % 0x100000000;
  const available = guest.readBytes(at, bytes, MAX_LENGTH);
  if (decoder.decode(bytes, 0, available, false, insn) !== DecodeStatus.OK) return false;
  return insn.entry.mnemonic === "callf" || insn.entry.mnemonic === "jmpf";
}

/** The selector of its far pointer; -1 if that cannot be read any more. */
function selectorOperand(hv: Hypervisor): number {
  if (!insn.hasMem) return insn.imm2 & 0xffff;
  const { regs, guest } = hv;
  let offset = insn.disp;
  if (insn.base >= 0) offset += regs.lo(insn.base);
  if (insn.index >= 0) offset += regs.lo(insn.index) << insn.scale;
  const stack = insn.base === Gpr.rsp || insn.base === Gpr.rbp;
  const segment = insn.segment >= 0 ? insn.segment : stack ? SS : DS;
  if (insn.addrSize === 2) offset &= 0xffff;
  // The processor has read it by that address, within the segment's limits.
  const at = (offset + insn.opSize + regs.baseLo(segment)) >>> 0;
  return guest.readBytes(at, bytes, 2) === 2 ? bytes[0] | (bytes[1] << 8) : -1;
}

function stackLimit(hv: Hypervisor): number {
  return hv.regs.u32[SEG_LIMIT(SS) >>> 2];
}

/** Whether a stack segment holds `length` bytes below a stack pointer. */
function stackHolds(hi: number, limit: number, top: number, length: number): boolean {
  const lowest = (top - length) >>> 0;
  const highest = (top - 1) >>> 0;
  if (lowest >= highest) return false;
  return (hi & CONFORMING) === 0 ? highest <= limit : lowest > limit;
}

/** #PF for the first of some bytes that cannot be reached; it has been raised. */
function pageFault(hv: Hypervisor, vcpu: Vcpu, at: number, length: number, errorCode = WRITE_FAULT): undefined {
  const reachable = (va: number): boolean =>
    (errorCode === 0 ? hv.guest.hostForRead(va | 0, 0) : hv.guest.hostForWrite(va | 0, 0, 0)) !== 0;
  const last = (at + length - 1) >>> 0;
  const cr2 = errorCode === 0 ? (reachable(at) ? last & ~0xfff : at) : reachable(last) ? at : last;
  injectPageFault(hv, vcpu, errorCode, cr2 | 0, 0);
  return undefined;
}
