import { OperandSizeRule } from "../../src/decode/opcode-entry.ts";
import { type TableRow, tableRows } from "../../src/decode/opcode-table.ts";
import { AddressingMethod as A, OperandWidth as W } from "../../src/decode/operand.ts";
import { excludedForms, excludedNames } from "./exclusions.ts";

export type Group = "integer" | "sse" | "mmx" | "x87";

/** One way to encode an instruction: a line of the opcode table at one operand size, with register or memory operand. */
export interface Form {
  readonly name: string;
  readonly row: TableRow;
  readonly group: Group;
  readonly compatibility: boolean;
  /** Operand size that prefixes ask for: 1, 2, 4, 8. */
  readonly size: number;
  /** The ModRM operand is memory. */
  readonly memory: boolean;
  readonly lock: boolean;
  /** F3H or F2H before a string instruction, or 0. */
  readonly repeat: number;
}

const SIZED_WIDTHS: readonly number[] = [W.V, W.Z, W.Y, W.P, W.A, W.E, W.X87, W.PAIR, W.FX, W.XS];

function groupOf({ entry }: TableRow): Group {
  if (entry.map === 0 && entry.opcode >= 0xd8 && entry.opcode <= 0xdf) return "x87";
  if (entry.mnemonic === "fwait") return "x87";
  const methods = entry.operands.map(({ method }) => method);
  const has = (...wanted: number[]) => methods.some((method) => wanted.includes(method));
  if (has(A.REG_XMM, A.MODRM_XMM, A.RM_XMM, A.FIXED_XMM)) return "sse";
  if (has(A.REG_MMX, A.MODRM_MMX, A.RM_MMX) || entry.mnemonic === "emms") return "mmx";
  return ["ldmxcsr", "stmxcsr", "fxsave", "fxrstor", "xsave", "xrstor", "xsaveopt"].includes(entry.mnemonic)
    ? "sse"
    : "integer";
}

function sizesOf({ entry }: TableRow, compatibility: boolean): number[] {
  const rule = entry.operandSizeRule;
  if (rule === OperandSizeRule.BYTE) return [1];
  const widths = entry.operands.flatMap(({ width, memoryWidth }) => [width, memoryWidth]);
  const sized =
    rule === OperandSizeRule.DEFAULT_64 ||
    rule === OperandSizeRule.FORCED_64 ||
    (!entry.nameByAddress && new Set(entry.names).size > 1) ||
    widths.some((width) => SIZED_WIDTHS.includes(width));
  if (!sized) return [4];
  // Only V, Z, P, A and the stack's own size follow 66H; Y and PAIR follow REX.W alone.
  const follows66 =
    rule === OperandSizeRule.DEFAULT_64 ||
    widths.some((width) => ([W.V, W.Z, W.P, W.A, W.E, W.X87] as number[]).includes(width)) ||
    (entry.operands.length === 0 && new Set(entry.names).size > 1);
  const narrow = follows66 && entry.prefix !== 0x66 && entry.prefix !== 0 ? [2] : [];
  if (compatibility) return rule === OperandSizeRule.FORCED_64 ? [4] : [...narrow, 4];
  // 66H before a near branch makes it 16 bits wide on AMD's processors and nothing on Intel's.
  if (rule === OperandSizeRule.FORCED_64) return [8];
  if (rule === OperandSizeRule.DEFAULT_64) return [...narrow, 8];
  return [...narrow, 4, 8];
}

function nameOf(form: Omit<Form, "name">): string {
  const { entry } = form.row;
  const at = entry.nameByAddress ? 1 : form.size === 2 ? 0 : form.size === 8 ? 2 : 1;
  const parts = [
    form.lock ? "lock " : "",
    form.repeat !== 0 ? (form.repeat === 0xf2 ? "repne " : "rep ") : "",
    entry.names[at],
    entry.pattern === "" ? "" : ` ${entry.pattern}`,
    ` [${entry.encoding}]`,
    entry.operandSizeRule === OperandSizeRule.BYTE ? "" : ` ${form.size * 8}`,
    entry.hasModrm ? (form.memory ? " mem" : " reg") : "",
    form.compatibility ? " compat" : "",
  ];
  return parts.join("");
}

/** Every form of the opcode table that is not excluded. */
export function allForms(): Form[] {
  const forms: Form[] = [];
  for (const row of tableRows) {
    const { entry } = row;
    if (excludedForms.has(entry.mnemonic)) continue;
    for (const compatibility of [false, true]) {
      if (compatibility ? entry.only64 : entry.invalid64) continue;
      if (compatibility && row.rexB) continue;
      const memories = !entry.hasModrm || entry.registerForm === 1 || entry.modIgnored ? [false] : [false, true];
      for (const size of sizesOf(row, compatibility)) {
        for (const memory of entry.registerForm === 0 && !entry.modIgnored ? [true] : memories) {
          const base = { row, group: groupOf(row), compatibility, size, memory };
          const variants = [{ ...base, lock: false, repeat: 0 }];
          if (entry.lockable && memory) variants.push({ ...base, lock: true, repeat: 0 });
          if (entry.repeatable) {
            for (const repeat of [0xf3, 0xf2]) variants.push({ ...base, lock: false, repeat });
          }
          for (const variant of variants) {
            const name = nameOf(variant);
            if (!excludedNames.some(([start]) => name.startsWith(start))) forms.push({ ...variant, name });
          }
        }
      }
    }
  }
  return forms;
}
