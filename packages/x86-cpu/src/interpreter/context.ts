import { type FunctionBuilder, I32, I64, VOID } from "@xen-node/wasm-emit";
import { ExitReason } from "../exit.ts";
import {
  R_BASE,
  R_DISP,
  R_DST,
  R_IMM,
  R_INDEX_REGISTER,
  R_LENGTH,
  R_NEXT,
  R_SCALE,
  R_SEGMENT,
  R_SRC,
} from "../records.ts";
import {
  type FlagKind,
  FlagKind as Kind,
  type OperandSize,
  type SharedFunctions,
  type StringContext,
} from "../semantics/context.ts";
import type { OperandKinds } from "../semantics/registry.ts";
import {
  EXIT_ERROR_CODE,
  EXIT_HAS_ERROR_CODE,
  EXIT_LENGTH,
  EXIT_REASON,
  EXIT_TARGET,
  EXIT_UNFINISHED,
  EXIT_VECTOR,
  FLAG_A,
  FLAG_B,
  FLAG_KIND,
  FLAG_R,
  PAGE_VA,
  RSP,
  SPLIT_WRITE,
} from "../state.ts";
import { WRITE_ARRAY } from "./shared-functions.ts";

/** Where a handler's code runs: in the main loop, or in a function of its own. */
export interface Frame {
  readonly f: FunctionBuilder;
  readonly functions: SharedFunctions;
  /** i32 local with the record's address. */
  readonly record: number;
  /** i32 local with the soft-TLB bank's address, or −1: then memory is reached through the shared functions. */
  readonly bank: number;
  readonly q: readonly number[];
  readonly n: readonly number[];
  /** Locals of the context itself: value, address (i64), host, entry (i32). */
  readonly own: { value: number; ea: number; host: number; entry: number };
  /** Leaves the handler after an exception has been raised. */
  leave(): void;
}

/** Scratch locals for a frame. */
export function frameLocals(f: FunctionBuilder): Pick<Frame, "q" | "n" | "own"> {
  return {
    q: Array.from({ length: 8 }, () => f.local(I64)),
    n: Array.from({ length: 6 }, () => f.local(I32)),
    own: { value: f.local(I64), ea: f.local(I64), host: f.local(I32), entry: f.local(I32) },
  };
}

/** The interpreter's operands: named by the record that `frame.record` points to. */
export class InterpreterContext implements StringContext {
  readonly f: FunctionBuilder;
  readonly functions: SharedFunctions;
  readonly bits: number;
  readonly q: readonly number[];
  readonly n: readonly number[];
  /** A memory destination was opened by `read` and `own.host` is its host address. */
  private opened = false;

  constructor(
    protected readonly frame: Frame,
    readonly size: OperandSize,
    readonly kinds: OperandKinds,
    private readonly readsOnly = false,
  ) {
    this.f = frame.f;
    this.functions = frame.functions;
    this.bits = size * 8;
    this.q = frame.q;
    this.n = frame.n;
  }

  private kind(operand: 0 | 1): string {
    return this.kinds[operand] ?? "r";
  }

  private registerAddress(operand: 0 | 1): void {
    this.f.get(this.frame.record).i32_load16_u(operand === 0 ? R_DST : R_SRC);
  }

  read(operand: 0 | 1): void {
    this.readAs(operand, this.size, true);
  }

  readUnsigned(operand: 0 | 1): void {
    this.readAs(operand, this.size, false);
  }

  readSized(operand: 0 | 1, size: OperandSize, signed: boolean): void {
    this.readAs(operand, size, signed);
  }

  private readAs(operand: 0 | 1, size: OperandSize, signed: boolean): void {
    const { f } = this;
    const kind = this.kind(operand);
    if (kind === "i") {
      this.immediate();
      if (!signed && size !== 8) f.i64_const((1n << BigInt(size * 8)) - 1n).i64_and();
      return;
    }
    if (kind === "r") this.registerAddress(operand);
    else {
      this.effectiveAddress();
      if (operand === 0 && !this.readsOnly) {
        this.translateWrite(size);
        this.opened = true;
      } else this.translateRead(size);
    }
    loadSized(f, size, signed);
  }

  write(operand: 0 | 1): void {
    if (this.kind(operand) !== "m") {
      this.writeRegister(operand);
      return;
    }
    const { f } = this;
    const { value, host } = this.frame.own;
    if (!this.opened) throw new Error("a memory destination is written before it was read");
    f.set(value).get(host).get(value);
    storeSized(f, this.size);
    this.commit(host);
  }

  /** Calls the commit function; in the main loop only where the host address is the split buffer's. */
  commit(host: number): void {
    const { f } = this;
    if (this.frame.bank >= 0) f.get(host).i32_const(SPLIT_WRITE).i32_eq().if_(VOID, false);
    f.get(host).call(this.functions.commit);
    if (this.frame.bank >= 0) f.end();
  }

  private writeRegister(operand: 0 | 1): void {
    const { f, size } = this;
    const { value } = this.frame.own;
    f.set(value);
    this.registerAddress(operand);
    f.get(value);
    // A 32-bit result clears the register's upper half.
    if (size === 4) f.i64_const(0xffffffff).i64_and().i64_store();
    else storeSized(f, size);
  }

  writeOnly(operand: 0 | 1): void {
    if (this.kind(operand) !== "m") {
      this.writeRegister(operand);
      return;
    }
    this.f.set(this.frame.own.value);
    this.effectiveAddress();
    this.storeAtAddress(this.size);
  }

  /** Pops an address and stores `own.value` there. */
  private storeAtAddress(size: OperandSize): void {
    const { f } = this;
    const { value, ea, host, entry } = this.frame.own;
    f.set(ea);
    if (this.frame.bank >= 0) {
      this.probe(WRITE_ARRAY, size);
      f.if_(VOID, true);
      f.get(entry)
        .i32_load(WRITE_ARRAY + 8)
        .get(ea)
        .i32_wrap_i64()
        .i32_add()
        .get(value);
      storeSized(f, size);
      f.else_();
    }
    f.get(ea).i32_const(size).get(this.frame.record).call(this.functions.translateWrite).tee(host).i32_eqz().if_();
    this.frame.leave();
    f.end().get(host).get(value);
    storeSized(f, size);
    f.get(host).call(this.functions.commit);
    if (this.frame.bank >= 0) f.end();
  }

  /** Pushes whether `own.ea` hits the soft TLB; `own.entry` is its entry. */
  private probe(array: number, size: number): void {
    const { f } = this;
    const { ea, entry } = this.frame.own;
    f.get(ea).i64_const(8).i64_shr_u().i32_wrap_i64().i32_const(0xfff0).i32_and().get(this.frame.bank).i32_add();
    f.tee(entry).i64_load(array).get(ea).i64_xor();
    f.i64_const(4096 - size).i64_le_u();
  }

  translateRead(size: number): void {
    this.translate(size, 0, this.functions.translateRead);
  }

  translateWrite(size: number): void {
    this.translate(size, WRITE_ARRAY, this.functions.translateWrite);
  }

  private translate(size: number, array: number, slow: number): void {
    const { f } = this;
    const { ea, host, entry } = this.frame.own;
    f.set(ea);
    if (this.frame.bank >= 0) {
      this.probe(array, size);
      f.if_(I32, true)
        .get(entry)
        .i32_load(array + 8)
        .get(ea)
        .i32_wrap_i64()
        .i32_add();
      f.else_();
    }
    f.get(ea).i32_const(size).get(this.frame.record).call(slow).tee(host).i32_eqz().if_();
    this.frame.leave();
    f.end().get(host);
    if (this.frame.bank >= 0) f.end();
    f.tee(host);
  }

  immediate(): void {
    this.f.get(this.frame.record).i64_load(R_IMM);
  }

  effectiveAddress(): void {
    const { f } = this;
    const { record } = this.frame;
    f.get(record).i32_load16_u(R_BASE).i64_load();
    f.get(record).i32_load16_u(R_INDEX_REGISTER).i64_load().get(record).i64_load8_u(R_SCALE).i64_shl().i64_add();
    f.get(record).i32_load16_u(R_SEGMENT).i64_load().i64_add().get(record).i64_load32_s(R_DISP).i64_add();
  }

  nextRip(): void {
    this.f.i32_const(0).i64_load(PAGE_VA).get(this.frame.record).i64_load16_u(R_NEXT).i64_add();
  }

  setFlags(kind: FlagKind, r: number, a?: number, b?: number): void {
    const { f } = this;
    f.i32_const(0).i32_const(kind).i32_store(FLAG_KIND).i32_const(0).get(r).i64_store(FLAG_R);
    if (a !== undefined) f.i32_const(0).get(a).i64_store(FLAG_A);
    f.i32_const(0);
    if (b !== undefined) f.get(b);
    else f.i64_const(0);
    f.i64_store(FLAG_B);
  }

  setExplicitFlags(): void {
    const { f } = this;
    const { value } = this.frame.own;
    f.i64_extend_i32_u().set(value).i32_const(0).get(value).i64_store(FLAG_A);
    f.i32_const(0).i32_const(Kind.EXPLICIT).i32_store(FLAG_KIND);
  }

  condition(code: number): void {
    const { f } = this;
    switch (code >> 1) {
      case 0:
        this.rareCall(() => f.call(this.functions.overflow));
        break;
      case 1:
        this.carry();
        break;
      case 2:
        this.zero();
        break;
      case 3:
        this.carry();
        this.zero();
        f.i32_or();
        break;
      case 4:
        this.explicitOr(7, () => f.i32_const(0).i64_load(FLAG_R).i64_const(63).i64_shr_u().i32_wrap_i64());
        break;
      case 5:
        this.rareCall(() => f.i32_const(code & ~1).call(this.functions.condition));
        break;
      case 6:
        this.less();
        break;
      default:
        this.less();
        this.zero();
        f.i32_or();
    }
    if ((code & 1) === 1) f.i32_eqz();
  }

  carry(): void {
    this.byKind(
      () => this.flagFields(FLAG_A, FLAG_B).i64_lt_u(),
      () => this.f.i32_const(0).i32_load(FLAG_B).i32_const(1).i32_and(),
      this.functions.carry,
    );
  }

  /** Pushes SF != OF. */
  private less(): void {
    const { f } = this;
    this.byKind(
      () => this.flagFields(FLAG_A, FLAG_B).i64_lt_s(),
      () => {
        f.i32_const(0).i64_load(FLAG_R).i64_const(63).i64_shr_u().i32_wrap_i64();
        f.i32_const(0).i32_load(FLAG_B).i32_const(1).i32_shr_u().i32_const(1).i32_and().i32_xor();
      },
      this.functions.less,
    );
  }

  private flagFields(first: number, second: number): FunctionBuilder {
    return this.f.i32_const(0).i64_load(first).i32_const(0).i64_load(second);
  }

  /** A flag after the two commonest kinds of instruction, or by a function; the main loop must not call on its way. */
  private byKind(subtraction: () => void, result: () => void, general: number): void {
    const { f } = this;
    if (this.frame.bank < 0) {
      f.call(general);
      return;
    }
    const kind = this.frame.own.entry;
    f.i32_const(0).i32_load(FLAG_KIND).tee(kind).i32_const(Kind.SUB).i32_eq().if_(I32);
    subtraction();
    f.else_().get(kind).i32_const(Kind.RESULT).i32_eq().if_(I32, true);
    result();
    f.else_().call(general).end().end();
  }

  /**
   * A call in the main loop that is hardly ever made: behind a branch that says so, or the engine keeps every local of
   * the loop in memory for its sake. FLAG_KIND is never negative.
   */
  private rareCall(call: () => void): void {
    const { f } = this;
    if (this.frame.bank < 0) {
      call();
      return;
    }
    f.i32_const(0).i32_load(FLAG_KIND).i32_const(0).i32_ge_s().if_(I32, false);
    call();
    f.else_().i32_const(0).end();
  }

  private zero(): void {
    this.explicitOr(6, () => this.f.i32_const(0).i64_load(FLAG_R).i64_eqz());
  }

  private explicitOr(bit: number, lazy: () => void): void {
    const { f } = this;
    f.i32_const(0).i32_load(FLAG_KIND).if_(I32);
    lazy();
    f.else_().i32_const(0).i32_load(FLAG_A).i32_const(bit).i32_shr_u().i32_const(1).i32_and().end();
  }

  loadState(address: number): void {
    this.f.i32_const(0).i64_load(address);
  }

  storeState(address: number): void {
    const { value } = this.frame.own;
    this.f.set(value).i32_const(0).get(value).i64_store(address);
  }

  loadDestination64(): void {
    this.registerAddress(0);
    this.f.i64_load();
  }

  storeDestination64(): void {
    const { value } = this.frame.own;
    this.f.set(value);
    this.registerAddress(0);
    this.f.get(value).i64_store();
  }

  raise(vector: number, errorCode?: number): void {
    const { f } = this;
    f.i32_const(0).i32_const(vector).i32_store(EXIT_VECTOR);
    f.i32_const(0)
      .i32_const(errorCode === undefined ? 0 : 1)
      .i32_store(EXIT_HAS_ERROR_CODE);
    f.i32_const(0)
      .i32_const(errorCode ?? 0)
      .i32_store(EXIT_ERROR_CODE);
    f.i32_const(0).i32_const(ExitReason.EXCEPTION).i32_store(EXIT_REASON);
    this.frame.leave();
  }

  exit(reason: ExitReason): void {
    const { f } = this;
    f.i32_const(0).get(this.frame.record).i32_load8_u(R_LENGTH).i32_store(EXIT_LENGTH);
    f.i32_const(0).i32_const(reason).i32_store(EXIT_REASON);
    this.frame.leave();
  }

  push(size: 2 | 4 | 8): void {
    const { f } = this;
    const { value, ea } = this.frame.own;
    f.set(value).i32_const(0).i64_load(RSP).i64_const(size).i64_sub();
    this.wrapStack(size);
    this.storeAtAddress(size);
    f.i32_const(0).get(ea).i64_store(RSP);
  }

  peek(size: 2 | 4 | 8): void {
    this.f.i32_const(0).i64_load(RSP);
    this.translateRead(size);
    loadSized(this.f, size, false);
  }

  adjustStack(amount: number): void {
    this.f.i32_const(0).i32_const(0).i64_load(RSP).i64_const(amount).i64_add();
    this.wrapStack(amount);
    this.f.i64_store(RSP);
  }

  /** 4-byte pushes and pops exist in 32-bit mode only, where ESP wraps at 4 GiB. */
  private wrapStack(size: number): void {
    if (size === 4) this.f.i64_const(0xffffffff).i64_and();
  }

  repeat(): void {
    this.f.i32_const(0).i32_const(1).i32_store(EXIT_UNFINISHED).get(this.frame.record).return_();
  }

  redispatch(): void {
    const { f } = this;
    f.i32_const(0);
    this.nextRip();
    f.i64_store(EXIT_TARGET).i32_const(0).i32_const(ExitReason.REDISPATCH).i32_store(EXIT_REASON);
    this.frame.leave();
  }

  get addresses32(): boolean {
    return this.kinds === "r";
  }

  sourceBase(): void {
    this.f.get(this.frame.record).i32_load16_u(R_SEGMENT).i64_load();
  }

  destinationBase(): void {
    this.f.get(this.frame.record).i32_load16_u(R_BASE).i64_load();
  }

  recordPointer(): void {
    this.f.get(this.frame.record);
  }

  leaveFault(): void {
    this.frame.leave();
  }
}

export function loadSized(f: FunctionBuilder, size: OperandSize, signed: boolean): void {
  if (size === 8) f.i64_load();
  else if (size === 4) signed ? f.i64_load32_s() : f.i64_load32_u();
  else if (size === 2) signed ? f.i64_load16_s() : f.i64_load16_u();
  else signed ? f.i64_load8_s() : f.i64_load8_u();
}

export function storeSized(f: FunctionBuilder, size: OperandSize): void {
  if (size === 8) f.i64_store();
  else if (size === 4) f.i64_store32();
  else if (size === 2) f.i64_store16();
  else f.i64_store8();
}

/** A handler in a function of its own: `emit` assembles its body; falling off the end goes to the next record. */
export interface CalledHandler {
  readonly name: string;
  emit(frame: Frame): void;
}
