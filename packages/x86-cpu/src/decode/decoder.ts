import type { Instruction } from "./instruction.ts";
import { Prefix } from "./instruction.ts";
import { OperandSizeRule } from "./opcode-entry.ts";
import {
  EntryInfo,
  entryInfo,
  ImmediateKind,
  MODRM_NODE,
  MODRM_NODE_SIZE,
  modrmLeaves,
  NODE_MASK,
  nopLeaf,
  PREFIX_NODE,
  pauseLeaf,
  prefixLeaves,
  RegisterCheck,
  rootLeaves,
  xchgR8Leaf,
} from "./opcode-map.ts";
import { opcodeEntries } from "./opcode-table.ts";

/** What `Decoder.decode` answers. */
export const DecodeStatus = {
  OK: 0,
  /** The instruction goes on past the `available` bytes. */
  NEED_MORE: 1,
  /** Invalid opcode: #UD. */
  UD: 2,
  /** Longer than 15 bytes: #GP(0). */
  TOO_LONG: 3,
} as const;

/** Longest instruction, in bytes. */
export const MAX_INSTRUCTION_LENGTH = 15;

/** `Prefix` bit of each legacy prefix byte; REX_PREFIX for 40H..4FH (in 64-bit mode); 0 for the rest. */
const REX_PREFIX = 1 << 15;
const prefixBits = new Uint16Array(0x200);
for (const [byte, bit] of [
  [0x26, Prefix.ES],
  [0x2e, Prefix.CS],
  [0x36, Prefix.SS],
  [0x3e, Prefix.DS],
  [0x64, Prefix.FS],
  [0x65, Prefix.GS],
  [0x66, Prefix.OPERAND_SIZE],
  [0x67, Prefix.ADDRESS_SIZE],
  [0xf0, Prefix.LOCK],
  [0xf2, Prefix.REPNE],
  [0xf3, Prefix.REP],
]) {
  prefixBits[byte] = bit;
  prefixBits[0x100 + byte] = bit;
}
prefixBits.fill(REX_PREFIX, 0x140, 0x150);

const SEGMENT_PREFIXES = Prefix.ES | Prefix.CS | Prefix.SS | Prefix.DS | Prefix.FS | Prefix.GS;

/** Base and index registers of the 16-bit addressing forms (SDM vol. 2, table 2-1). */
const bases16 = [3, 3, 5, 5, 6, 7, 5, 3];
const indexes16 = [6, 7, 6, 7, -1, -1, -1, -1];

/** Control registers that exist: 0, 2, 3, 4, 8. */
const controlRegisters = 0b1_0001_1101;

function read32(bytes: Uint8Array, p: number): number {
  return bytes[p] | (bytes[p + 1] << 8) | (bytes[p + 2] << 16) | (bytes[p + 3] << 24);
}

/**
 * Reads a memory operand's SIB byte and displacement at `p`. Answers the position after them, or -1 if they run past
 * `limit`.
 */
function decodeMemory(bytes: Uint8Array, p: number, limit: number, out: Instruction): number {
  const { mod, rex } = out;
  const low = out.modrm & 7;
  let displacementSize = mod === 1 ? 1 : mod === 2 ? 4 : 0;
  out.index = -1;
  out.scale = 0;
  if (out.addrSize === 2) {
    out.base = bases16[low];
    out.index = indexes16[low];
    if (mod === 2) displacementSize = 2;
    else if (mod === 0 && low === 6) {
      out.base = -1;
      displacementSize = 2;
    }
  } else if (low === 4) {
    if (p >= limit) return -1;
    const sib = bytes[p++];
    const index = ((sib >> 3) & 7) | ((rex & 2) << 2);
    if (index !== 4) {
      out.index = index;
      out.scale = sib >> 6;
    }
    if ((sib & 7) === 5 && mod === 0) {
      out.base = -1;
      displacementSize = 4;
    } else out.base = (sib & 7) | ((rex & 1) << 3);
  } else if (low === 5 && mod === 0) {
    out.base = out.mode64 ? 16 : -1;
    displacementSize = 4;
  } else out.base = low | ((rex & 1) << 3);

  let disp = 0;
  if (displacementSize !== 0) {
    if (p + displacementSize > limit) return -1;
    if (displacementSize === 1) disp = (bytes[p] << 24) >> 24;
    else if (displacementSize === 4) disp = read32(bytes, p);
    else disp = ((bytes[p] | (bytes[p + 1] << 8)) << 16) >> 16;
    p += displacementSize;
  }
  out.disp = disp;
  out.dispHi = disp >> 31;
  return p;
}

/** Reads what follows the ModRM bytes at `p`. Answers the position after it, or -1 if it runs past `limit`. */
function decodeImmediate(bytes: Uint8Array, p: number, limit: number, kind: number, out: Instruction): number {
  switch (kind) {
    case ImmediateKind.BYTE:
    case ImmediateKind.BYTE_SIGNED:
      if (p >= limit) return -1;
      out.immLo = kind === ImmediateKind.BYTE ? bytes[p] : (bytes[p] << 24) >> 24;
      out.immHi = out.immLo >> 31;
      return p + 1;
    case ImmediateKind.WORD:
    case ImmediateKind.WORD_BYTE: {
      const end = kind === ImmediateKind.WORD ? p + 2 : p + 3;
      if (end > limit) return -1;
      out.immLo = bytes[p] | (bytes[p + 1] << 8);
      if (kind === ImmediateKind.WORD_BYTE) out.imm2 = bytes[p + 2];
      return end;
    }
    case ImmediateKind.Z:
      if (out.opSize === 2) {
        if (p + 2 > limit) return -1;
        out.immLo = ((bytes[p] | (bytes[p + 1] << 8)) << 16) >> 16;
        out.immHi = out.immLo >> 31;
        return p + 2;
      }
      if (p + 4 > limit) return -1;
      out.immLo = read32(bytes, p);
      out.immHi = out.immLo >> 31;
      return p + 4;
    case ImmediateKind.V:
      if (p + out.opSize > limit) return -1;
      out.immLo = out.opSize === 2 ? bytes[p] | (bytes[p + 1] << 8) : read32(bytes, p);
      if (out.opSize === 8) out.immHi = read32(bytes, p + 4);
      return p + out.opSize;
    case ImmediateKind.FAR_POINTER: {
      const size = out.opSize;
      if (p + size + 2 > limit) return -1;
      out.immLo = size === 2 ? bytes[p] | (bytes[p + 1] << 8) : read32(bytes, p);
      out.imm2 = bytes[p + size] | (bytes[p + size + 1] << 8);
      return p + size + 2;
    }
    case ImmediateKind.OFFSET: {
      const size = out.addrSize;
      if (p + size > limit) return -1;
      out.disp = size === 2 ? bytes[p] | (bytes[p + 1] << 8) : read32(bytes, p);
      out.dispHi = size === 8 ? read32(bytes, p + 4) : 0;
      return p + size;
    }
    default:
      return p;
  }
}

function operandSize(info: number, mode64: boolean, rex: number, prefixes: number): number {
  const rule = (info >> EntryInfo.SIZE_RULE_SHIFT) & 3;
  if (rule === OperandSizeRule.BYTE) return 1;
  const has66 = (prefixes & Prefix.OPERAND_SIZE) !== 0 && (info & EntryInfo.PREFIX_66) === 0;
  if (!mode64) return has66 ? 2 : 4;
  if (rule === OperandSizeRule.FORCED_64 || (rex & 8) !== 0) return 8;
  if (has66) return 2;
  return rule === OperandSizeRule.DEFAULT_64 ? 8 : 4;
}

function registerIsInvalid(check: number, out: Instruction): boolean {
  if (check === RegisterCheck.CONTROL) return ((controlRegisters >> out.reg) & 1) === 0;
  if (check === RegisterCheck.DEBUG) return out.reg > 7;
  const segment = out.reg & 7;
  // 8EH loads the register, and CS cannot be loaded so.
  return segment > 5 || (segment === 1 && out.opcode === 0x8e);
}

/** Turns bytes into instructions, for 64-bit mode and 32-bit compatibility mode. Holds no state between calls. */
export class Decoder {
  /**
   * Decodes the instruction at `bytes[offset]`, of which `available` bytes may be read (15 are always enough), into
   * `out`. Answers a `DecodeStatus`; unless it is OK, only `prefixes`, `rex` and `mode64` of `out` are meaningful.
   */
  decode(bytes: Uint8Array, offset: number, available: number, mode64: boolean, out: Instruction): number {
    const limit = offset + Math.min(available, MAX_INSTRUCTION_LENGTH);
    const short = available < MAX_INSTRUCTION_LENGTH ? DecodeStatus.NEED_MORE : DecodeStatus.TOO_LONG;
    const modeOffset = mode64 ? 0x100 : 0;
    let p = offset;
    let prefixes = 0;
    let rex = 0;
    let rawRep = 0;
    let segment = -1;
    let byte = 0;
    for (;;) {
      if (p >= limit) return short;
      byte = bytes[p++];
      const bit = prefixBits[modeOffset + byte];
      if (bit === 0) break;
      if (bit === REX_PREFIX) {
        rex = byte;
        continue;
      }
      // A REX prefix counts only right before the opcode.
      rex = 0;
      prefixes |= bit;
      if ((bit & (Prefix.REP | Prefix.REPNE)) !== 0) rawRep = byte;
      else if ((bit & SEGMENT_PREFIXES) !== 0 && (!mode64 || bit >= Prefix.FS)) segment = 31 - Math.clz32(bit);
    }

    let rootIndex = mode64 ? 0x400 : 0;
    if (byte === 0x0f) {
      if (p >= limit) return short;
      byte = bytes[p++];
      if (byte === 0x38 || byte === 0x3a) {
        rootIndex += byte === 0x38 ? 0x200 : 0x300;
        if (p >= limit) return short;
        byte = bytes[p++];
      } else rootIndex += 0x100;
    }
    out.mode64 = mode64;
    out.prefixes = prefixes;
    out.rawRep = rawRep;
    out.rex = rex;
    out.opcode = byte;

    let leaf = rootLeaves[rootIndex + byte];
    if ((leaf & PREFIX_NODE) !== 0) {
      const slot = rawRep !== 0 ? (rawRep === 0xf3 ? 2 : 3) : (prefixes & Prefix.OPERAND_SIZE) !== 0 ? 1 : 0;
      leaf = prefixLeaves[(leaf & NODE_MASK) * 4 + slot];
      if ((rex & 1) !== 0 && (leaf === nopLeaf || leaf === pauseLeaf)) leaf = xchgR8Leaf;
    }
    let modrm = -1;
    if ((leaf & MODRM_NODE) !== 0) {
      if (p >= limit) return short;
      modrm = bytes[p++];
      const cell = modrm >= 0xc0 ? modrm - 0xb8 : (modrm >> 3) & 7;
      leaf = modrmLeaves[(leaf & NODE_MASK) * MODRM_NODE_SIZE + cell];
    }
    if (leaf === 0) return DecodeStatus.UD;
    const id = leaf - 1;
    const info = entryInfo[id];
    out.entry = opcodeEntries[id];
    out.opSize = operandSize(info, mode64, rex, prefixes);
    const has67 = (prefixes & Prefix.ADDRESS_SIZE) !== 0;
    out.addrSize = mode64 ? (has67 ? 4 : 8) : has67 ? 2 : 4;
    out.segment = segment;
    out.lock = (prefixes & Prefix.LOCK) !== 0;
    out.rep = (info & EntryInfo.REPEATABLE) !== 0 ? rawRep : 0;
    out.hasMem = false;
    out.immLo = 0;
    out.immHi = 0;
    out.imm2 = 0;

    if ((info & EntryInfo.HAS_MODRM) !== 0) {
      if (modrm < 0) {
        if (p >= limit) return short;
        modrm = bytes[p++];
      }
      out.modrm = modrm;
      out.mod = modrm >> 6;
      out.reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
      const check = (info >> EntryInfo.REGISTER_CHECK_SHIFT) & 3;
      if (check !== RegisterCheck.NONE && registerIsInvalid(check, out)) return DecodeStatus.UD;
      if (modrm >= 0xc0 || (info & EntryInfo.MOD_IGNORED) !== 0) {
        out.rm = (modrm & 7) | ((rex & 1) << 3);
      } else {
        out.hasMem = true;
        out.rm = -1;
        p = decodeMemory(bytes, p, limit, out);
        if (p < 0) return short;
      }
    }
    const immediate = info >>> EntryInfo.IMMEDIATE_SHIFT;
    if (immediate !== ImmediateKind.NONE) {
      p = decodeImmediate(bytes, p, limit, immediate, out);
      if (p < 0) return short;
    }
    // Last, since an instruction that is too long or not all there is that first.
    if (out.lock && ((info & EntryInfo.LOCKABLE) === 0 || !out.hasMem)) return DecodeStatus.UD;
    out.length = p - offset;
    return DecodeStatus.OK;
  }
}
