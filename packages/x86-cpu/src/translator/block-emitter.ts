import { I32, I64, type Label, VOID } from "@xen-node/wasm-emit";
import { Flow } from "../decode/index.ts";
import { controlHandlers } from "../interpreter/handlers.ts";
import type { HelperTable } from "../interpreter/region-helpers.ts";
import { type Frame, frameLocals } from "../semantics/emission-context.ts";
import { GPR, PAGE_VA, REGION_ANCHOR, REGION_STALE, RIP } from "../state.ts";
import { isGeneral, TranslatorContext } from "./context.ts";
import { RegionControlContext, type Transfers } from "./control-context.ts";
import type { Place, RegionBlock, RegionInstruction } from "./flow-graph.ts";
import type { HandlerEffects, InstructionSet } from "./instruction-set.ts";
import { DATA_GLOBAL, type RegionData } from "./region-data.ts";
import { RegionFlags } from "./region-flags.ts";
import type { RecordFields } from "./region-record.ts";
import type { RegionCode } from "./state-locals.ts";

const PAGE = 4096;
/** Of what a block's way out is told: instructions that are not done; the rest is where it leaves, from the block's start. */
const UNDONE_BITS = 16;
/** The parameter that has the rest of the budget. */
export const BUDGET = 1;

/** Emits the blocks of a region, one at a time: their instructions, and the ways out to the hub. */
export class BlockEmitter {
  readonly frame: Frame;
  readonly flags: RegionFlags;
  /** Locals: where a way out leads, and the soft-TLB bank. */
  readonly rip: number;
  readonly bank: number;
  /** Registers that are written in their locals alone, as bits: the state block gets them at each way out. */
  keptRegisters = 0;
  /** Where each instruction's code begins in the body, for listings. */
  readonly marks: { readonly place: Place; readonly offset: number }[] = [];
  /** Of the block being emitted: the way out with RIP in its local, and the one with `leaving` as `leaveAt` sets it. */
  private exit: Label = 0;
  private leave: Label = 0;
  /** The same as `leave`, with flags that are in their locals alone. */
  private leaveWithFlags: Label = 0;
  private readonly leaving: number;
  /** Of the block being emitted: its place and length, the current instruction, and how many come before that. */
  private start: Place = 0;
  private blockLength = 0;
  private current: RegionInstruction | undefined;
  private done = 0;

  constructor(
    readonly f: RegionCode,
    helpers: HelperTable,
    private readonly instructions: InstructionSet,
    private readonly data: RegionData,
    private readonly transfers: Transfers,
  ) {
    this.rip = f.local(I64);
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
  }

  /** What locals hold of registers and flags where the block begins has been told to `f` and `flags`. */
  emit({ instructions, place }: RegionBlock): void {
    const { f } = this;
    this.blockLength = instructions.length;
    this.start = place;
    const after = f.block();
    this.exit = f.block();
    this.leave = f.block();
    this.leaveWithFlags = f.block();
    f.get(BUDGET).i32_const(instructions.length).i32_sub().set(BUDGET);
    instructions.forEach((insn, i) => {
      this.done = i;
      this.current = insn;
      this.marks.push({ place: insn.place, offset: f.length });
      this.instruction(insn);
    });
    this.done = instructions.length;
    const last = instructions[instructions.length - 1];
    if (last.flow === Flow.NEXT || last.flow === Flow.CONDITIONAL) this.transfers.runOn(last.place + last.length);
    else f.unreachable();
    f.br(after).end();
    this.flags.storeAs();
    f.end();
    f.storeRegisters(this.keptRegisters);
    this.wayOut();
    f.end();
  }

  /** Behind a block: the registers are in the state block, and the hub goes on at RIP. */
  private wayOut(): void {
    const { f } = this;
    this.pushAddress(this.start);
    f.get(this.leaving).i32_const(UNDONE_BITS).i32_shr_u().i64_extend_i32_u().i64_add().set(this.rip);
    f.get(BUDGET)
      .get(this.leaving)
      .i32_const((1 << UNDONE_BITS) - 1)
      .i32_and()
      .i32_add()
      .set(BUDGET)
      .end();
    f.i32_const(0).get(this.rip).i64_store(RIP).get(BUDGET).return_();
  }

  private instruction(insn: RegionInstruction): void {
    for (const record of insn.records) {
      const name = this.instructions.nameOf(record.handler);
      const control = controlHandlers.get(name);
      if (control) {
        const { kind, segmented } = control;
        control.emit(new RegionControlContext(this, this.transfers, record, insn, kind as "n" | "r", segmented));
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
  private callHandler(record: RecordFields, effects: HandlerEffects): void {
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
  leaveTo(place: Place): void {
    this.settle();
    this.pushAddress(place);
    this.f.set(this.rip);
    this.leaveForHub();
  }

  /** Leaves for the hub, which goes on at the address in RIP's local; what locals hold is settled. */
  leaveForHub(): void {
    this.f.br(this.exit);
  }

  /** Registers and flags go to the state block, for code that looks for them there. */
  settle(): void {
    this.f.storeRegisters(this.keptRegisters);
    this.flags.store();
  }
}
