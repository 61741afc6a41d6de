import type { Instruction } from "./instruction.ts";
import { opcodeEntries } from "./opcode-table.ts";
import { AddressingMethod, OperandKind, OperandWidth, RegisterClass } from "./operand.ts";

/** No form has more operands. */
const MAX_OPERANDS = 4;

const specMethods = new Uint8Array(opcodeEntries.length * MAX_OPERANDS);
const specWidths = new Uint8Array(opcodeEntries.length * MAX_OPERANDS);
const specMemoryWidths = new Uint8Array(opcodeEntries.length * MAX_OPERANDS);
const specFixed = new Int8Array(opcodeEntries.length * MAX_OPERANDS);
for (const { id, operands } of opcodeEntries) {
  for (const [i, { method, width, memoryWidth, fixed }] of operands.entries()) {
    specMethods[id * MAX_OPERANDS + i] = method;
    specWidths[id * MAX_OPERANDS + i] = width;
    specMemoryWidths[id * MAX_OPERANDS + i] = memoryWidth;
    specFixed[id * MAX_OPERANDS + i] = fixed;
  }
}

/** Can the operand of this method be the memory of ModRM.rm? */
function maybeMemory(method: number): boolean {
  return (
    method === AddressingMethod.MODRM_GENERAL ||
    method === AddressingMethod.MODRM_MEMORY ||
    method === AddressingMethod.MODRM_XMM ||
    method === AddressingMethod.MODRM_MMX
  );
}

/** The `OperandKind` of operand `i` (0 = first). */
export function operandKind(insn: Instruction, i: number): number {
  const method = specMethods[insn.entry.id * MAX_OPERANDS + i];
  switch (method) {
    case AddressingMethod.IMMEDIATE:
    case AddressingMethod.CONSTANT:
      return OperandKind.IMMEDIATE;
    case AddressingMethod.RELATIVE:
      return OperandKind.RELATIVE;
    case AddressingMethod.FAR_POINTER:
      return OperandKind.FAR_POINTER;
    case AddressingMethod.OFFSET:
      return OperandKind.MEMORY_OFFSET;
    case AddressingMethod.STRING_SOURCE:
      return OperandKind.MEMORY_SOURCE;
    case AddressingMethod.STRING_DESTINATION:
      return OperandKind.MEMORY_DESTINATION;
    default:
      return insn.hasMem && maybeMemory(method) ? OperandKind.MEMORY : OperandKind.REGISTER;
  }
}

/**
 * Size in bytes of operand `i`: of the memory it reads or writes, of the register as far as the instruction looks at
 * it, of the immediate as stored in the instruction for B and W and as used for the rest. 0 = not told by the
 * instruction (LEA, XSAVE).
 */
export function operandSize(insn: Instruction, i: number): number {
  const slot = insn.entry.id * MAX_OPERANDS + i;
  const isMemory = insn.hasMem && maybeMemory(specMethods[slot]);
  const width = isMemory ? specMemoryWidths[slot] : specWidths[slot];
  switch (width) {
    case OperandWidth.V:
      return insn.opSize;
    case OperandWidth.Z:
      return insn.opSize === 8 ? 4 : insn.opSize;
    case OperandWidth.Y:
      return (insn.rex & 8) !== 0 ? 8 : 4;
    case OperandWidth.N:
      return insn.mode64 ? 8 : 4;
    case OperandWidth.P:
      return insn.opSize + 2;
    case OperandWidth.S:
      return insn.mode64 ? 10 : 6;
    case OperandWidth.A:
      return insn.opSize * 2;
    case OperandWidth.E:
      return insn.opSize === 2 ? 14 : 28;
    case OperandWidth.X87:
      return insn.opSize === 2 ? 94 : 108;
    case OperandWidth.FX:
      return 512;
    case OperandWidth.XS:
      return 0;
    case OperandWidth.PAIR:
      return (insn.rex & 8) !== 0 ? 16 : 8;
    default:
      return width;
  }
}

/** Number of a general register without regard to the byte registers AH..BH. */
function generalNumber(insn: Instruction, method: number, slot: number): number {
  if (method === AddressingMethod.REG_GENERAL) return insn.reg;
  if (method === AddressingMethod.OPCODE_GENERAL) return (insn.opcode & 7) | ((insn.rex & 1) << 3);
  if (method === AddressingMethod.FIXED_GENERAL) return specFixed[slot];
  return insn.rm;
}

/** The `RegisterClass` of operand `i`; NONE if it is not a register. */
export function operandClass(insn: Instruction, i: number): number {
  if (operandKind(insn, i) !== OperandKind.REGISTER) return RegisterClass.NONE;
  const slot = insn.entry.id * MAX_OPERANDS + i;
  const method = specMethods[slot];
  switch (method) {
    case AddressingMethod.REG_SEGMENT:
    case AddressingMethod.FIXED_SEGMENT:
      return RegisterClass.SEGMENT;
    case AddressingMethod.REG_CONTROL:
      return RegisterClass.CONTROL;
    case AddressingMethod.REG_DEBUG:
      return RegisterClass.DEBUG;
    case AddressingMethod.REG_MMX:
    case AddressingMethod.MODRM_MMX:
    case AddressingMethod.RM_MMX:
      return RegisterClass.MMX;
    case AddressingMethod.REG_XMM:
    case AddressingMethod.MODRM_XMM:
    case AddressingMethod.RM_XMM:
    case AddressingMethod.FIXED_XMM:
      return RegisterClass.XMM;
    case AddressingMethod.FIXED_ST:
    case AddressingMethod.RM_ST:
      return RegisterClass.ST;
  }
  switch (operandSize(insn, i)) {
    case 1: {
      const number = generalNumber(insn, method, slot);
      return insn.rex === 0 && number >= 4 ? RegisterClass.GPR8_HIGH : RegisterClass.GPR8;
    }
    case 2:
      return RegisterClass.GPR16;
    case 4:
      return RegisterClass.GPR32;
    default:
      return RegisterClass.GPR64;
  }
}

/**
 * Register number of operand `i` in its class; for GPR8_HIGH that of the containing register (0 = AH in RAX). -1 if the
 * operand is not a register.
 */
export function operandRegister(insn: Instruction, i: number): number {
  const slot = insn.entry.id * MAX_OPERANDS + i;
  const method = specMethods[slot];
  switch (operandClass(insn, i)) {
    case RegisterClass.NONE:
      return -1;
    case RegisterClass.GPR8_HIGH:
      return generalNumber(insn, method, slot) - 4;
    case RegisterClass.SEGMENT:
      return method === AddressingMethod.FIXED_SEGMENT ? specFixed[slot] : insn.reg & 7;
    case RegisterClass.CONTROL:
    case RegisterClass.DEBUG:
      return insn.reg;
    case RegisterClass.MMX:
      return (method === AddressingMethod.REG_MMX ? insn.reg : insn.rm) & 7;
    case RegisterClass.XMM:
      if (method === AddressingMethod.FIXED_XMM) return specFixed[slot];
      return method === AddressingMethod.REG_XMM ? insn.reg : insn.rm;
    case RegisterClass.ST:
      return method === AddressingMethod.FIXED_ST ? 0 : insn.modrm & 7;
    default:
      return generalNumber(insn, method, slot);
  }
}

/**
 * Segment register 0..5 (ES CS SS DS FS GS) through which operand `i` reaches memory: the override, else SS for
 * addresses based on rSP and rBP, ES for rDI of string instructions, DS for the rest. -1 if it is not memory.
 */
export function operandSegment(insn: Instruction, i: number): number {
  switch (operandKind(insn, i)) {
    case OperandKind.MEMORY:
      if (insn.segment >= 0) return insn.segment;
      return insn.base === 4 || insn.base === 5 ? 2 : 3;
    case OperandKind.MEMORY_OFFSET:
    case OperandKind.MEMORY_SOURCE:
      return insn.segment >= 0 ? insn.segment : 3;
    case OperandKind.MEMORY_DESTINATION:
      return 0;
    default:
      return -1;
  }
}
