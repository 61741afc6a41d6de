import type { Instruction } from "../decode/index.ts";

const exempt = new Set(["prefetch", "prefetchw", "movnti", "crc32", "popcnt", "lfence", "mfence", "sfence", "clflush"]);
const stateInstructions = new Set([
  "fxsave",
  "fxrstor",
  "xsave",
  "xrstor",
  "xsaveopt",
  "ldmxcsr",
  "stmxcsr",
  "fwait",
  "emms",
]);

/** Whether an instruction needs the x87, MMX or SSE state, and so raises #NM while CR0.TS is set. */
export function isFloatingPoint(insn: Instruction): boolean {
  const { mnemonic, operands, map, opcode } = insn.entry;
  if (stateInstructions.has(mnemonic)) return true;
  if (exempt.has(mnemonic)) return false;
  if (map === 0) return opcode >= 0xd8 && opcode <= 0xdf;
  // Addressing methods of MMX and XMM registers.
  return operands.some(({ method }) => (method >= 8 && method <= 13) || method === 22);
}
