import type { Instruction } from "../decode/index.ts";
import { ASK_SEGMENT } from "../records.ts";
import type { BlockWriter } from "./block-writer.ts";

const REAL_KINDS: Readonly<Record<string, string>> = { Md: "m32", Mq: "m64", Mt: "m80" };
const INTEGER_KINDS: Readonly<Record<string, string>> = { Mw: "i16", Md: "i32", Mq: "i64" };

/** Integer arithmetic shares its handlers' names with real arithmetic; the operand kind tells them apart. */
const INTEGER_ARITHMETIC = /^fi(add|mul|subr?|divr?)$/;
const ARITHMETIC = /^f(add|mul|subr?|divr?)$/;
/** Instructions with a register operand whose handler is their name alone. */
const REGISTER_ONLY = /^(fu?comi?p?|fxch|ffreep?|fstpnce|fcmov\w+)$/;
const IMAGES = new Set(["fldenv", "fnstenv", "fnsave", "frstor"]);
const IGNORED = new Set(["fneni", "fndisi", "fnsetpm"]);

/** Name of an instruction's handler without the `x87.` before it. */
function handlerOf(insn: Instruction): string {
  const { mnemonic, pattern } = insn.entry;
  if (IGNORED.has(mnemonic)) return "ignored";
  if (IMAGES.has(mnemonic)) return `${mnemonic}.${insn.opSize === 2 ? 16 : 32}`;
  if (mnemonic === "fnstsw") return pattern === "AX" ? "fnstsw.ax" : "fnstsw.m16";
  if (pattern === "" || mnemonic === "fbld" || mnemonic === "fbstp" || mnemonic === "fldcw" || mnemonic === "fnstcw") {
    return mnemonic;
  }
  if (insn.hasMem) {
    if (INTEGER_ARITHMETIC.test(mnemonic)) return `f${mnemonic.slice(2)}.${INTEGER_KINDS[pattern]}`;
    return `${mnemonic}.${(mnemonic.startsWith("fi") ? INTEGER_KINDS : REAL_KINDS)[pattern]}`;
  }
  if (REGISTER_ONLY.test(mnemonic)) return mnemonic;
  return ARITHMETIC.test(mnemonic) && pattern.startsWith("St0") ? `${mnemonic}.st0` : `${mnemonic}.sti`;
}

/** Lowers an x87 instruction or EMMS; false if it is none. */
export function lowerX87(insn: Instruction, writer: BlockWriter): boolean {
  const { map, opcode, mnemonic } = insn.entry;
  const isX87 = map === 0 && ((opcode >= 0xd8 && opcode <= 0xdf) || mnemonic === "fwait");
  if (!isX87 && mnemonic !== "emms") return false;
  if (writer.checksOperand(insn) && !mnemonic.startsWith("fn")) writer.wait();
  if (writer.checksOperand(insn) && IMAGES.has(mnemonic)) {
    writer.handler("system").immediate(ASK_SEGMENT);
    writer.useEa();
  } else if (insn.hasMem) writer.prepareMemory(insn);
  // The immediate is ST(i), the destination field the 11 bits that FOP keeps of the opcode.
  writer.handler(`x87.${handlerOf(insn)}`).immediate(insn.rm & 7);
  writer.dst(((insn.opcode & 7) << 8) | insn.modrm);
  if (insn.hasMem) writer.memory(insn);
  return true;
}
