import { I32, I64, type Label, VOID } from "@xen-node/wasm-emit";
import { ExitReason } from "../exit.ts";
import { ENTRY_BITS } from "../interpreter/hub.ts";
import type { HelperTable } from "../interpreter/region-helpers.ts";
import { MAX_BLOCK_INSTRUCTIONS } from "../records.ts";
import { EXIT_REASON, REGION_ANCHOR, RIP, TLB_BANK } from "../state.ts";
import { BlockEmitter, BUDGET } from "./block-emitter.ts";
import { BlockStates } from "./block-states.ts";
import type { Transfers } from "./control-context.ts";
import type { FlowGraph, Place, RegionBlock, RegionInstruction } from "./flow-graph.ts";
import type { InstructionSet } from "./instruction-set.ts";
import { keepsRegisters, type Loop, type LoopRegisters } from "./kept-registers.ts";
import type { RegionData } from "./region-data.ts";
import { type FlagState, type RegionFlags, UNKNOWN_FLAGS } from "./region-flags.ts";
import { RegionCode } from "./state-locals.ts";
import { type Item, longestWay, structure } from "./structure.ts";

const ENTRY_MASK = (1 << ENTRY_BITS) - 1;

/** How control gets to a block from where the code is. */
interface Destination {
  readonly label: Label;
  /** The label is a loop's top: the budget is looked at first. */
  readonly back: boolean;
  /** The label leads to code that finds the block by its state. */
  readonly dispatched: boolean;
}

/** What locals hold at the end of a straight line of code. */
interface Knowledge {
  readonly registers: number;
  readonly flags: FlagState;
  readonly dirty: boolean;
}

/** Emits one function for a region: (entry word, budget) → the rest of the budget. RIP and EXIT_REASON say the rest. */
export class RegionEmitter implements Transfers {
  readonly f: RegionCode;
  /** Least budget to enter with: more than any way through the region takes between two looks at the budget. */
  readonly threshold: number;
  private readonly blocks: BlockEmitter;
  private readonly flags: RegionFlags;
  private readonly states: BlockStates;
  /** Locals: the block that a dispatcher goes to, and where an indirect transfer does. */
  private readonly state: number;
  private readonly place: number;
  private readonly destinations = new Map<Place, Destination>();
  private readonly flagsAt = new Map<Place, FlagState>();
  /** What is known where a block begins that only one other leads to, with registers written through. */
  private readonly knownAt = new Map<Place, Knowledge>();
  private readonly predecessors = new Map<Place, number>();
  /** The loop being emitted that keeps registers in locals. */
  private keeping: Loop | undefined;
  private readonly found = new Map<Place, LoopRegisters>();
  private surprises = false;
  private readonly items: readonly Item[];
  private readonly loopHeaders = new Set<Place>();
  private dispatcher: Label = 0;
  /** Block that the code runs into. */
  private following: Place | undefined;

  constructor(
    private readonly graph: FlowGraph,
    helpers: HelperTable,
    functionOf: (helper: number) => number,
    instructions: InstructionSet,
    data: RegionData,
    private readonly linked = true,
    /** Registers of the loops that keep them in locals, by header. */
    private readonly loopRegisters: ReadonlyMap<Place, LoopRegisters> = new Map(),
  ) {
    const f = new RegionCode(2, helpers, functionOf);
    this.f = f;
    this.blocks = new BlockEmitter(f, helpers, instructions, data, this);
    this.flags = this.blocks.flags;
    this.state = f.local(I32);
    this.place = f.local(I64);
    this.states = new BlockStates(graph.entries, data);
    const entries = new Set(graph.entries);
    this.items = structure({
      nodes: [...graph.blocks.keys()],
      successors: (place) => graph.blocks.get(place)!.successors,
      isEntry: (place) => entries.has(place),
    });
    for (const { successors } of graph.blocks.values()) {
      for (const to of successors) this.predecessors.set(to, (this.predecessors.get(to) ?? 0) + 1);
    }
    // Back edges and dispatchers look at the budget.
    const { blocks } = graph;
    const way = longestWay(
      this.items,
      (place) => blocks.get(place)!.instructions.length,
      (place) => blocks.get(place)!.successors,
    );
    this.threshold = Math.max(MAX_BLOCK_INSTRUCTIONS, way);
  }

  /** Where each instruction's code begins in the body, for listings. */
  get marks(): BlockEmitter["marks"] {
    return this.blocks.marks;
  }

  // ---- the function ----

  /**
   * Assembles the body; answers the builder that a module takes, or the registers of its loops where they are not those
   * that were expected, for another try.
   */
  emit(functionOf: (helper: number) => number, helpers: HelperTable): RegionCode | ReadonlyMap<Place, LoopRegisters> {
    const { f } = this;
    this.dispatcher = f.loop();
    this.sequence(this.items, this.graph.entries);
    f.end();
    f.unreachable();
    if (this.surprises) return this.found;

    const whole = new RegionCode(2, helpers, functionOf);
    // The body's locals are this one's too, under the same numbers.
    for (const type of f.locals.slice(whole.locals.length)) whole.local(type);
    this.prologue(whole);
    whole.appendBody(f);
    return whole;
  }

  private prologue(f: RegionCode): void {
    f.get(BUDGET).i32_const(this.threshold).i32_le_s().if_(VOID, false);
    f.i32_const(0).i32_const(ExitReason.INTERPRET).i32_store(EXIT_REASON).get(BUDGET).return_().end();
    f.get(0).i32_const(ENTRY_MASK).i32_and().set(this.state);
    f.i32_const(0).i32_load(TLB_BANK).set(this.blocks.bank);
    f.i32_const(0).i32_const(0).i64_load(RIP);
    this.states.pushAnchor(f, this.state);
    f.i64_store(REGION_ANCHOR);
  }

  private sequence(items: readonly Item[], dispatched: readonly Place[] | undefined, header?: Place): void {
    const { f } = this;
    const labels: Label[] = [];
    const firstLabelled = dispatched ? 0 : 1;
    const outer = new Map<Place, Destination | undefined>();
    const enter = (place: Place, destination: Destination): void => {
      outer.set(place, this.destinations.get(place));
      this.destinations.set(place, destination);
    };
    for (let i = items.length - 1; i >= firstLabelled; i--) {
      labels[i] = f.block();
      for (const place of items[i].entries) {
        // The header of the loop around is reached by the loop's top.
        if (place === header) continue;
        const item = items[i];
        const isDispatched = item.kind === "loop" && place !== item.header;
        enter(place, { label: labels[i], back: false, dispatched: isDispatched });
      }
    }
    if (dispatched) this.dispatch(items, labels, dispatched, header);
    items.forEach((item, i) => {
      if (i >= firstLabelled) {
        f.end();
        for (const place of item.entries) {
          if (place === header) continue;
          const before = outer.get(place);
          if (before) this.destinations.set(place, before);
          else this.destinations.delete(place);
        }
      }
      const next = items[i + 1];
      this.following = undefined;
      if (next?.kind === "block" && next.node !== header) this.following = next.node;
      else if (next?.kind === "loop" && next.header !== header) this.following = next.header;
      if (item.kind === "block") this.block(this.graph.blocks.get(item.node)!);
      else this.loop(item);
    });
  }

  /** Goes to the item that holds the block whose state is set; in a loop, to its header where none is. */
  private dispatch(items: readonly Item[], labels: Label[], places: readonly Place[], header?: Place): void {
    const { f } = this;
    const labelOf = (place: Place): Label => {
      const i = items.findIndex((item) => (item.kind === "block" ? item.node === place : item.nodes.has(place)));
      return labels[i];
    };
    if (header !== undefined) f.get(this.state).i32_eqz().br_if(labelOf(header), true);
    const states = places.map((place) => this.states.number(place));
    const table: Label[] = [];
    const fallback = labelOf(header ?? places[0]);
    const least = Math.min(...states);
    for (let state = least; state <= Math.max(...states); state++) {
      const place = places[states.indexOf(state)];
      table.push(place === undefined ? fallback : labelOf(place));
    }
    f.get(this.state);
    if (least !== 0) f.i32_const(least).i32_sub();
    f.br_table(table, fallback);
  }

  private loop(item: Loop): void {
    const { header } = item;
    if (this.keeping || !keepsRegisters(item, this.graph.blocks)) {
      this.loopCode(item);
      return;
    }
    const { f, flags } = this;
    const { used, written } = this.loopRegisters.get(header) ?? { used: 0, written: 0 };
    f.keepRegisters(used);
    flags.load();
    flags.dirty = true;
    this.keeping = item;
    this.blocks.keptRegisters = written;
    this.loopCode(item);
    this.keeping = undefined;
    this.blocks.keptRegisters = 0;
    const found = f.releaseRegisters();
    flags.dirty = false;
    this.found.set(header, found);
    if ((found.used & ~used) !== 0 || (found.written & ~written) !== 0) this.surprises = true;
  }

  private loopCode(item: Loop): void {
    const { f } = this;
    const label = f.loop();
    const { header } = item;
    const before = this.destinations.get(header);
    this.destinations.set(header, { label, back: true, dispatched: false });
    this.loopHeaders.add(header);
    const others = item.entries.length > 1;
    // Blocks inside are reached from the top by their state; jumps to them from within do without.
    this.sequence(item.items, others ? item.entries : undefined, header);
    if (before) this.destinations.set(header, before);
    else this.destinations.delete(header);
    f.end();
  }

  private block(block: RegionBlock): void {
    const { f } = this;
    const { place } = block;
    if (this.states.has(place)) f.i32_const(0).set(this.state);
    const merged = this.states.has(place) || this.loopHeaders.has(place);
    const known = merged ? undefined : this.knownAt.get(place);
    this.flags.state = (merged ? undefined : (known?.flags ?? this.flagsAt.get(place))) ?? UNKNOWN_FLAGS;
    if (!this.keeping) {
      f.valid = known?.registers ?? 0;
      this.flags.dirty = known?.dirty ?? false;
    }
    this.blocks.emit(block);
  }

  // ---- transfers ----

  /** Leaves for the hub if the budget may not last to the next look at it. */
  private lookAtBudget(place: Place): void {
    const { f } = this;
    f.get(BUDGET).i32_const(this.threshold).i32_le_s().if_(VOID, false);
    this.blocks.leaveTo(place);
    f.end();
  }

  go(place: Place): void {
    this.goTo(place, false);
  }

  runOn(place: Place): void {
    this.goTo(place, true);
  }

  /** @param runsOn the code for the place may be what is emitted next */
  private goTo(place: Place, runsOn: boolean): void {
    const { f } = this;
    const destination = this.destinations.get(place);
    if (destination === undefined) {
      this.blocks.leaveTo(place);
      return;
    }
    if (destination.back) this.lookAtBudget(place);
    if (this.keeping?.nodes.has(place)) {
      if (!destination.back) this.meet(place);
    } else if (!destination.back && !this.keeping && this.goesStraight(place, destination)) {
      const { flags } = this;
      this.knownAt.set(place, { registers: f.valid, flags: flags.state, dirty: flags.dirty });
    } else {
      if (!destination.back) this.meet(place);
      this.blocks.settle();
    }
    if (destination.dispatched) f.i32_const(this.states.number(place)).set(this.state);
    else if (runsOn && this.following === place && !destination.back) return;
    f.br(destination.label);
  }

  /** Whether what locals hold is known at a place too: this is the only way to it. */
  private goesStraight(place: Place, destination: Destination): boolean {
    const isOnlyWay = this.predecessors.get(place) === 1 && !this.states.has(place);
    return isOnlyWay && !destination.dispatched;
  }

  /** Remembers what is known about the flags where ways meet. */
  private meet(place: Place): void {
    const before = this.flagsAt.get(place);
    const { state } = this.flags;
    if (before === undefined) this.flagsAt.set(place, state);
    else if (before.kind !== state.kind || before.size !== state.size) this.flagsAt.set(place, UNKNOWN_FLAGS);
  }

  goThroughDispatcher(place: Place): void {
    const { f } = this;
    const state = this.states.ofEntry(place);
    if (state === undefined || !this.linked) {
      this.blocks.leaveTo(place);
      return;
    }
    this.lookAtBudget(place);
    this.blocks.settle();
    f.i32_const(state).set(this.state).br(this.dispatcher);
  }

  goIndirect(insn: RegionInstruction): void {
    const { f, blocks } = this;
    const { rip } = blocks;
    f.set(rip);
    if (!this.keeping) this.flags.giveUp();
    if (this.linked) {
      f.get(rip);
      blocks.pushAddress(0);
      f.i64_sub().set(this.place);
      for (const target of this.graph.jumpTargets.get(insn.place) ?? []) {
        f.get(this.place).i64_const(target).i64_eq().if_();
        this.go(target);
        f.end();
      }
      if (this.keeping) this.blocks.settle();
      this.states.findTarget(f, { place: this.place, slot: blocks.frame.own.entry, state: this.state });
      f.if_(VOID, true);
      f.get(BUDGET).i32_const(this.threshold).i32_gt_s().if_(VOID, true);
      f.br(this.dispatcher);
      f.end().end();
    }
    if (this.keeping && !this.linked) this.blocks.settle();
    blocks.leaveForHub();
  }
}
