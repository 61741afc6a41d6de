import type { OperandSpec } from "./opcode-entry.ts";
import { AddressingMethod as A, OperandWidth as W } from "./operand.ts";

const widths: Readonly<Record<string, number>> = {
  "": W.NONE,
  b: W.B,
  bs: W.B,
  w: W.W,
  ww: W.W,
  d: W.D,
  q: W.Q,
  t: W.T,
  dq: W.DQ,
  ps: W.DQ,
  pd: W.DQ,
  ss: W.D,
  sd: W.Q,
  v: W.V,
  z: W.Z,
  y: W.Y,
  n: W.N,
  p: W.P,
  s: W.S,
  a: W.A,
  e: W.E,
  x87: W.X87,
  fx: W.FX,
  xs: W.XS,
  pair: W.PAIR,
};

const methods: Readonly<Record<string, number>> = {
  E: A.MODRM_GENERAL,
  G: A.REG_GENERAL,
  M: A.MODRM_MEMORY,
  R: A.RM_GENERAL,
  Z: A.OPCODE_GENERAL,
  S: A.REG_SEGMENT,
  C: A.REG_CONTROL,
  D: A.REG_DEBUG,
  P: A.REG_MMX,
  Q: A.MODRM_MMX,
  N: A.RM_MMX,
  V: A.REG_XMM,
  W: A.MODRM_XMM,
  U: A.RM_XMM,
  I: A.IMMEDIATE,
  J: A.RELATIVE,
  A: A.FAR_POINTER,
  O: A.OFFSET,
  X: A.STRING_SOURCE,
  Y: A.STRING_DESTINATION,
};

/** Operands that need no field of the instruction: method, width, number (or value). */
const fixedOperands: Readonly<Record<string, readonly [method: number, width: number, fixed: number]>> = {
  AL: [A.FIXED_GENERAL, W.B, 0],
  CL: [A.FIXED_GENERAL, W.B, 1],
  AX: [A.FIXED_GENERAL, W.W, 0],
  DX: [A.FIXED_GENERAL, W.W, 2],
  eAX: [A.FIXED_GENERAL, W.Z, 0],
  rAX: [A.FIXED_GENERAL, W.V, 0],
  ES: [A.FIXED_SEGMENT, W.W, 0],
  CS: [A.FIXED_SEGMENT, W.W, 1],
  SS: [A.FIXED_SEGMENT, W.W, 2],
  DS: [A.FIXED_SEGMENT, W.W, 3],
  FS: [A.FIXED_SEGMENT, W.W, 4],
  GS: [A.FIXED_SEGMENT, W.W, 5],
  XMM0: [A.FIXED_XMM, W.DQ, 0],
  St0: [A.FIXED_ST, W.T, 0],
  Sti: [A.RM_ST, W.T, -1],
  "1": [A.CONSTANT, W.B, 1],
};

function widthOf(code: string, letters: string): number {
  const width = widths[letters];
  if (width === undefined) throw new Error(`opcode table: no width "${letters}" in operand ${code}`);
  return width;
}

/** The meaning of one operand code of the opcode table. */
export function parseOperandCode(code: string): OperandSpec {
  const fixed = fixedOperands[code];
  if (fixed) return { code, method: fixed[0], width: fixed[1], memoryWidth: fixed[1], fixed: fixed[2] };
  const [first, memory] = code.split("/");
  if (memory !== undefined) {
    if (first[0] !== "R" || memory[0] !== "M") throw new Error(`opcode table: operand ${code} is not R?/M?`);
    const width = widthOf(code, first.slice(1));
    return { code, method: A.MODRM_GENERAL, width, memoryWidth: widthOf(code, memory.slice(1)), fixed: -1 };
  }
  const method = methods[code[0]];
  if (method === undefined) throw new Error(`opcode table: no addressing method in operand ${code}`);
  const width = widthOf(code, code.slice(1));
  return { code, method, width, memoryWidth: width, fixed: -1 };
}

/** Does an operand of this method take part of a ModRM byte? */
export function usesModrm(method: number): boolean {
  return method <= A.RM_XMM ? method !== A.OPCODE_GENERAL : method === A.RM_ST;
}

/** Does this method allow only a register (1), only memory (0), or both (-1) in ModRM.rm? */
export function registerFormOf(method: number): number {
  if (method === A.MODRM_MEMORY) return 0;
  const registerOnly = method === A.RM_GENERAL || method === A.RM_MMX || method === A.RM_XMM || method === A.RM_ST;
  return registerOnly ? 1 : -1;
}
