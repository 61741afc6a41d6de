export type { AssembledCode } from "./assembler.ts";
export { Assembler } from "./assembler.ts";
export type { Condition } from "./opcodes.ts";
export type { Index, Memory, MemoryOperand, OperandSize, Register } from "./operands.ts";
export { byte, dword, qword, word } from "./operands.ts";
export * from "./registers.ts";
