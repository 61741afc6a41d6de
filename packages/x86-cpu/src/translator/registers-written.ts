import { GPR, RBP, RSP } from "../state.ts";
import type { FlowGraph } from "./flow-graph.ts";

const bitOf = (address: number): number => {
  const register = (address - GPR(0)) >> 3;
  return register >= 0 && register < 16 ? 1 << register : 0;
};

/**
 * Registers that a region may write, as bits, from its records' fields alone: what an instruction writes without naming it
 * is added when the code has been emitted. The stack pointer and its kin are the usual ones.
 */
export function registersWritten({ blocks }: FlowGraph): number {
  let bits = 0;
  for (const { instructions } of blocks.values()) {
    for (const { records } of instructions) {
      for (const { dst, base } of records) {
        bits |= bitOf(dst);
        if (base === RSP || base === RBP) bits |= bitOf(RSP);
      }
    }
  }
  return bits;
}
