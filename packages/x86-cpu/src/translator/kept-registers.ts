import { Flow } from "../decode/index.ts";
import type { Place, RegionBlock } from "./flow-graph.ts";
import type { Item } from "./structure.ts";

/** Instructions of a loop at most that keeps registers in locals. */
const MOST_KEPT = 300;
/** Rounds of a loop within a recording that make that worth its price. */
const LEAST_ROUNDS = 40;

export type Loop = Extract<Item, { kind: "loop" }>;

/** Registers that the code of a loop reads or writes, and those that it writes, as bits. */
export interface LoopRegisters {
  readonly used: number;
  readonly written: number;
}

/**
 * Whether registers live in locals in a loop. That is faster where it goes round often; but the more blocks there are, the
 * more the engine moves registers about between them, and at a call all of them go to the state block.
 */
export function keepsRegisters({ nodes, header }: Loop, blocks: ReadonlyMap<Place, RegionBlock>): boolean {
  let instructions = 0;
  for (const place of nodes) {
    const block = blocks.get(place)!;
    const { flow } = block.instructions[block.instructions.length - 1];
    if (flow === Flow.CALL || flow === Flow.INDIRECT_CALL || flow === Flow.RETURN) return false;
    instructions += block.instructions.length;
  }
  return instructions <= MOST_KEPT && blocks.get(header)!.executions >= LEAST_ROUNDS;
}
