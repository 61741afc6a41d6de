import type { FunctionBuilder } from "@xen-node/wasm-emit";
import type { Place } from "./flow-graph.ts";

/** An entry has place and state, int32 each: its byte offset is its number shifted by this. */
export const TARGET_ENTRY_SHIFT = 3;
/** Slots for each target: with fewer too many share one. */
const ROOM = 2;
const MULTIPLIERS = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f, 0x165667b1, 0xd3a2646d] as const;

/**
 * Where a region's indirect transfers find their targets: a hash table with one look, made so that few of the targets
 * share a slot. Those that lose theirs are found by the hub.
 */
export interface TargetTable {
  /** Slots of place and state. */
  readonly words: Int32Array;
  /** The byte offset of a place's slot is ((place * multiplier) >>> shift) << 3. */
  readonly multiplier: number;
  readonly shift: number;
}

/** @param targets places and the states by which a dispatcher knows them */
export function targetTable(targets: ReadonlyMap<Place, number>): TargetTable {
  const bits = Math.max(1, Math.ceil(Math.log2(targets.size * ROOM)));
  const shift = 32 - bits;
  let best: Int32Array | undefined;
  let multiplier: number = MULTIPLIERS[0];
  let most = -1;
  for (const candidate of MULTIPLIERS) {
    const slotOf = (place: number): number => (Math.imul(place, candidate) >>> shift) << 1;
    const words = new Int32Array(2 << bits);
    // An empty slot names a place that is looked for elsewhere: 0, and in the slot of that one another.
    for (let other = 1; slotOf(words[0]) === 0; other++) words[0] = other;
    let kept = 0;
    for (const [place, state] of targets) {
      const slot = slotOf(place);
      if (words[slot + 1] !== 0) continue;
      words[slot] = place;
      words[slot + 1] = state;
      kept++;
    }
    if (kept > most) {
      best = words;
      most = kept;
      multiplier = candidate;
    }
    if (kept === targets.size) break;
  }
  return { words: best!, multiplier: multiplier | 0, shift };
}

/**
 * Pushes whether the place in a local is in the table, and sets a local to its state.
 * @param data the global with the address that the table's words lie behind, at `at`
 * @param locals place (i64), and i32 ones for the slot and the state
 */
export function pushFindTarget(
  f: FunctionBuilder,
  data: number,
  { at, multiplier, shift }: TargetTable & { readonly at: number },
  locals: { readonly place: number; readonly slot: number; readonly state: number },
): void {
  const { place, slot, state } = locals;
  f.get(place).get(place).i32_wrap_i64().i32_const(multiplier).i32_mul().i32_const(shift).i32_shr_u();
  f.i32_const(TARGET_ENTRY_SHIFT)
    .i32_shl()
    .globalGet(data)
    .i32_add()
    .tee(slot)
    .i32_load(at + 4)
    .set(state);
  f.get(slot).i64_load32_s(at).i64_eq();
}
