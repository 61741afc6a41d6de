import type { Instruction } from "../decode/index.ts";
import { type BlockWriter, NoHandlerError } from "./block-writer.ts";
import { lowerControl } from "./control.ts";
import { isFloatingPoint } from "./floating-point.ts";
import { integerRules } from "./integer.ts";
import { lowerVector } from "./vector.ts";
import { lowerX87 } from "./x87.ts";

/**
 * Writes the records of an instruction.
 * @param fpuUnavailable CR0.TS or CR0.EM: x87, MMX and SSE instructions raise #NM
 * @returns whether it is a near transfer of control
 * @throws NoHandlerError for one without semantics
 */
export function lowerInstruction(insn: Instruction, writer: BlockWriter, fpuUnavailable: boolean): boolean {
  const { entry } = insn;
  if (entry.mnemonic.startsWith("ud")) writer.handler("fault.UD8.n");
  else if (fpuUnavailable && isFloatingPoint(insn)) writer.handler("fault.NM8.n");
  else if (lowerControl(insn, writer)) return true;
  else {
    const rule = integerRules.get(entry.family);
    const isVector = entry.operands.some((operand) => operand.method >= 8 && operand.method <= 13);
    if (rule !== undefined && !isVector) rule(insn, writer);
    else if (!lowerVector(insn, writer) && !lowerX87(insn, writer)) throw new NoHandlerError(entry.mnemonic);
  }
  return false;
}
