import { type Instruction, OperandKind, operandKind, operandSize } from "../decode/index.ts";

/** Instructions that only read a first operand in memory, or ask by themselves where they write it; x87 ones apart. */
const READS: ReadonlySet<string> = new Set([
  ...["cmp", "test", "bt", "push", "call", "jmp", "callf", "jmpf", "mul", "imul", "div", "idiv"],
  ...["clflush", "ldmxcsr", "fxrstor", "xrstor", "verr", "verw", "arpl"],
]);
const X87_STORES = /^(fst|fist|fbstp|fnst|fnsave)/;
/** Least size of an XSAVE area: the legacy image and the header. */
const XSAVE_BYTES = 576;

/** Result of `memoryAccess`. */
export const access = { bytes: 0, write: false };

/** How many bytes of its memory operand an instruction reads or writes, and whether it writes any: into `access`. */
export function memoryAccess(insn: Instruction): void {
  const { mnemonic, operands } = insn.entry;
  access.bytes = 1;
  access.write = false;
  for (let i = 0; i < operands.length; i++) {
    const kind = operandKind(insn, i);
    if (kind !== OperandKind.MEMORY && kind !== OperandKind.MEMORY_OFFSET) continue;
    access.bytes = operandSize(insn, i) || XSAVE_BYTES;
    if (i > 0) return;
    access.write = mnemonic.startsWith("f") && mnemonic !== "fxsave" ? X87_STORES.test(mnemonic) : !READS.has(mnemonic);
    return;
  }
}
