import { GPR, type Instruction, SEG_BASE } from "@xen-node/x86-cpu";
import { vaOf } from "../address.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import { raise, raisePageFault, Vector } from "./interrupts.ts";

const FS = 4;
const SS = 2;
const DS = 3;
const RIP_BASE = 16;

/** What an instruction came to. */
export const Outcome = {
  /** RIP goes to the next one. */
  done: 0,
  /** RIP is where it should be, or an exception was raised. */
  placed: 1,
  /** #GP(0). */
  refused: 2,
  /** #UD. */
  undefined: 3,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

export type Execute = (hv: Hypervisor, vcpu: Vcpu, insn: Instruction) => Outcome;

/** An instruction of the kernel's that nobody wrote yet. */
export function notThereYet(hv: Hypervisor, vcpu: Vcpu, i: Instruction): Outcome {
  hv.logOnce(vcpu.domain, "traps", `${i.entry.mnemonic} in a PVH kernel is not there yet: #UD`, "warning");
  return Outcome.undefined;
}

/** Linear address of the memory operand, NaN if it is not canonical. */
export function operandAddress(hv: Hypervisor, i: Instruction): number {
  const { view } = hv.mmu.memory;
  let address = (BigInt(i.dispHi) << 32n) | BigInt(i.disp >>> 0);
  if (i.base === RIP_BASE) address += BigInt(hv.regs.rip + i.length);
  else if (i.base >= 0) address += view.getBigInt64(GPR(i.base), true);
  if (i.index >= 0) address += view.getBigInt64(GPR(i.index), true) << BigInt(i.scale);
  if (i.addrSize === 4) address = BigInt.asUintN(32, address);
  else if (i.addrSize === 2) address = BigInt.asUintN(16, address);
  const usesStack = i.base === 4 || i.base === 5;
  const segment = i.segment >= 0 ? i.segment : usesStack ? SS : DS;
  if (!i.mode64 || segment >= FS) address += view.getBigInt64(SEG_BASE(segment), true);
  if (!i.mode64) address = BigInt.asUintN(32, address);
  return vaOf(Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n)));
}

/** Reads the memory operand into the scratch area; false after a fault was raised. */
export function fetchOperand(hv: Hypervisor, vcpu: Vcpu, i: Instruction, length: number): boolean {
  const va = operandAddress(hv, i);
  if (!Number.isNaN(va) && hv.guest.fetch(va, length)) return true;
  if (Number.isNaN(va)) raise(hv, vcpu, Vector.GP, 0);
  else raisePageFault(hv, vcpu, va);
  return false;
}

export function storeOperand(hv: Hypervisor, vcpu: Vcpu, i: Instruction, length: number): boolean {
  const va = operandAddress(hv, i);
  if (!Number.isNaN(va) && hv.guest.store(va, length)) return true;
  if (Number.isNaN(va)) raise(hv, vcpu, Vector.GP, 0);
  else raisePageFault(hv, vcpu, va);
  return false;
}

/** A 16-bit operand in a register or memory; −1 after a fault was raised. */
export function selectorOperand(hv: Hypervisor, vcpu: Vcpu, i: Instruction): number {
  if (!i.hasMem) return hv.regs.lo(i.rm) & 0xffff;
  return fetchOperand(hv, vcpu, i, 2) ? hv.guest.u16[0] : -1;
}
