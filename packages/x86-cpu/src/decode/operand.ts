/** Where an operand is: the first letter of its code (Intel SDM vol. 2, appendix A.2.1). */
export const AddressingMethod = {
  /** E: general register or memory, by ModRM.rm. */
  MODRM_GENERAL: 0,
  /** G: general register by ModRM.reg. */
  REG_GENERAL: 1,
  /** M: memory only. */
  MODRM_MEMORY: 2,
  /** R: general register by ModRM.rm. */
  RM_GENERAL: 3,
  /** Z: general register by the opcode's low bits. */
  OPCODE_GENERAL: 4,
  /** S: segment register by ModRM.reg. */
  REG_SEGMENT: 5,
  /** C: control register by ModRM.reg. */
  REG_CONTROL: 6,
  /** D: debug register by ModRM.reg. */
  REG_DEBUG: 7,
  /** P: MMX register by ModRM.reg. */
  REG_MMX: 8,
  /** Q: MMX register or memory. */
  MODRM_MMX: 9,
  /** N: MMX register by ModRM.rm. */
  RM_MMX: 10,
  /** V: XMM register by ModRM.reg. */
  REG_XMM: 11,
  /** W: XMM register or memory. */
  MODRM_XMM: 12,
  /** U: XMM register by ModRM.rm. */
  RM_XMM: 13,
  /** I: immediate. */
  IMMEDIATE: 14,
  /** J: relative target. */
  RELATIVE: 15,
  /** A: far pointer in the instruction. */
  FAR_POINTER: 16,
  /** O: memory at an absolute offset. */
  OFFSET: 17,
  /** X: memory at DS:rSI. */
  STRING_SOURCE: 18,
  /** Y: memory at ES:rDI. */
  STRING_DESTINATION: 19,
  /** A general register named by the table. */
  FIXED_GENERAL: 20,
  /** A segment register named by the table. */
  FIXED_SEGMENT: 21,
  /** XMM0 as an implicit operand. */
  FIXED_XMM: 22,
  /** ST(0). */
  FIXED_ST: 23,
  /** ST(i) by ModRM.rm. */
  RM_ST: 24,
  /** The constant 1 of the shifts. */
  CONSTANT: 25,
} as const;

/** Width codes (appendix A.2.2): bytes 1..16 stand for themselves, the rest depend on the instruction. */
export const OperandWidth = {
  NONE: 0,
  B: 1,
  W: 2,
  D: 4,
  P6: 6,
  Q: 8,
  T: 10,
  DQ: 16,
  /** v: the operand size. */
  V: 32,
  /** z: the operand size, at most 4. */
  Z: 33,
  /** y: 8 with REX.W, else 4. */
  Y: 34,
  /** n: 8 in 64-bit mode, else 4. */
  N: 35,
  /** p: far pointer, 2 bytes and the operand size. */
  P: 36,
  /** s: limit and base of a descriptor table, 6 or 10. */
  S: 37,
  /** a: pair of bounds, twice the operand size. */
  A: 38,
  /** e: x87 environment, 14 or 28. */
  E: 39,
  /** x87: FSAVE image, 94 or 108. */
  X87: 40,
  /** fx: FXSAVE image, 512. */
  FX: 41,
  /** xs: XSAVE area, 576 and more: its size is not in the instruction, so 0. */
  XS: 42,
  /** The pair compared by CMPXCHG8B/16B: 8, or 16 with REX.W. */
  PAIR: 43,
} as const;

/** What an operand of a decoded instruction is. */
export const OperandKind = {
  REGISTER: 0,
  /** Memory by ModRM: base, index, scale, disp of the instruction. */
  MEMORY: 1,
  /** Memory at the absolute offset dispHi:disp (`Ob`, `Ov`). */
  MEMORY_OFFSET: 2,
  /** Memory at the source segment (DS or an override) and rSI. */
  MEMORY_SOURCE: 3,
  /** Memory at ES:rDI. */
  MEMORY_DESTINATION: 4,
  IMMEDIATE: 5,
  /** Target = address of the next instruction + immediate. */
  RELATIVE: 6,
  /** imm2 = selector, imm = offset. */
  FAR_POINTER: 7,
} as const;

export const RegisterClass = {
  NONE: -1,
  /** AL CL DL BL SPL BPL SIL DIL R8B...: low byte of general register 0..15. */
  GPR8: 0,
  /** AH CH DH BH: bits 15:8 of general register 0..3. */
  GPR8_HIGH: 1,
  GPR16: 2,
  GPR32: 3,
  GPR64: 4,
  SEGMENT: 5,
  CONTROL: 6,
  DEBUG: 7,
  MMX: 8,
  XMM: 9,
  ST: 10,
} as const;
