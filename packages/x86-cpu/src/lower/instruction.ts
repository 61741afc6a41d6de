import { type Instruction, opcodeEntries } from "../decode/index.ts";
import { type BlockWriter, NoHandlerError } from "./block-writer.ts";
import { lowerControl } from "./control.ts";
import { isFloatingPoint } from "./floating-point.ts";
import { integerRules } from "./integer.ts";
import { lowerVector } from "./vector.ts";
import { lowerX87 } from "./x87.ts";

/** Entries that raise #UD whatever they are given. */
const undefinedEntries = new Set(opcodeEntries.filter(({ mnemonic }) => mnemonic.startsWith("ud")));
/** Entries with MMX or XMM registers among their operands. */
const vectorEntries = new Set(
  opcodeEntries.filter(({ operands }) => operands.some(({ method }) => method >= 8 && method <= 13)),
);

/**
 * Writes the records of an instruction.
 * @param fpuUnavailable CR0.TS or CR0.EM: x87, MMX and SSE instructions raise #NM
 * @param kernel CPL 0: POPF is privileged work
 * @returns whether it is a near transfer of control
 * @throws NoHandlerError for one without semantics
 */
export function lowerInstruction(
  insn: Instruction,
  writer: BlockWriter,
  fpuUnavailable: boolean,
  kernel: boolean,
): boolean {
  const { entry } = insn;
  if (writer.segmented) writer.form("fetch", 4, "n");
  if (undefinedEntries.has(entry)) writer.handler("fault.UD8.n");
  else if (fpuUnavailable && isFloatingPoint(insn)) writer.handler("fault.NM8.n");
  else if (kernel && entry.family === "popf") writer.handler("system");
  else if (lowerControl(insn, writer)) return true;
  else {
    const rule = integerRules.get(entry.family);
    if (rule !== undefined && !vectorEntries.has(entry)) rule(insn, writer);
    else if (!lowerVector(insn, writer) && !lowerX87(insn, writer)) throw new NoHandlerError(entry.mnemonic);
  }
  return false;
}
