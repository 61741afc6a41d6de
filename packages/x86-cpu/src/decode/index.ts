export { Decoder, DecodeStatus, MAX_INSTRUCTION_LENGTH } from "./decoder.ts";
export { format } from "./format.ts";
export { BASE_RIP, createInstruction, type Instruction, Prefix } from "./instruction.ts";
export { Flow, type OpcodeEntry, OpcodeMap, OperandSizeRule, type OperandSpec } from "./opcode-entry.ts";
export { opcodeEntries } from "./opcode-table.ts";
export { AddressingMethod, OperandKind, OperandWidth, RegisterClass } from "./operand.ts";
export { operandClass, operandKind, operandRegister, operandSegment, operandSize } from "./operand-access.ts";
export { registerName } from "./register-names.ts";
