import { I32, I64, type Label, ModuleBuilder, VOID } from "@xen-node/wasm-emit";
import { ExitReason } from "../exit.ts";
import {
  MAX_BLOCK_INSTRUCTIONS,
  R_HANDLER,
  R_IMM,
  R_INDEX,
  R_LENGTH,
  R_LINK,
  R_NEXT,
  R_PLAIN,
  R_THRESHOLD,
  RECORD_BYTES,
  STALE_HANDLER,
} from "../records.ts";
import { CONDITION_NAMES, type ControlContext, type OperandSize } from "../semantics/context.ts";
import { type ControlForm, controlForms } from "../semantics/control.ts";
import { type Frame, frameLocals } from "../semantics/emission-context.ts";
import { handlerName, type OperandKinds } from "../semantics/registry.ts";
import { vectorForms } from "../semantics/vector.ts";
import { emitVectorFunctions } from "../semantics/vector-functions.ts";
import { x87Forms } from "../semantics/x87.ts";
import { BUDGET_BEYOND, EXIT_REASON, EXIT_RECORD, MISS_RECORD, PAGE_VA, RIP, TLB_BANK } from "../state.ts";
import { InterpreterContext } from "./context.ts";
import { controlName, formHandlers, forms } from "./handlers.ts";
import { emitHub } from "./hub.ts";
import type { InterpreterImage } from "./image.ts";
import { emitLookup, probeJumpCache } from "./jump-cache.ts";
import { emitRegionHelpers } from "./region-helpers.ts";
import { declareImports, emitSharedFunctions } from "./shared-functions.ts";

/** Of 64 KiB: 4 GiB. */
const MAX_MEMORY_PAGES = 65536;

/** One handler to be: its name and how to emit its body in a frame. */
interface Handler {
  readonly name: string;
  emit(frame: Frame, loop?: Loop): void;
}

/** The places in the main loop that a control transfer can go to. */
interface Loop {
  readonly lookup: Label;
  readonly dispatch: Label;
  readonly budgetAtRecord: Label;
  /** Locals. */
  readonly count: number;
  readonly target: number;
}

class InterpreterControlContext extends InterpreterContext implements ControlContext {
  constructor(
    frame: Frame,
    size: OperandSize,
    kinds: OperandKinds,
    private readonly loop: Loop,
    segmented = false,
  ) {
    super(frame, size, kinds, false, segmented);
  }

  target(): void {
    this.f.i32_const(0).i64_load(PAGE_VA).get(this.frame.record).i64_load(R_IMM).i64_add();
  }

  private countBlock(): void {
    const { f, frame, loop } = this;
    f.get(loop.count).get(frame.record).i32_load8_u(R_INDEX).i32_sub().i32_const(1).i32_sub().set(loop.count);
  }

  jump(): void {
    const { f, frame, loop } = this;
    this.countBlock();
    const { host } = frame.own;
    f.get(frame.record).i32_load(R_LINK).tee(host).if_().get(host).set(frame.record);
    f.get(loop.count).i32_const(MAX_BLOCK_INSTRUCTIONS).i32_le_s().br_if(loop.budgetAtRecord).br(loop.dispatch).end();
    this.target();
    f.set(loop.target).i32_const(0).get(frame.record).i32_store(EXIT_RECORD).br(loop.lookup);
  }

  jumpTo(): void {
    const { f, loop } = this;
    f.set(loop.target);
    this.countBlock();
    f.i32_const(0).i32_const(0).i32_store(EXIT_RECORD).br(loop.lookup);
  }
}

const contextIn =
  (frame: Frame) =>
  (size: OperandSize, kinds: OperandKinds, readsOnly: boolean, segmented: boolean): InterpreterContext =>
    new InterpreterContext(frame, size, kinds, readsOnly, segmented);

function handlersOfForms(wanted: "hot" | "called"): Handler[] {
  return formHandlers
    .filter(({ hot }) => hot === (wanted === "hot"))
    .map(({ name, emit }) => ({ name, emit: (frame: Frame) => emit(contextIn(frame)) }));
}

function handlerOfControl(form: ControlForm): Handler {
  return {
    name: controlName(form),
    // A single register operand of a transfer is its source.
    emit: (frame, loop) => form.emit(new InterpreterControlContext(frame, 8, form.kind, loop!, form.segmented)),
  };
}

/**
 * CMP or TEST with the conditional jump after it, in one dispatch. The jump's own record follows and stays complete, so
 * that it can be entered by itself.
 */
function fusedHandlers(): Handler[] {
  const out: Handler[] = [];
  for (const name of ["cmp", "test"]) {
    const form = forms.find((f) => f.name === name)!;
    for (const size of [1, 4, 8] as const) {
      for (const kinds of ["rr", "ri", "rm", "mr", "mi"] as const) {
        if (name === "test" && (kinds === "rm" || kinds === "mr")) continue;
        CONDITION_NAMES.forEach((condition, code) => {
          // Overflow and parity are hardly ever asked for.
          if (code < 2 || code === 10 || code === 11) return;
          out.push({
            name: `${handlerName(name, size, kinds)}+j${condition}`,
            emit(frame, loop) {
              const { f } = frame;
              const c = new InterpreterControlContext(frame, size, kinds, loop!);
              form.emit(new InterpreterContext(frame, size, kinds, true));
              f.get(frame.record).i32_const(RECORD_BYTES).i32_add().set(frame.record);
              emitFusedCondition(c, name, code);
              f.if_();
              c.jump();
              f.end();
            },
          });
        });
      }
    }
  }
  return out;
}

/** The condition straight from the operands that the comparison left in q: a, b, r, or r alone for TEST. */
function emitFusedCondition(c: ControlContext, name: string, code: number): void {
  const { f } = c;
  const [a, b] = c.q;
  if (name === "test") {
    f.get(a);
    switch (code >> 1) {
      case 1:
        f.drop().i32_const(0);
        break;
      case 2:
      case 3:
        f.i64_eqz();
        break;
      case 4:
      case 6:
        f.i64_const(0).i64_lt_s();
        break;
      default:
        f.i64_const(0).i64_le_s();
    }
  } else if (code >> 1 === 4) f.get(c.q[2]).i64_const(0).i64_lt_s();
  else {
    f.get(a).get(b);
    switch (code >> 1) {
      case 1:
        f.i64_lt_u();
        break;
      case 2:
        f.i64_eq();
        break;
      case 3:
        f.i64_le_u();
        break;
      case 6:
        f.i64_lt_s();
        break;
      default:
        f.i64_le_s();
    }
  }
  if (code & 1) f.i32_eqz();
}

function specialHandlers(lookup: number, exitAtTarget: () => void): Handler[] {
  return [
    {
      name: "miss",
      emit(frame, loop) {
        const { f } = frame;
        // Always true, but the engine is told otherwise: this must not count as a call on the loop's way.
        f.get(frame.record).i32_eqz().if_(VOID, false);
        f.i32_const(0).i32_load(EXIT_RECORD).call(lookup).tee(frame.record).i32_eqz().if_();
        exitAtTarget();
        f.end().br(loop!.dispatch).end();
      },
    },
    {
      name: "stale",
      emit(frame, loop) {
        const { f } = frame;
        // What is left of the budget may be less than the new block takes.
        f.get(loop!.count).get(frame.record).i32_load8_u(R_INDEX).i32_sub().tee(frame.own.host);
        f.i32_const(MAX_BLOCK_INSTRUCTIONS).i32_le_s().br_if(loop!.budgetAtRecord);
        f.get(frame.own.host).set(loop!.count);
        f.i32_const(0).i64_load(PAGE_VA).get(frame.record).i64_load16_u(R_NEXT).i64_add();
        f.get(frame.record).i64_load8_u(R_LENGTH).i64_sub().set(loop!.target);
        f.i32_const(0).get(loop!.target).i64_store(RIP);
        f.i32_const(0).i32_const(0).i32_store(EXIT_RECORD);
        // Behind an instruction that lies in two pages, the next one is in the second.
        f.i32_const(0).get(loop!.target).i64_const(-4096).i64_and().i64_store(PAGE_VA);
        // The jump that led here keeps its link, so this is met again: but the first time, the jump cache has the new block.
        probeJumpCache(f, loop!.target, frame.own.host);
        f.tee(frame.own.host).i32_const(MISS_RECORD);
        f.get(frame.own.host).i32_load16_u(R_HANDLER).i32_const(STALE_HANDLER).i32_ne();
        f.select().set(frame.record).br(loop!.dispatch);
      },
    },
    {
      // A region is entered here: by the hub, if the budget is enough for it.
      name: "region",
      emit(frame, loop) {
        const { f } = frame;
        f.get(loop!.count).i32_const(0).i32_load(BUDGET_BEYOND).i32_add();
        f.get(frame.record).i32_load(R_THRESHOLD).i32_gt_s().if_(VOID, false);
        f.i32_const(0).i32_const(ExitReason.REGION).i32_store(EXIT_REASON);
        frame.leave();
        f.end().get(frame.record).i32_load(R_PLAIN).set(frame.record).br(loop!.dispatch);
      },
    },
    {
      // The end of a block that runs into the next one. Its index counts the whole block.
      name: "next",
      emit(frame, loop) {
        const { f } = frame;
        f.get(loop!.count).get(frame.record).i32_load8_u(R_INDEX).i32_sub().set(loop!.count);
        f.get(frame.record).i32_load(R_LINK).tee(frame.own.host).if_().get(frame.own.host).set(frame.record);
        f.get(loop!.count).i32_const(MAX_BLOCK_INSTRUCTIONS).i32_le_s().br_if(loop!.budgetAtRecord);
        f.br(loop!.dispatch).end();
        f.i32_const(0).i64_load(PAGE_VA).get(frame.record).i64_load(R_IMM).i64_add().set(loop!.target);
        f.i32_const(0).get(frame.record).i32_store(EXIT_RECORD).br(loop!.lookup);
      },
    },
  ];
}

/** Generates the interpreter. */
export function generateInterpreter(): InterpreterImage {
  const module = new ModuleBuilder();
  // Whatever its size: the engine checks no bounds where it can let the processor do it.
  module.importMemory("cpu", "memory", 1, MAX_MEMORY_PAGES);
  const imports = declareImports(module);
  const functions = emitSharedFunctions(module, imports);
  const handlerType = module.type([I32], [I32]);

  const vectorFunctions = emitVectorFunctions(module, functions);
  const outside: Handler[] = [
    ...handlersOfForms("called"),
    ...vectorForms(vectorFunctions).map(({ name, emit }) => ({
      name,
      emit: (frame: Frame) => emit(new InterpreterContext(frame, 8, "rr")),
    })),
    ...x87Forms(module, functions),
  ];
  const helpers = emitRegionHelpers(module, imports, functions, handlerType);
  const called = outside.map((handler) => {
    const { index, body } = module.function(handlerType);
    const frame: Frame = {
      f: body,
      functions,
      record: 0,
      bank: -1,
      ...frameLocals(body),
      leave: () => body.i32_const(0).return_(),
    };
    handler.emit(frame);
    body.get(0).i32_const(RECORD_BYTES).i32_add();
    return { name: handler.name, index };
  });
  const system = { name: "system", index: imports.system };

  const lookUp = emitLookup(module, imports);
  const interpret = module.function(module.type([I32, I32], [I32]));
  const f = interpret.body;
  const count = 1;
  const bank = f.local(I32);
  const target = f.local(I64);
  const next = f.local(I32);
  const locals = frameLocals(f);

  f.i32_const(0).i32_load(TLB_BANK).set(bank);
  const atTarget = f.block();
  const atRecord = f.block();
  const budgetAtTarget = f.block();
  const budgetAtRecord = f.block();
  const dispatch = f.loop();
  const lookup = f.block();
  const advance = f.block();
  const loop: Loop = { lookup, dispatch, budgetAtRecord, count, target };
  const frame: Frame = { f, functions, record: 0, bank, ...locals, leave: () => f.br(atRecord) };
  const hot: Handler[] = [
    ...specialHandlers(lookUp, () => f.br(atTarget)),
    ...handlersOfForms("hot"),
    ...controlForms.map(handlerOfControl),
    ...fusedHandlers(),
  ];
  const calledLabel = f.block();
  const labels = hot.map(() => f.block()).reverse();
  // Calls clobber every register, so the way to them is marked as unlikely: the common handlers keep the loop's locals.
  f.get(0).i32_load16_u(R_HANDLER).tee(next).i32_const(hot.length).i32_ge_u().br_if(calledLabel, false);
  f.get(next).br_table(labels, labels[0]);
  for (const handler of hot) {
    f.end();
    handler.emit(frame, loop);
    f.br(advance);
  }
  f.end();
  // A called handler returns the next record, its own when it is to be repeated, or 0.
  f.get(0).get(0).i32_load16_u(R_HANDLER).i32_const(hot.length).i32_sub().call_indirect(handlerType).tee(next);
  f.i32_eqz().br_if(atRecord);
  f.get(next).get(0).i32_eq().if_().get(count).i32_const(1).i32_sub().tee(count);
  f.get(0).i32_load8_u(R_INDEX).i32_sub().i32_const(MAX_BLOCK_INSTRUCTIONS).i32_le_s().br_if(budgetAtRecord).end();
  f.get(next).set(0).br(dispatch);
  f.end();
  f.get(0).i32_const(RECORD_BYTES).i32_add().set(0).br(dispatch);
  f.end();
  // Indirect continuation: the jump cache maps the target to its record, or to the miss record at address 0. The target
  // goes on in memory: a local that is alive across the loop would be kept in every handler.
  f.i32_const(0).get(target).i64_store(RIP);
  f.get(count).i32_const(MAX_BLOCK_INSTRUCTIONS).i32_le_s().br_if(budgetAtTarget);
  f.i32_const(0).get(target).i64_const(-4096).i64_and().i64_store(PAGE_VA);
  probeJumpCache(f, target, next);
  f.set(0).br(dispatch);
  f.end();
  f.unreachable();
  f.end();
  // The budget is spent; RIP is the record's start.
  f.i32_const(0).i32_const(ExitReason.BUDGET).i32_store(EXIT_REASON).br(atRecord);
  f.end();
  f.i32_const(0).i32_const(ExitReason.BUDGET).i32_store(EXIT_REASON);
  f.br(atTarget);
  f.end();
  f.get(count).get(0).i32_load8_u(R_INDEX).i32_sub().set(count);
  f.i32_const(0).i32_const(0).i64_load(PAGE_VA).get(0).i64_load16_u(R_NEXT).i64_add();
  f.get(0).i64_load8_u(R_LENGTH).i64_sub().i64_store(RIP);
  f.end();
  f.get(count);
  module.exportFunction("interpret", interpret.index);

  const table = module.table(called.length + 1);
  const outOfLine = [...called, system];
  module.element(
    table,
    0,
    outOfLine.map(({ index }) => index),
  );
  helpers.emitCallHandler(hot.length);
  emitHub(module, imports, interpret.index, lookUp, functions.arithmeticFlags);
  helpers.export(module);
  const names = [...hot, ...outOfLine].map(({ name }) => name);
  if (new Set(names).size !== names.length) throw new Error("two handlers have one name");
  return { bytes: module.toUint8Array(), handlerNames: names, helpers: helpers.table, vectorFunctions };
}
