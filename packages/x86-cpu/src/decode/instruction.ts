import type { OpcodeEntry } from "./opcode-entry.ts";
import { opcodeEntries } from "./opcode-table.ts";

/** Bits of `Instruction.prefixes`: every legacy prefix that stands before the opcode, whatever it does there. */
export const Prefix = {
  ES: 1 << 0,
  CS: 1 << 1,
  SS: 1 << 2,
  DS: 1 << 3,
  FS: 1 << 4,
  GS: 1 << 5,
  OPERAND_SIZE: 1 << 6,
  ADDRESS_SIZE: 1 << 7,
  LOCK: 1 << 8,
  REP: 1 << 9,
  REPNE: 1 << 10,
} as const;

/** `Instruction.base` of a RIP-relative operand. */
export const BASE_RIP = 16;

/** A decoded instruction. One object is reused for all decodes: copy what must outlive the next one. */
export interface Instruction {
  entry: OpcodeEntry;
  /** Bytes, 1..15. */
  length: number;
  /** Effective operand size in bytes: 1, 2, 4, 8. */
  opSize: number;
  /** Effective address size in bytes: 2, 4, 8. */
  addrSize: number;
  mode64: boolean;
  /** LOCK stands there (and is allowed: the decoder refuses it elsewhere). */
  lock: boolean;
  /** 0xf3 or 0xf2 before a string instruction, else 0. */
  rep: number;
  /** `Prefix` bits as they stand in the bytes. */
  prefixes: number;
  /** The last of F3H and F2H, as it stands in the bytes, or 0. */
  rawRep: number;
  /** Segment override that takes effect: 0..5 = ES CS SS DS FS GS, else -1. In 64-bit mode only FS and GS do. */
  segment: number;
  /** REX byte (0x40..0x4f), or 0. */
  rex: number;
  /** The opcode byte (its low 3 bits name a register in `+r` forms). */
  opcode: number;
  modrm: number;
  mod: number;
  /** ModRM.reg with REX.R, 0..15. */
  reg: number;
  /** ModRM.rm with REX.B, 0..15; -1 when it is memory. */
  rm: number;
  /** The ModRM operand is memory. */
  hasMem: boolean;
  /** Base register 0..15, 16 = RIP (of the next instruction), -1 = none. */
  base: number;
  /** Index register 0..15, -1 = none. */
  index: number;
  /** Shift of the index, 0..3. */
  scale: number;
  /** Displacement, sign-extended to int32; for `Ob`/`Ov` the low half of the address. */
  disp: number;
  /** High half of the displacement's sign extension; for `Ob`/`Ov` the high half of the address. */
  dispHi: number;
  /** Immediate (relative distance for `Jb`/`Jz`), low half, int32. Iz, Ibs, Jb and Jz are sign-extended, the rest zero-extended. */
  immLo: number;
  /** Immediate, high half, int32. */
  immHi: number;
  /** Second immediate: nesting level of ENTER, selector of a far pointer. */
  imm2: number;
}

/** A fresh mutable instruction for `Decoder.decode` to fill. */
export function createInstruction(): Instruction {
  return {
    entry: opcodeEntries[0],
    length: 0,
    opSize: 4,
    addrSize: 8,
    mode64: true,
    lock: false,
    rep: 0,
    prefixes: 0,
    rawRep: 0,
    segment: -1,
    rex: 0,
    opcode: 0,
    modrm: 0,
    mod: 0,
    reg: 0,
    rm: -1,
    hasMem: false,
    base: -1,
    index: -1,
    scale: 0,
    disp: 0,
    dispHi: 0,
    immLo: 0,
    immHi: 0,
    imm2: 0,
  };
}
