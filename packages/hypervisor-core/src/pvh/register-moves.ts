import { DR, DR6, DR7, type Instruction } from "@xen-node/x86-cpu";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import { readControl, writeControl } from "./control-registers.ts";
import { Outcome } from "./instruction.ts";

const DR6_ONES = 0xffff0ff0;
const DR7_ONES = 0x400;
const DR7_ZEROES = 0xd800;

/** MOV from and to control and debug registers. */
export function moveControl(hv: Hypervisor, vcpu: Vcpu, i: Instruction): Outcome {
  const { regs } = hv;
  const keepsHigh = i.mode64;
  switch (i.entry.pattern) {
    case "Rn,Cd": {
      const value = readControl(hv, vcpu, i.reg);
      if (value === undefined) return Outcome.undefined;
      regs.set(i.rm, value.lo, keepsHigh ? value.hi : 0);
      return Outcome.done;
    }
    case "Cd,Rn": {
      if (readControl(hv, vcpu, i.reg) === undefined) return Outcome.undefined;
      const ok = writeControl(hv, vcpu, i.reg, regs.lo(i.rm), keepsHigh ? regs.hi(i.rm) : 0);
      return !ok ? Outcome.refused : vcpu.alive ? Outcome.done : Outcome.placed;
    }
    case "Rn,Dd": {
      const word = debugWord(i.reg);
      if (word < 0) return Outcome.undefined;
      regs.set(i.rm, regs.u32[word], i.reg < 4 ? regs.u32[word + 1] : 0);
      return Outcome.done;
    }
    case "Dd,Rn":
      return writeDebug(hv, i.reg, regs.lo(i.rm), keepsHigh ? regs.hi(i.rm) : 0);
    default:
      return Outcome.undefined;
  }
}

function debugWord(register: number): number {
  if (register < 4) return DR(register) >>> 2;
  if (register === 4 || register === 6) return DR6 >>> 2;
  return register === 5 || register === 7 ? DR7 >>> 2 : -1;
}

function writeDebug(hv: Hypervisor, register: number, lo: number, hi: number): Outcome {
  const { u32 } = hv.regs;
  const word = debugWord(register);
  if (word < 0) return Outcome.undefined;
  if (register < 4) {
    u32[word] = lo;
    u32[word + 1] = hi;
    return Outcome.done;
  }
  if (hi !== 0) return Outcome.refused;
  u32[word] = word === DR6 >>> 2 ? (lo & 0xf00f) | DR6_ONES : (lo & ~DR7_ZEROES) | DR7_ONES;
  return Outcome.done;
}
