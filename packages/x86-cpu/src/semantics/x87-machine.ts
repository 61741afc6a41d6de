import { I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import { InterpreterContext } from "../interpreter/context.ts";
import { R_DST, R_IMM, R_LENGTH, R_NEXT, R_SEGMENT, RECORD_BYTES } from "../records.ts";
import type { CoreRoutines } from "../softfloat/core.ts";
import { softFloatCore } from "../softfloat/emit.ts";
import { Code, type Expression, Local, type Operand, type Routine, routine } from "../softfloat/expression.ts";
import { EXTENDED_WORDS } from "../softfloat/extended-format.ts";
import { type ExtendedOperations, emitExtended } from "../softfloat/extended-operations.ts";
import { DEFAULT_NAN } from "../softfloat/rounding.ts";
import { FP_CONTROL, FP_ROUNDED_UP, FP_UNMASKED, FpFlag } from "../softfloat/types.ts";
import {
  CS,
  DS,
  FCS,
  FCW,
  FDP,
  FDS,
  FIP,
  FOP,
  FP_FLAGS,
  FP_PRECISION,
  FP_ROUNDING,
  FSW,
  FTW,
  PAGE_VA,
  SEG_SELECTOR,
  VECTOR,
  X87,
} from "../state.ts";
import type { SharedFunctions } from "./context.ts";
import type { Frame } from "./emission-context.ts";

/** Bits of the status word (Intel SDM vol. 1, 8.1.3). */
export const Status = {
  STACK_FAULT: 0x40,
  ERROR_SUMMARY: 0x80,
  C0: 0x100,
  C1: 0x200,
  C2: 0x400,
  TOP: 0x3800,
  C3: 0x4000,
  BUSY: 0x8000,
} as const;
const ERROR = Status.ERROR_SUMMARY | Status.BUSY;
export const CONDITION_BITS = Status.C0 | Status.C2 | Status.C3;

/** Exceptions found before anything is computed: unmasked, they leave the operands as they are. */
const BEFORE = FpFlag.INVALID | FpFlag.DENORMAL | FpFlag.ZERO_DIVIDE;
/** An unmasked overflow or underflow also keeps memory from being written; registers get the rescaled result. */
const MEMORY_STOPS = BEFORE | FpFlag.OVERFLOW | FpFlag.UNDERFLOW;

/** Tag word values. */
export const TAG_EMPTY = 3;
const TAG_ZERO = 1;
const TAG_SPECIAL = 2;

export const DEFAULT_NAN_WORDS = [0xffff, DEFAULT_NAN] as const;

/** Registers are named by their distance from the top of the stack. */
export interface Machine extends ExtendedOperations {
  readonly module: ModuleBuilder;
  /** (hi, lo, d) → (quotient, remainder): see wide.ts. */
  readonly divideWide: Routine;
  readonly core: CoreRoutines;
  /** () → (): makes FCW's settings those of the soft-float functions and forgets their flags. */
  setup: Routine;
  /** (record) → (): FIP, FCS, FOP. */
  note: Routine;
  /** (register) → i32: state address of it. */
  address: Routine;
  /** (register) → i32. */
  isEmpty: Routine;
  /** (high, significand) → i32: tag of a value. */
  tagOf: Routine;
  /** (register, high, significand) → (): writes it with its tag. */
  write: Routine;
  /** (register, tag) → (). */
  setTag: Routine;
  /** () → (): empties the top and pops it. */
  pop: Routine;
  /** (high, significand) → (): pushes without a check for overflow. */
  push: Routine;
  /** (C1: 0 or 1) → i32: notes a stack fault; 0 if it is unmasked. */
  stackFault: Routine;
  /** () → (): the response to a stack overflow. */
  overflow: Routine;
  /** (stops: exceptions) → i32: FP_FLAGS into FSW; 0 if one of `stops` is unmasked. */
  finish: Routine;
}

export function emitMachine(module: ModuleBuilder, functions: SharedFunctions): Machine {
  const extended = emitExtended(module, functions);
  const fsw = (c: Code) => c.load("i32_load16_u", 0, FSW);
  const setFsw = (c: Code, value: Expression) => c.store("i32_store16", 0, value, FSW);

  const setup = routine(module, [], [], (c) => {
    const control = c.let(c.load("i32_load16_u", 0, FCW));
    c.setState(FP_ROUNDING, control.shrU(10).and(3));
    // 0 = 24 bits, 2 = 53, 3 = 64; 1 is reserved.
    const precision = control.shrU(8).and(3);
    c.setState(FP_PRECISION, precision.eqz().select(c.i32(24), precision.eq(2).select(c.i32(53), c.i32(64))));
    c.setState(FP_UNMASKED, control.xor(-1).and(0x3f));
    // MXCSR's treatment of denormals is not x87's.
    for (const field of [FP_CONTROL, FP_FLAGS, FP_ROUNDED_UP]) c.setState(field, 0);
  });

  const note = routine(module, [I32], [], (c, [record]) => {
    const next = c.load("i64_load", 0, PAGE_VA).add(c.load("i64_load16_u", record, R_NEXT));
    c.store("i64_store", 0, next.sub(c.load("i64_load8_u", record, R_LENGTH)), FIP);
    c.store("i32_store16", 0, c.load("i32_load16_u", record, R_DST), FOP);
    c.store("i32_store16", 0, c.load("i32_load16_u", 0, SEG_SELECTOR(CS)), FCS);
  });

  const physical = (c: Code, register: Operand) => fsw(c).shrU(11).add(register).and(7);
  const address = routine(module, [I32], [I32], (c, [register]) => {
    c.push(physical(c, register).shl(4).add(X87(0)));
  });
  const isEmpty = routine(module, [I32], [I32], (c, [register]) => {
    c.push(c.load("i32_load16_u", 0, FTW).shrU(physical(c, register).shl(1)).and(3).eq(TAG_EMPTY));
  });
  const setTag = routine(module, [I32, I32], [], (c, [register, tag]) => {
    const shift = c.let(physical(c, register).shl(1));
    const others = c.load("i32_load16_u", 0, FTW).and(c.i32(3).shl(shift).xor(-1));
    c.store("i32_store16", 0, others.or(tag.shl(shift)), FTW);
  });
  const tagOf = routine(module, EXTENDED_WORDS, [I32], (c, [high, significand]) => {
    const exponent = c.let(high.and(0x7fff));
    c.if(significand.or(exponent.extendU()).eqz(), () => c.return(c.i32(TAG_ZERO)));
    c.push(exponent.eq(0x7fff).or(significand.geS(0)).or(exponent.eqz()).select(c.i32(TAG_SPECIAL), c.i32(0)));
  });
  const write = routine(module, [I32, ...EXTENDED_WORDS], [], (c, [register, high, significand]) => {
    const at = c.value(address, register);
    c.store("i64_store", at, significand);
    c.store("i32_store16", at, high, 8);
    c.call(setTag, register, c.value(tagOf, high, significand));
  });
  const moveTop = (c: Code, by: number) =>
    setFsw(
      c,
      fsw(c)
        .and(~Status.TOP)
        .or(
          fsw(c)
            .add(by << 11)
            .and(Status.TOP),
        ),
    );
  const pop = routine(module, [], [], (c) => {
    c.call(setTag, 0, TAG_EMPTY);
    moveTop(c, 1);
  });
  const push = routine(module, EXTENDED_WORDS, [], (c, [high, significand]) => {
    moveTop(c, 7);
    c.call(write, 0, high, significand);
  });

  const stackFault = routine(module, [I32], [I32], (c, [c1]) => {
    const status = fsw(c)
      .and(~Status.C1)
      .or(c1.shl(9))
      .or(Status.STACK_FAULT | FpFlag.INVALID);
    const unmasked = c.let(c.state(FP_UNMASKED).and(FpFlag.INVALID));
    setFsw(c, status.or(unmasked.mul(ERROR)));
    c.push(unmasked.eqz());
  });
  const overflow = routine(module, [], [], (c) => {
    c.if(c.value(stackFault, 1), () => c.call(push, ...DEFAULT_NAN_WORDS));
  });

  const finish = routine(module, [I32], [I32], (c, [stops]) => {
    const flags = c.let(c.state(FP_FLAGS));
    const unmasked = c.let(flags.and(c.state(FP_UNMASKED)));
    const c1 = c.let(c.state(FP_ROUNDED_UP));
    c.if(unmasked.and(BEFORE), () => {
      c.set(flags, flags.and(BEFORE));
      c.set(c1, 0);
    });
    // Memory that is not written was not rounded either.
    c.if(unmasked.and(stops).and(FpFlag.OVERFLOW | FpFlag.UNDERFLOW), () => {
      c.set(flags, flags.and(~FpFlag.PRECISION));
      c.set(c1, 0);
    });
    const status = fsw(c).and(~Status.C1).or(flags).or(c1.shl(9));
    setFsw(c, status.or(unmasked.ne(0).mul(ERROR)));
    c.push(unmasked.and(stops).eqz());
  });

  const { core, wide } = softFloatCore(module, functions);
  return {
    ...extended,
    module,
    core,
    divideWide: wide.divide,
    setup,
    note,
    address,
    isEmpty,
    tagOf,
    write,
    setTag,
    pop,
    push,
    stackFault,
    overflow,
    finish,
  };
}

/** A number in locals: sign and exponent, significand. */
export type Words = readonly [Operand, Operand];

/** What x87 handlers emit with. */
export class X87Code extends Code {
  readonly record: Local;
  readonly context: InterpreterContext;

  constructor(
    private readonly frame: Frame,
    readonly machine: Machine,
  ) {
    super(frame.f);
    this.record = new Local(I32, frame.record);
    this.context = new InterpreterContext(frame, 8, "m");
  }

  get functions(): SharedFunctions {
    return this.frame.functions;
  }

  /** The start of every waiting instruction: #MF if an unmasked exception is pending. */
  begin(): void {
    this.if(this.status().and(Status.ERROR_SUMMARY), () => this.context.raise(VECTOR.MF));
    this.call(this.machine.setup);
  }

  /** Becomes the last instruction (FIP, FOP); after everything that can fault. */
  note(): void {
    this.call(this.machine.note, this.record);
  }

  /** Translates the record's memory operand → host address. */
  memory(size: number, access: "read" | "write"): Local {
    this.context.effectiveAddress();
    if (access === "read") this.context.translateRead(size);
    else this.context.translateWrite(size);
    const host = this.local(I32);
    this.f.set(host.index);
    return host;
  }

  /** FDP, FDS: the operand's offset in its segment, taken to be DS. */
  noteOperand(): void {
    const ea = new Local(I64, this.frame.own.ea);
    const base = this.load("i64_load", this.load("i32_load16_u", this.record, R_SEGMENT));
    this.store("i64_store", 0, ea.sub(base), FDP);
    this.store("i32_store16", 0, this.load("i32_load16_u", 0, SEG_SELECTOR(DS)), FDS);
  }

  commit(host: Local): void {
    host.push(this.f);
    this.f.call(this.functions.commit);
  }

  /** The register that the record's immediate names. */
  operandRegister(): Local {
    return this.let(this.load("i32_load", this.record, R_IMM));
  }

  status(): Expression {
    return this.load("i32_load16_u", 0, FSW);
  }

  setStatus(value: Expression): void {
    this.store("i32_store16", 0, value, FSW);
  }

  /** Replaces C0, C2 and C3. */
  setConditions(bits: Operand): void {
    this.setStatus(this.status().and(~CONDITION_BITS).or(bits));
  }

  read(register: Operand): [Local, Local] {
    const at = this.value(this.machine.address, register);
    return [this.let(this.load("i32_load16_u", at, 8)), this.let(this.load("i64_load", at))];
  }

  write(register: Operand, [high, significand]: Words): void {
    this.call(this.machine.write, register, high, significand);
  }

  isEmpty(register: Operand): Expression {
    return this.value(this.machine.isEmpty, register);
  }

  pop(times = 1): void {
    for (let i = 0; i < times; i++) this.call(this.machine.pop);
  }

  pushRegister([high, significand]: Words): void {
    this.call(this.machine.push, high, significand);
  }

  /** Emits `masked` as the masked response to reading an empty register. */
  underflow(masked: () => void): void {
    this.if(this.value(this.machine.stackFault, 0), masked);
  }

  /** Ends the computation of a register result: `store` unless an unmasked exception forbids it. */
  finish(store: () => void, stops: number = BEFORE): void {
    this.if(this.value(this.machine.finish, stops), store);
  }

  finishMemory(store: () => void): void {
    this.if(this.value(this.machine.finish, MEMORY_STOPS), store);
  }

  /** Leaves the handler for the next record. */
  done(): void {
    this.return(this.record.add(RECORD_BYTES));
  }
}
