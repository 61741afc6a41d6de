import { Flow } from "../decode/index.ts";
import type { RecordFields } from "./region-record.ts";

/**
 * Places in a region are offsets in bytes from the start of the page that its first block lies in (its anchor); the
 * region runs wherever its pages lie in that order.
 */
export type Place = number;

/** An instruction as its records; `records` is empty for what only the interpreter does. */
export interface RegionInstruction {
  readonly place: Place;
  readonly length: number;
  readonly flow: number;
  /** Of a direct transfer. */
  readonly target: Place | undefined;
  readonly records: readonly RecordFields[];
}

export interface RegionBlock {
  readonly place: Place;
  readonly instructions: readonly RegionInstruction[];
  /** Blocks of the region that control goes to by jumps, and by running on. */
  readonly successors: readonly Place[];
  /** How often control was seen to arrive here of late; Infinity where nobody looked. */
  readonly executions: number;
}

export interface FlowGraph {
  readonly blocks: ReadonlyMap<Place, RegionBlock>;
  /** Blocks that can be entered from outside, the first one first. */
  readonly entries: readonly Place[];
  /** Where each indirect jump was seen to lead, by its place. */
  readonly jumpTargets: ReadonlyMap<Place, readonly Place[]>;
  readonly instructionCount: number;
}

/** What discovery asks about code. */
export interface CodeSource {
  /** Decodes and lowers the instruction at a place; undefined where there is none to be had. */
  instruction(place: Place): RegionInstruction | undefined;
  /** Whether control was seen to arrive there. */
  wasSeen(place: Place): boolean;
  /** How often, of late; Infinity where nobody looked. */
  executionsOf(place: Place): number;
  /** Places where control was seen to go from the instruction that ends at a place. */
  targetsOf(end: Place): readonly Place[];
}

/** TurboFan's register allocation takes 10 ms for 250 instructions, 60 ms for 500 and 400 ms for 800. */
const MAX_INSTRUCTIONS = 350;
/** Where indirect jumps may lead: more targets than this go through the jump cache. */
const MAX_JUMP_TARGETS = 24;
const MAX_ENTRIES = 500;

/** Collects the blocks that the code at a place leads to, as far as control was seen to go there. */
export function discover(source: CodeSource, start: Place, maxInstructions = MAX_INSTRUCTIONS): FlowGraph | undefined {
  const found = new Map<Place, RegionInstruction>();
  const leaders = new Set<Place>();
  const entries = new Set<Place>([start]);
  const near: Place[] = [start];
  const far: Place[] = [];
  const jumpTargets = new Map<Place, readonly Place[]>();
  const follow = (place: Place, queue: Place[]): boolean => {
    if (!leaders.has(place)) {
      if (found.size >= maxInstructions || !source.wasSeen(place)) return false;
      queue.push(place);
    }
    return true;
  };
  const walk = (leader: Place): void => {
    leaders.add(leader);
    for (let place = leader; !found.has(place); ) {
      const insn = source.instruction(place);
      if (insn === undefined) return;
      found.set(place, insn);
      const next = place + insn.length;
      const { flow, target } = insn;
      if (insn.records.length === 0) return;
      if (flow === Flow.CONDITIONAL) {
        follow(target!, near);
        leaders.add(next);
        near.push(next);
        return;
      }
      if (flow === Flow.JUMP) {
        follow(target!, near);
        return;
      }
      if (flow === Flow.CALL || flow === Flow.INDIRECT_CALL) {
        const callees = flow === Flow.CALL ? [target!] : source.targetsOf(next);
        for (const callee of callees) if (follow(callee, far)) entries.add(callee);
        if (follow(next, near)) entries.add(next);
        return;
      }
      if (flow === Flow.RETURN) {
        for (const to of source.targetsOf(next)) if (follow(to, far)) entries.add(to);
        return;
      }
      if (flow === Flow.INDIRECT_JUMP) {
        const targets = source.targetsOf(next).slice(0, MAX_JUMP_TARGETS);
        jumpTargets.set(place, targets);
        for (const to of targets) if (follow(to, near)) entries.add(to);
      }
      if (flow !== Flow.NEXT) {
        // Where system calls come back to.
        if (flow === Flow.SYSTEM && follow(next, near)) entries.add(next);
        return;
      }
      place = next;
      if (leaders.has(place) || found.size >= maxInstructions) {
        leaders.add(place);
        return;
      }
    }
  };
  for (let place = near.shift(); place !== undefined; place = near.shift() ?? far.shift()) {
    if (found.size >= maxInstructions) break;
    if (!found.has(place)) walk(place);
    leaders.add(place);
  }
  return divide(source, found, leaders, entries, jumpTargets);
}

function divide(
  source: CodeSource,
  found: ReadonlyMap<Place, RegionInstruction>,
  leaders: ReadonlySet<Place>,
  entries: Set<Place>,
  seenTargets: ReadonlyMap<Place, readonly Place[]>,
): FlowGraph | undefined {
  const isBlock = (place: Place) => leaders.has(place) && (found.get(place)?.records.length ?? 0) > 0;
  const blocks = new Map<Place, RegionBlock>();
  const jumpTargets = new Map<Place, readonly Place[]>();
  let instructionCount = 0;
  for (const leader of [...leaders].filter(isBlock).sort((a, b) => a - b)) {
    const instructions: RegionInstruction[] = [];
    let place = leader;
    for (;;) {
      const insn = found.get(place);
      if (insn === undefined || insn.records.length === 0) break;
      instructions.push(insn);
      place += insn.length;
      if (insn.flow !== Flow.NEXT || leaders.has(place)) break;
    }
    const last = instructions[instructions.length - 1];
    const successors = new Set<Place>();
    if (last.target !== undefined && last.flow !== Flow.CALL && isBlock(last.target)) successors.add(last.target);
    if ((last.flow === Flow.NEXT || last.flow === Flow.CONDITIONAL) && isBlock(place)) successors.add(place);
    const targets = (seenTargets.get(last.place) ?? []).filter(isBlock);
    if (targets.length > 0 && last.flow === Flow.INDIRECT_JUMP) {
      jumpTargets.set(last.place, targets);
      for (const target of targets) successors.add(target);
    }
    blocks.set(leader, {
      place: leader,
      instructions,
      successors: [...successors],
      executions: source.executionsOf(leader),
    });
    instructionCount += instructions.length;
  }
  if (blocks.size === 0) return undefined;
  // Where a budget ends: the next run goes on there.
  for (const block of blocks.values()) {
    for (const to of block.successors) if (to <= block.place) entries.add(to);
  }
  const usable = [...entries].filter((entry) => blocks.has(entry)).slice(0, MAX_ENTRIES);
  if (usable.length === 0) return undefined;
  return { blocks, entries: usable, jumpTargets, instructionCount };
}
