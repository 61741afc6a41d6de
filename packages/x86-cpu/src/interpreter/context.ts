import type { FunctionBuilder } from "@xen-node/wasm-emit";
import { I32, VOID } from "@xen-node/wasm-emit";
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
import { signExtend } from "../semantics/arithmetic.ts";
import { type FlagKind, FlagKind as Kind, type OperandSize } from "../semantics/context.ts";
import { EmissionContext, type Frame, loadSized, storeSized } from "../semantics/emission-context.ts";
import { CF, EXIT_UNFINISHED, FLAG_A, FLAG_B, FLAG_KIND, FLAG_R, PAGE_VA } from "../state.ts";

/** The interpreter's operands: named by the record that `frame.record` points to. */
export class InterpreterContext extends EmissionContext {
  operandAddress(operand: 0 | 1): void {
    this.f.get(this.frame.record).i32_load16_u(operand === 0 ? R_DST : R_SRC);
  }

  protected readRegister(operand: 0 | 1, size: OperandSize, signed: boolean): void {
    this.operandAddress(operand);
    loadSized(this.f, size, signed);
  }

  protected writeRegister(operand: 0 | 1): void {
    const { f, size } = this;
    const { value } = this.frame.own;
    f.set(value);
    this.operandAddress(operand);
    f.get(value);
    // A 32-bit result clears the register's upper half.
    if (size === 4) f.i64_const(0xffffffff).i64_and().i64_store();
    else storeSized(f, size);
  }

  spillOperand(): void {}

  reloadOperand(): void {}

  immediate(): void {
    this.f.get(this.frame.record).i64_load(R_IMM);
  }

  immediate32(): void {
    this.f.get(this.frame.record).i32_load(R_IMM);
  }

  immediateAddress(): void {
    this.f.get(this.frame.record).i32_const(R_IMM).i32_add();
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

  protected instructionLength(): void {
    this.f.get(this.frame.record).i32_load8_u(R_LENGTH);
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

  setFlagsLow(kind: FlagKind, r: number, a?: number, b?: number): void {
    // Operands come sign-extended from memory at no cost; the result does not.
    const { f, size } = this;
    if (size !== 8) {
      f.get(r);
      signExtend(this);
      f.set(r);
    }
    this.setFlags(kind, r, a, b);
  }

  changeCarry(): void {
    const { f } = this;
    const { entry, value } = this.frame.own;
    f.set(entry).i32_const(0).i32_load(FLAG_KIND).if_(VOID, true);
    // All kinds but the explicit one have ZF in R; SF and PF too, as it happens.
    f.i32_const(0).i32_const(Kind.RESULT).i32_store(FLAG_KIND);
    f.get(entry).i64_extend_i32_u().set(value).i32_const(0).get(value).i64_store(FLAG_B);
    f.else_();
    f.i32_const(0).i32_const(0).i32_load(FLAG_A).i32_const(~CF).i32_and().get(entry).i32_or().i32_store(FLAG_A);
    f.end();
  }

  arithmeticFlags(): void {
    this.f.call(this.functions.arithmeticFlags);
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

  loadDestination64(): void {
    this.operandAddress(0);
    this.f.i64_load();
  }

  storeDestination64(): void {
    const { value } = this.frame.own;
    this.f.set(value);
    this.operandAddress(0);
    this.f.get(value).i64_store();
  }

  repeat(): void {
    this.f.i32_const(0).i32_const(1).i32_store(EXIT_UNFINISHED).get(this.frame.record).return_();
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
}

/** A handler in a function of its own: `emit` assembles its body; falling off the end goes to the next record. */
export interface CalledHandler {
  readonly name: string;
  emit(frame: Frame): void;
}
