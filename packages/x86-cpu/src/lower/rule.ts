import type { Instruction } from "../decode/index.ts";
import type { BlockWriter } from "./block-writer.ts";

/** Writes the records of an instruction. Names of control transfers end the block; see lower/control.ts. */
export type Rule = (insn: Instruction, writer: BlockWriter) => void;
