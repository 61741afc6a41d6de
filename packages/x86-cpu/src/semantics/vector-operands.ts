import { AddressingMethod, type OpcodeEntry, type OperandSpec, OperandWidth } from "../decode/index.ts";

/** x = XMM register, p = MMX register, r = general register, m = memory, i = immediate. */
export type VectorKind = "x" | "p" | "r" | "m" | "i";

/** Their general register or memory is 4 or 8 bytes, and it makes no difference to what they do. */
const widthAgnostic = new Set(["movmskps", "movmskpd", "pmovmskb", "pextrw"]);
const withoutVectorOperands = new Set(["ldmxcsr", "stmxcsr", "movnti"]);

/** Kinds that an operand of the opcode table can have; none for an implicit one. */
export function kindsOf(spec: OperandSpec): readonly VectorKind[] {
  switch (spec.method) {
    case AddressingMethod.REG_XMM:
    case AddressingMethod.RM_XMM:
      return ["x"];
    case AddressingMethod.REG_MMX:
    case AddressingMethod.RM_MMX:
      return ["p"];
    case AddressingMethod.MODRM_XMM:
      return ["x", "m"];
    case AddressingMethod.MODRM_MMX:
      return ["p", "m"];
    case AddressingMethod.REG_GENERAL:
      return ["r"];
    case AddressingMethod.MODRM_GENERAL:
      return ["r", "m"];
    case AddressingMethod.MODRM_MEMORY:
      return ["m"];
    case AddressingMethod.IMMEDIATE:
      return ["i"];
    default:
      return [];
  }
}

/** Whether an entry of the opcode table is MMX's or SSE's. EMMS is x87's, as is the state image. */
export function isVectorEntry(entry: OpcodeEntry): boolean {
  if (withoutVectorOperands.has(entry.mnemonic)) return true;
  return entry.operands.some(({ method }) => method >= AddressingMethod.REG_MMX && method <= AddressingMethod.RM_XMM);
}

/** Whether an entry's handlers differ by the width of a general register (REX.W). */
export function isSized(entry: OpcodeEntry): boolean {
  return (
    !widthAgnostic.has(entry.mnemonic) &&
    entry.operands.some((o) => o.width === OperandWidth.Y && o.memoryWidth === OperandWidth.Y)
  );
}

/** Name of a handler: "paddb.xm", "cvtsi2sd64.xr". */
export function vectorHandlerName(entry: OpcodeEntry, kinds: string, generalSize: 4 | 8): string {
  return `${entry.mnemonic}${isSized(entry) ? generalSize * 8 : ""}.${kinds}`;
}
