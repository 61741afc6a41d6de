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

/** A memory source leaves the x87 state alone (Intel SDM vol. 2, CVTPI2PD). */
const noTransition = new Set(["cvtpi2pd.xm", "cvtpi2ps.xm"]);

/** Whether an instruction with operands of those kinds turns x87's registers into MMX's. */
export function usesMmx(entry: OpcodeEntry, kinds: string): boolean {
  if (noTransition.has(`${entry.mnemonic}.${kinds.slice(0, 2)}`)) return false;
  return entry.operands.some(({ code }) => code[0] === "P" || code[0] === "Q" || code[0] === "N");
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
