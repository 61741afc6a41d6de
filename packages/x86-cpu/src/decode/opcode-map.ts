import type { OpcodeEntry } from "./opcode-entry.ts";
import { type TableRow, tableRows } from "./opcode-table.ts";
import { AddressingMethod, OperandWidth } from "./operand.ts";

/*
 * The table compiled to flat arrays. A leaf is an entry's id + 1, or 0 for an invalid opcode. A slot of `rootLeaves` is a
 * leaf, or names four slots in `prefixLeaves` (chosen by the mandatory prefix), each of them a leaf or the number of 72
 * leaves in `modrmLeaves`: 8 memory forms by ModRM.reg, then 64 register forms by ModRM.reg and ModRM.rm.
 */

/** Slot bit: the rest is an index into `prefixLeaves`, in fours. */
export const PREFIX_NODE = 0x8000;
/** Slot bit: the rest is an index into `modrmLeaves`, in 72s. */
export const MODRM_NODE = 0x4000;
/** Mask of the number in a slot. */
export const NODE_MASK = 0x3fff;
/** Leaves of one ModRM node. */
export const MODRM_NODE_SIZE = 72;

/** Bits of `entryInfo`. */
export const EntryInfo = {
  HAS_MODRM: 1 << 0,
  /** Two bits: `OperandSizeRule`. */
  SIZE_RULE_SHIFT: 1,
  /** 66H selects the form, so it does not change the operand size. */
  PREFIX_66: 1 << 3,
  LOCKABLE: 1 << 4,
  REPEATABLE: 1 << 5,
  /** ModRM.rm is a register whatever mod says. */
  MOD_IGNORED: 1 << 6,
  /** Two bits: `RegisterCheck`. */
  REGISTER_CHECK_SHIFT: 7,
  /** Four bits: `ImmediateKind`. */
  IMMEDIATE_SHIFT: 9,
} as const;

/** Register numbers in ModRM.reg that make the opcode invalid. */
export const RegisterCheck = {
  NONE: 0,
  /** Segment registers end at GS; CS cannot be loaded. */
  SEGMENT: 1,
  /** CR0, CR2, CR3, CR4, CR8. */
  CONTROL: 2,
  /** DR0..DR7. */
  DEBUG: 3,
} as const;

/** What follows the ModRM bytes. */
export const ImmediateKind = {
  NONE: 0,
  BYTE: 1,
  BYTE_SIGNED: 2,
  WORD: 3,
  /** 2 or 4 bytes, sign-extended. */
  Z: 4,
  /** 2, 4 or 8 bytes. */
  V: 5,
  WORD_BYTE: 6,
  FAR_POINTER: 7,
  /** An absolute address of the address size. */
  OFFSET: 8,
} as const;

const prefixSlots = [0, 0x66, 0xf3, 0xf2];

/** Does the row stand in this cell (prefix slot, ModRM cell)? */
function covers({ entry, modrm, modrmSpan }: TableRow, prefix: number, cell: number): boolean {
  if (entry.prefix >= 0 && entry.prefix !== prefix) return false;
  const isRegister = cell >= 8;
  const byte = 0xc0 + cell - 8;
  if (modrm >= 0) return isRegister && byte >= modrm && byte < modrm + modrmSpan;
  if (entry.registerForm >= 0 && entry.registerForm !== (isRegister ? 1 : 0)) return false;
  return entry.digit < 0 || entry.digit === (isRegister ? (byte >> 3) & 7 : cell);
}

/** The more a row asks for, the earlier it is taken. */
function specificity({ entry, modrm, modrmSpan }: TableRow): number {
  const prefix = entry.prefix >= 0 ? 1 : 0;
  const form = entry.registerForm >= 0 ? 2 : 0;
  const digit = entry.digit >= 0 ? 4 : 0;
  return prefix + form + digit + (modrm >= 0 && modrmSpan === 1 ? 8 : 0);
}

function bestRow(rows: readonly TableRow[], prefix: number, cell: number): number {
  let best: TableRow | null = null;
  for (const row of rows) {
    if (!covers(row, prefix, cell)) continue;
    if (best !== null && specificity(best) === specificity(row)) {
      throw new Error(`opcode table: "${best.entry.encoding}" and "${row.entry.encoding}" overlap`);
    }
    if (best === null || specificity(row) > specificity(best)) best = row;
  }
  return best === null ? 0 : best.entry.id + 1;
}

/** Collects equal runs of leaves once. */
class NodePool {
  readonly #numbers = new Map<string, number>();
  readonly leaves: number[] = [];
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  add(leaves: readonly number[]): number {
    const key = leaves.join();
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.leaves.length / this.#size;
      this.#numbers.set(key, number);
      this.leaves.push(...leaves);
    }
    return number;
  }
}

const prefixPool = new NodePool(4);
const modrmPool = new NodePool(MODRM_NODE_SIZE);

function compileOpcode(rows: readonly TableRow[]): number {
  if (rows.length === 0) return 0;
  const hasModrm = rows[0].entry.hasModrm;
  if (rows.some(({ entry }) => entry.hasModrm !== hasModrm)) {
    throw new Error(`opcode table: "${rows[0].entry.encoding}" has a ModRM byte in some lines only`);
  }
  const slots = prefixSlots.map((prefix) => {
    const cells: number[] = [];
    for (let cell = 0; cell < (hasModrm ? MODRM_NODE_SIZE : 1); cell++) cells.push(bestRow(rows, prefix, cell));
    return cells.every((leaf) => leaf === cells[0]) ? cells[0] : MODRM_NODE | modrmPool.add(cells);
  });
  return slots.every((slot) => slot === slots[0]) ? slots[0] : PREFIX_NODE | prefixPool.add(slots);
}

function compileRoot(): Uint16Array {
  const byOpcode: TableRow[][] = Array.from({ length: 0x400 }, () => []);
  for (const row of tableRows) {
    if (row.rexB) continue;
    for (let i = 0; i < row.span; i++) byOpcode[row.entry.map * 0x100 + row.entry.opcode + i].push(row);
  }
  const root = new Uint16Array(0x800);
  for (const [index, rows] of byOpcode.entries()) {
    root[index] = compileOpcode(rows.filter(({ entry }) => !entry.only64));
    root[0x400 + index] = compileOpcode(rows.filter(({ entry }) => !entry.invalid64));
  }
  return root;
}

function immediateKind({ operands, mnemonic }: OpcodeEntry): number {
  if (mnemonic === "enter") return ImmediateKind.WORD_BYTE;
  for (const { method, width, code } of operands) {
    if (method === AddressingMethod.OFFSET) return ImmediateKind.OFFSET;
    if (method === AddressingMethod.FAR_POINTER) return ImmediateKind.FAR_POINTER;
    const isRelative = method === AddressingMethod.RELATIVE;
    if (!isRelative && method !== AddressingMethod.IMMEDIATE) continue;
    if (width === OperandWidth.B) return isRelative || code === "Ibs" ? ImmediateKind.BYTE_SIGNED : ImmediateKind.BYTE;
    if (width === OperandWidth.W) return ImmediateKind.WORD;
    return width === OperandWidth.Z ? ImmediateKind.Z : ImmediateKind.V;
  }
  return ImmediateKind.NONE;
}

function registerCheck({ operands }: OpcodeEntry): number {
  for (const { method } of operands) {
    if (method === AddressingMethod.REG_SEGMENT) return RegisterCheck.SEGMENT;
    if (method === AddressingMethod.REG_CONTROL) return RegisterCheck.CONTROL;
    if (method === AddressingMethod.REG_DEBUG) return RegisterCheck.DEBUG;
  }
  return RegisterCheck.NONE;
}

function infoOf(entry: OpcodeEntry): number {
  return (
    (entry.hasModrm ? EntryInfo.HAS_MODRM : 0) |
    (entry.operandSizeRule << EntryInfo.SIZE_RULE_SHIFT) |
    (entry.prefix === 0x66 ? EntryInfo.PREFIX_66 : 0) |
    (entry.lockable ? EntryInfo.LOCKABLE : 0) |
    (entry.repeatable ? EntryInfo.REPEATABLE : 0) |
    (entry.modIgnored ? EntryInfo.MOD_IGNORED : 0) |
    (registerCheck(entry) << EntryInfo.REGISTER_CHECK_SHIFT) |
    (immediateKind(entry) << EntryInfo.IMMEDIATE_SHIFT)
  );
}

/** Slots by mode (0x400 = 64-bit), map (times 0x100) and opcode byte. */
export const rootLeaves: Uint16Array = compileRoot();
export const prefixLeaves: Uint16Array = Uint16Array.from(prefixPool.leaves);
export const modrmLeaves: Uint16Array = Uint16Array.from(modrmPool.leaves);
/** `EntryInfo` by entry id. */
export const entryInfo: Uint32Array = Uint32Array.from(tableRows, ({ entry }) => infoOf(entry));
/** The leaf of opcode 90H without F3H, which REX.B turns into an exchange with R8. */
export const nopLeaf: number = rootLeaves[0x490] & PREFIX_NODE ? prefixLeaves[(rootLeaves[0x490] & NODE_MASK) * 4] : 0;
/** The leaf of F3 90H, which REX.B turns into the same exchange. */
export const pauseLeaf: number = nopLeaf === 0 ? 0 : prefixLeaves[(rootLeaves[0x490] & NODE_MASK) * 4 + 2];
/** The leaf of that exchange. */
export const xchgR8Leaf: number = tableRows.findIndex(({ rexB }) => rexB) + 1;
