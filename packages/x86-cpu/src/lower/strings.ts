import type { Instruction } from "../decode/index.ts";
import type { OperandSize } from "../semantics/context.ts";
import { type OperandKinds, segmentedName } from "../semantics/registry.ts";
import { DS, ES, GPR, READ_BOUNDS, SEG_BASE, SS, WRITE_BOUNDS, ZERO } from "../state.ts";
import type { BlockWriter } from "./block-writer.ts";
import type { Rule } from "./rule.ts";

/** Kinds of a string form: the size of its addresses. */
const addressKinds = (insn: Instruction): OperandKinds => (insn.addrSize === 8 ? "n" : insn.addrSize === 4 ? "r" : "w");

/**
 * Whether a string instruction, or XLAT, asks the segments. Always with 16-bit addresses or a source in SS, which raises another
 * exception than the destination does: both are rare.
 */
function checksString(insn: Instruction, writer: BlockWriter): boolean {
  if (insn.mode64) return false;
  return insn.addrSize === 2 || insn.segment === SS || writer.isChecked(insn.segment >= 0 ? insn.segment : DS);
}

/** String instructions; the repeat prefix picks the form. */
function string(name: string, compares: boolean): Rule {
  return (insn, writer) => {
    let repeat = "";
    if (insn.rep !== 0) repeat = !compares ? "rep" : insn.rep === 0xf2 ? "repne" : "repe";
    const size = insn.opSize as OperandSize;
    const source = insn.segment >= 0 ? insn.segment : DS;
    const kinds = addressKinds(insn);
    if (checksString(insn, writer)) {
      const writes = name === "movs" || name === "stos";
      writer.form(segmentedName(`${repeat}${name}`), size, kinds).dst(READ_BOUNDS(source));
      writer.src(writes ? WRITE_BOUNDS(ES) : READ_BOUNDS(ES)).allowed();
    } else writer.form(`${repeat}${name}`, size, kinds);
    writer.base(insn.mode64 ? ZERO : SEG_BASE(0), writer.segmentBaseOfString(insn));
  };
}

const xlat: Rule = (insn, writer) => {
  const source = insn.segment >= 0 ? insn.segment : DS;
  const kinds = addressKinds(insn);
  if (checksString(insn, writer)) writer.form(segmentedName("xlat"), 1, kinds).dst(READ_BOUNDS(source));
  else writer.form("xlat", 1, kinds);
  writer.base(GPR(3), writer.segmentBaseOfString(insn));
};

/** String instructions and XLAT, by mnemonic. */
export const stringRules: readonly (readonly [string, Rule])[] = [
  ["movs", string("movs", false)],
  ["stos", string("stos", false)],
  ["lods", string("lods", false)],
  ["cmps", string("cmps", true)],
  ["scas", string("scas", true)],
  ["xlat", xlat],
];
