import { createInstruction, Decoder, DecodeStatus } from "../../src/decode/index.ts";
import type { Background, VectorCase, VectorResult } from "./case-format.ts";

const FIRST_SEGMENT_WITH_BASE = 4;
const USER_END = 1n << 47n;

/** They look into the descriptor tables, which such a kernel shares with what it runs under. */
const TABLES: ReadonlySet<string> = new Set("lar lsl verr verw lss lfs lgs retf callf jmpf iret int".split(" "));

const decoder = new Decoder();
const insn = createInstruction();

/**
 * Whether a result shows the processor alone. A kernel that is itself a guest in user mode (it has no compatibility mode
 * for programs either) enters its handlers by software: with a stack pointer outside of user memory the result is its #GP,
 * and bases of FS and GS do not live through a switch of tasks.
 */
export function isPlain(background: Background, c: VectorCase, result: VectorResult): boolean {
  if (result.segments !== undefined) return false;
  if ((c.gpr[4] ?? background.gpr[4]) >= USER_END || (result.gpr[4] ?? 0n) >= USER_END) return false;
  const buffer = new Uint8Array(32);
  buffer.set(c.code.subarray(c.entry - c.codeOffset).subarray(0, 15));
  const status = decoder.decode(buffer, 0, 15, !c.compatibility, insn);
  if (status !== DecodeStatus.OK) return true;
  const { mnemonic, operands } = insn.entry;
  // Such a kernel sees them first, and runs some itself.
  if (insn.entry.privileged) return false;
  const selectors = TABLES.has(mnemonic) || operands.some(({ code }) => code === "Sw" || /^[DEFGS]S$/.test(code));
  return !selectors && insn.segment < FIRST_SEGMENT_WITH_BASE;
}
