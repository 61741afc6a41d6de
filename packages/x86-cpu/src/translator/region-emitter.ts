import { I32, I64, type Label, VOID } from "@xen-node/wasm-emit";
import { Flow } from "../decode/index.ts";
import { ExitReason } from "../exit.ts";
import { controlHandlers } from "../interpreter/handlers.ts";
import { ENTRY_BITS } from "../interpreter/hub.ts";
import type { HelperTable } from "../interpreter/region-helpers.ts";
import { MAX_BLOCK_INSTRUCTIONS } from "../records.ts";
import { type Frame, frameLocals } from "../semantics/emission-context.ts";
import { EXIT_REASON, GPR, PAGE_VA, REGION_ANCHOR, REGION_STALE, RIP, TLB_BANK } from "../state.ts";
import { isGeneral, TranslatorContext } from "./context.ts";
import { RegionControlContext } from "./control-context.ts";
import type { FlowGraph, Place, RegionBlock, RegionInstruction } from "./flow-graph.ts";
import type { InstructionSet } from "./instruction-set.ts";
import { keepsRegisters, type Loop, type LoopRegisters } from "./kept-registers.ts";
import { type FlagState, RegionFlags, UNKNOWN_FLAGS } from "./region-flags.ts";
import type { RecordFields } from "./region-record.ts";
import { RegionCode } from "./state-locals.ts";
import { type Item, longestWay, structure } from "./structure.ts";
import { pushFindTarget, type TargetTable, targetTable } from "./target-table.ts";

const ENTRY_MASK = (1 << ENTRY_BITS) - 1;
const PAGE = 4096;
/** Of what a block's way out is told: instructions that are not done; the rest is where it leaves, from the block's start. */
const UNDONE_BITS = 16;

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

/** The global by which a region's code knows where its data is: the same code may run in other machines. */
export const DATA_GLOBAL = 0;

/** Memory of a region's own; offsets count from the address in DATA_GLOBAL. */
export interface RegionData {
  /** Keeps a copy of a record for a handler that reads it; answers its offset. */
  keepRecord(record: RecordFields): number;
  /** Keeps a table of int32; answers its offset. */
  keepTable(table: Int32Array): number;
}

/** Emits one function for a region: (entry word, budget) → the rest of the budget. RIP and EXIT_REASON say the rest. */
export class RegionEmitter {
  readonly f: RegionCode;
  readonly frame: Frame;
  readonly flags: RegionFlags;
  /** Least budget to enter with: more than any way through the region takes between two looks at the budget. */
  readonly threshold: number;
  private readonly rip: number;
  private readonly state: number;
  private readonly place: number;
  private readonly bank: number;
  private readonly budget = 1;
  private readonly states = new Map<Place, number>();
  private readonly destinations = new Map<Place, Destination>();
  private readonly flagsAt = new Map<Place, FlagState>();
  /** What is known where a block begins that only one other leads to, with registers written through. */
  private readonly knownAt = new Map<Place, Knowledge>();
  private readonly predecessors = new Map<Place, number>();
  /** The loop being emitted that keeps registers in locals. */
  private keeping: { readonly item: Loop; readonly written: number } | undefined;
  private readonly found = new Map<Place, LoopRegisters>();
  private surprises = false;
  private readonly items: readonly Item[];
  private readonly loopHeaders = new Set<Place>();
  private dispatcher: Label = 0;
  /** The page that each state's entry lies in, and where that stands in memory once it is asked for. */
  private readonly entryStates: ReadonlyMap<Place, number>;
  private readonly entryPages: Int32Array;
  private pages: number | undefined;
  private targets: (TargetTable & { readonly at: number }) | undefined;
  /** Of the block being emitted: the way out with RIP in its local, and the one with `leaving` as `leaveBefore` sets it. */
  private exit: Label = 0;
  private leave: Label = 0;
  /** The same as `leave`, with flags that are in their locals alone. */
  private leaveWithFlags: Label = 0;
  private readonly leaving: number;
  /** Of the block being emitted: its length, and instructions before the current one. */
  private start: Place = 0;
  private blockLength = 0;
  private done = 0;
  private current: RegionInstruction | undefined;
  /** Where each instruction's code begins in the body, for listings. */
  readonly marks: { readonly place: Place; readonly offset: number }[] = [];
  /** Block that the code runs into. */
  private following: Place | undefined;

  constructor(
    private readonly graph: FlowGraph,
    helpers: HelperTable,
    functionOf: (helper: number) => number,
    private readonly instructions: InstructionSet,
    private readonly data: RegionData,
    private readonly linked = true,
    /** Registers of the loops that keep them in locals, by header. */
    private readonly loopRegisters: ReadonlyMap<Place, LoopRegisters> = new Map(),
  ) {
    const f = new RegionCode(2, helpers, functionOf);
    this.f = f;
    this.rip = f.local(I64);
    this.state = f.local(I32);
    this.place = f.local(I64);
    this.bank = f.local(I32);
    this.leaving = f.local(I32);
    this.flags = new RegionFlags(f, helpers.functions);
    this.frame = {
      f,
      functions: helpers.functions,
      record: -1,
      bank: this.bank,
      ...frameLocals(f),
      leave: () => this.leaveBefore(),
    };
    for (const place of graph.entries) this.states.set(place, this.states.size + 1);
    this.entryStates = new Map(this.states);
    this.entryPages = Int32Array.from([0, ...graph.entries.map((place) => Math.floor(place / PAGE))]);
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

  /** State by which the hub names an entry; 0 = none. */
  stateOf(place: Place): number {
    return this.states.get(place) ?? 0;
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
    f.get(this.budget).i32_const(this.threshold).i32_le_s().if_(VOID, false);
    f.i32_const(0).i32_const(ExitReason.INTERPRET).i32_store(EXIT_REASON).get(this.budget).return_().end();
    f.get(0).i32_const(ENTRY_MASK).i32_and().set(this.state);
    f.i32_const(0).i32_load(TLB_BANK).set(this.bank);
    f.i32_const(0).i32_const(0).i64_load(RIP);
    this.anchorOf(f, this.state);
    f.i64_store(REGION_ANCHOR);
  }

  /** Pops an address and pushes what the anchor is if that is the entry of a state, which is in a local. */
  private anchorOf(f: RegionCode, state: number): void {
    f.i64_const(-PAGE).i64_and();
    const { entryPages } = this;
    if (entryPages.every((page) => page === 0)) return;
    this.pages ??= this.data.keepTable(entryPages);
    f.get(state)
      .i32_const(2)
      .i32_shl()
      .globalGet(DATA_GLOBAL)
      .i32_add()
      .i64_load32_s(this.pages)
      .i64_const(12)
      .i64_shl()
      .i64_sub();
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
    const states = places.map((place) => this.stateNumber(place));
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

  /** State of a block that some dispatcher leads to; blocks that the hub does not know get the numbers after its own. */
  private stateNumber(place: Place): number {
    let state = this.states.get(place);
    if (state === undefined) {
      state = this.states.size + 1;
      this.states.set(place, state);
    }
    return state;
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
    this.keeping = { item, written };
    this.loopCode(item);
    this.keeping = undefined;
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

  // ---- blocks ----

  private block(block: RegionBlock): void {
    const { f } = this;
    const { instructions, place } = block;
    if (this.states.has(place)) f.i32_const(0).set(this.state);
    const merged = this.states.has(place) || this.loopHeaders.has(place);
    const known = merged ? undefined : this.knownAt.get(place);
    this.flags.state = (merged ? undefined : (known?.flags ?? this.flagsAt.get(place))) ?? UNKNOWN_FLAGS;
    if (!this.keeping) {
      f.valid = known?.registers ?? 0;
      this.flags.dirty = known?.dirty ?? false;
    }
    this.blockLength = instructions.length;
    this.start = place;
    const after = f.block();
    this.exit = f.block();
    this.leave = f.block();
    this.leaveWithFlags = f.block();
    f.get(this.budget).i32_const(instructions.length).i32_sub().set(this.budget);
    instructions.forEach((insn, i) => {
      this.done = i;
      this.current = insn;
      this.marks.push({ place: insn.place, offset: f.length });
      this.instruction(insn);
    });
    this.done = instructions.length;
    const last = instructions[instructions.length - 1];
    const next = last.place + last.length;
    if (last.flow === Flow.NEXT || last.flow === Flow.CONDITIONAL) {
      if (this.graph.blocks.has(next)) this.go(next, true);
      else this.leaveTo(next);
    } else f.unreachable();
    f.br(after).end();
    this.flags.storeAs();
    f.end();
    if (this.keeping) f.storeRegisters(this.keeping.written);
    this.wayOut();
    f.end();
  }

  /** Behind a block: the registers go to the state block, and the hub goes on at RIP. */
  private wayOut(): void {
    const { f } = this;
    this.pushAddress(this.start);
    f.get(this.leaving).i32_const(UNDONE_BITS).i32_shr_u().i64_extend_i32_u().i64_add().set(this.rip);
    f.get(this.budget)
      .get(this.leaving)
      .i32_const((1 << UNDONE_BITS) - 1)
      .i32_and()
      .i32_add()
      .set(this.budget)
      .end();
    f.i32_const(0).get(this.rip).i64_store(RIP).get(this.budget).return_();
  }

  private instruction(insn: RegionInstruction): void {
    for (const record of insn.records) {
      const name = this.instructions.nameOf(record.handler);
      const control = controlHandlers.get(name);
      if (control) {
        control.emit(new RegionControlContext(this, record, insn, control.kind as "n" | "r", control.segmented));
        continue;
      }
      const inline = this.instructions.inline(name);
      if (inline) {
        inline(
          (size, kinds, readsOnly, segmented) => new TranslatorContext(this, record, size, kinds, readsOnly, segmented),
        );
      } else this.callHandler(record, this.instructions.called(name)!);
    }
  }

  /** Executes a record by the interpreter's handler, with the registers it looks at in the state block. */
  private callHandler(record: RecordFields, effects: { registers: number; writes: number; flags: boolean }): void {
    const { f, flags } = this;
    const at = this.data.keepRecord(record);
    f.showRegisters(effects.registers);
    this.spill(record.base);
    this.spill(record.index);
    if (effects.flags) flags.store();
    f.i32_const(0);
    this.pushAddress(this.pageOf(record));
    f.i64_store(PAGE_VA);
    const { entry } = this.frame.own;
    this.pushData(at);
    f.call(this.instructions.callHandler).tee(entry).i32_eqz().if_(VOID, false);
    const before = { dirty: flags.dirty, state: flags.state };
    f.reloadRegisters(effects.writes);
    if (effects.flags) flags.reload();
    this.leaveBefore();
    f.end();
    flags.dirty = before.dirty;
    flags.state = before.state;
    f.reloadRegisters(effects.writes);
    if (effects.flags) flags.reload();
    // A string instruction that is not done, or code of this region that it has overwritten.
    f.get(entry);
    this.pushData(at);
    f.i32_eq().if_(VOID, false);
    this.leaveUnfinished();
    f.end();
    f.i32_const(0).i32_load(REGION_STALE).if_(VOID, false);
    this.leaveBehind();
    f.end();
  }

  // ---- what contexts ask ----

  /** Place of the start of the page that a record's offsets count from. */
  pageOf(_record: RecordFields): Place {
    return Math.floor(this.current!.place / PAGE) * PAGE;
  }

  /** Pushes the address of a place. */
  pushAddress(place: Place): void {
    // From memory: the engine would compute all such sums at the function's start, and keep them in memory too.
    this.f.i32_const(0).i64_load(REGION_ANCHOR);
    if (place !== 0) this.f.i64_const(place).i64_add();
  }

  /** Makes the state block hold what lies in a local. */
  spill(address: number): void {
    const { f } = this;
    if (isGeneral(address)) f.showRegisters(1 << ((address - GPR(0)) >> 3));
    else if (f.localOf(address) >= 0) f.storeTemporary(address & ~7);
  }

  /** The state block holds what should lie in a local. */
  reload(address: number): void {
    const { f } = this;
    if (isGeneral(address)) {
      f.reloadRegisters(1 << ((address - GPR(0)) >> 3));
    } else f.loadTemporary(address & ~7);
  }

  /** Pushes the host address of a copy of a record's immediate. */
  pushImmediate(record: RecordFields): void {
    this.pushData(this.data.keepRecord(record) + 16);
  }

  private pushData(offset: number): void {
    this.f.globalGet(DATA_GLOBAL).i32_const(offset).i32_add();
  }

  // ---- ways out ----

  private setRip(place: Place): void {
    this.pushAddress(place);
    this.f.set(this.rip);
  }

  /** Leaves at a place of the block, where some of its instructions are not done. */
  private leaveAt(place: Place, undone: number): void {
    this.f
      .i32_const(((place - this.start) << UNDONE_BITS) | undone)
      .set(this.leaving)
      .br(this.flags.dirty ? this.leaveWithFlags : this.leave);
  }

  /** Leaves with RIP at the current instruction, of which nothing is done. */
  private leaveBefore(): void {
    this.leaveAt(this.current!.place, this.blockLength - this.done);
  }

  /** A chunk of a string instruction counts as an instruction, and RIP stays. */
  private leaveUnfinished(): void {
    this.leaveAt(this.current!.place, this.blockLength - this.done - 1);
  }

  private leaveBehind(): void {
    this.leaveAt(this.current!.place + this.current!.length, this.blockLength - this.done - 1);
  }

  /** Leaves for the hub, which goes on at a place. */
  private leaveTo(place: Place): void {
    this.settle();
    this.setRip(place);
    this.f.br(this.exit);
  }

  /** Leaves for the hub if the budget may not last to the next look at it. */
  private lookAtBudget(place: Place): void {
    const { f } = this;
    f.get(this.budget).i32_const(this.threshold).i32_le_s().if_(VOID, false);
    this.leaveTo(place);
    f.end();
  }

  /** Goes to a block, or out of the region. */
  go(place: Place, runsOn = false): void {
    const { f } = this;
    const destination = this.destinations.get(place);
    if (destination === undefined) {
      this.leaveTo(place);
      return;
    }
    if (destination.back) this.lookAtBudget(place);
    if (this.keeping?.item.nodes.has(place)) {
      if (!destination.back) this.meet(place);
    } else if (!destination.back && !this.keeping && this.goesStraight(place, destination)) {
      const { flags } = this;
      this.knownAt.set(place, { registers: f.valid, flags: flags.state, dirty: flags.dirty });
    } else {
      if (!destination.back) this.meet(place);
      this.settle();
    }
    if (destination.dispatched) f.i32_const(this.stateNumber(place)).set(this.state);
    else if (runsOn && this.following === place && !destination.back) return;
    f.br(destination.label);
  }

  /** Registers and flags go to the state block, for code that looks for them there. */
  private settle(): void {
    if (this.keeping) this.f.storeRegisters(this.keeping.written);
    this.flags.store();
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

  /** Goes to a block that is an entry by its state. */
  goThroughDispatcher(place: Place): void {
    const { f } = this;
    const state = this.states.get(place);
    if (state === undefined || !this.linked) {
      this.leaveTo(place);
      return;
    }
    this.lookAtBudget(place);
    this.settle();
    f.i32_const(state).set(this.state).br(this.dispatcher);
  }

  /** Pops an address: goes there within the region if that is one of its entries. */
  goIndirect(insn: RegionInstruction): void {
    const { f, rip } = this;
    f.set(rip);
    if (!this.keeping) this.flags.giveUp();
    if (this.linked) {
      f.get(rip);
      this.pushAddress(0);
      f.i64_sub().set(this.place);
      for (const target of this.graph.jumpTargets.get(insn.place) ?? []) {
        f.get(this.place).i64_const(target).i64_eq().if_();
        this.go(target);
        f.end();
      }
      if (this.keeping) this.settle();
      this.findTarget();
      f.if_(VOID, true);
      f.get(this.budget).i32_const(this.threshold).i32_gt_s().if_(VOID, true);
      f.br(this.dispatcher);
      f.end().end();
    }
    if (this.keeping && !this.linked) this.settle();
    f.br(this.exit);
  }

  /** Pushes whether RIP in its local is an entry of the region as it is mapped here, and sets the state to it. */
  private findTarget(): void {
    const { f } = this;
    const { entry } = this.frame.own;
    if (this.targets === undefined) {
      const table = targetTable(this.entryStates);
      this.targets = { ...table, at: this.data.keepTable(table.words) };
    }
    pushFindTarget(f, DATA_GLOBAL, this.targets, { place: this.place, slot: entry, state: this.state });
  }
}
