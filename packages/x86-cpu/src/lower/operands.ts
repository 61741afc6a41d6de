import { AddressingMethod, type Instruction, type OperandSpec, OperandWidth } from "../decode/index.ts";
import type { OperandSize } from "../semantics/context.ts";
import { GPR } from "../state.ts";

/** Width in bytes that an operand code means for a decoded instruction. */
export function operandBytes(insn: Instruction, width: number): OperandSize {
  switch (width) {
    case OperandWidth.V:
      return insn.opSize as OperandSize;
    case OperandWidth.Z:
      return insn.opSize === 8 ? 4 : (insn.opSize as OperandSize);
    case OperandWidth.Y:
      return (insn.rex & 8) !== 0 ? 8 : 4;
    case OperandWidth.N:
      return insn.mode64 ? 8 : 4;
    default:
      return width as OperandSize;
  }
}

/** Whether the operand is the instruction's memory operand (by ModRM or an absolute offset). */
export function isMemory(insn: Instruction, spec: OperandSpec): boolean {
  switch (spec.method) {
    case AddressingMethod.MODRM_GENERAL:
    case AddressingMethod.MODRM_MMX:
    case AddressingMethod.MODRM_XMM:
      return insn.hasMem;
    case AddressingMethod.MODRM_MEMORY:
    case AddressingMethod.OFFSET:
      return true;
    default:
      return false;
  }
}

/** Number of the general register that an operand names, or −1. */
export function generalRegister(insn: Instruction, spec: OperandSpec): number {
  switch (spec.method) {
    case AddressingMethod.MODRM_GENERAL:
    case AddressingMethod.RM_GENERAL:
      return insn.rm;
    case AddressingMethod.REG_GENERAL:
      return insn.reg;
    case AddressingMethod.OPCODE_GENERAL:
      return (insn.opcode & 7) | ((insn.rex & 1) << 3);
    case AddressingMethod.FIXED_GENERAL:
      return spec.fixed;
    default:
      return -1;
  }
}

/** State address of a general register as an operand of `size` bytes: AH, CH, DH, BH are 4-7 without REX. */
export function registerAddress(insn: Instruction, register: number, size: number): number {
  if (size === 1 && register >= 4 && register < 8 && insn.rex === 0) return GPR(register - 4) + 1;
  return GPR(register);
}
