import { AddressingMethod, Flow, type Instruction } from "../decode/index.ts";
import { CONDITION_NAMES, type OperandSize } from "../semantics/context.ts";
import { segmentedName } from "../semantics/registry.ts";
import { GPR, RSP, TMP0 } from "../state.ts";
import type { BlockWriter } from "./block-writer.ts";

const FUSED_JUMPS = CONDITION_NAMES.map((condition) => `+j${condition}`);
const JUMPS = CONDITION_NAMES.map((condition) => `j${condition}.n`);

const plain = (name: string): string => name;

/**
 * Lowers a near control transfer; false if the instruction is none. The immediate of a direct one is its target as an
 * offset from the start of the block's page.
 */
export function lowerControl(insn: Instruction, writer: BlockWriter): boolean {
  const { family, flow, condition } = insn.entry;
  const { mode64 } = insn;
  const target = writer.position.next + insn.immLo;
  const kind = writer.segmented ? segmentedName : plain;
  switch (flow) {
    case Flow.CONDITIONAL:
      if (family !== "jcc") writer.handler(kind(`${family === "jecxz" ? "jcxz" : family}${insn.addrSize * 8}.n`));
      else if (writer.segmented) writer.handler(segmentedName(JUMPS[condition]));
      else writer.fuse(FUSED_JUMPS[condition]).handler(JUMPS[condition]);
      writer.target(target);
      return true;
    case Flow.JUMP:
      writer.handler(kind("jmp.n")).target(target);
      return true;
    case Flow.CALL:
      writer
        .handler(mode64 ? "call64.n" : kind("call32.n"))
        .base(RSP)
        .target(target);
      return true;
    case Flow.RETURN:
      writer
        .handler(mode64 ? "ret64.n" : kind("ret32.n"))
        .immediate(insn.immLo)
        .base(RSP);
      return true;
    case Flow.INDIRECT_JUMP:
      indirect(insn, writer, mode64 ? "jmpind64.r" : kind("jmpind32.r"));
      return true;
    case Flow.INDIRECT_CALL:
      indirect(insn, writer, mode64 ? "callind64.r" : kind("callind32.r"));
      return true;
    default:
      return false;
  }
}

function indirect(insn: Instruction, writer: BlockWriter, name: string): void {
  if (insn.entry.operands[0].method === AddressingMethod.MODRM_GENERAL && insn.hasMem) {
    writer.prepareMemory(insn);
    writer
      .form("mov", (insn.mode64 ? 8 : 4) as OperandSize, "rm")
      .dst(TMP0)
      .memory(insn);
    writer.handler(name).src(TMP0).base(RSP);
  } else writer.handler(name).src(GPR(insn.rm)).base(RSP);
}
