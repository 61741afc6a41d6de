import { type FunctionBuilder, I32, I64, VOID } from "@xen-node/wasm-emit";
import { ExitReason } from "../exit.ts";
import {
  EXIT_ERROR_CODE,
  EXIT_HAS_ERROR_CODE,
  EXIT_LENGTH,
  EXIT_REASON,
  EXIT_TARGET,
  EXIT_VECTOR,
  READ_BOUNDS,
  RSP,
  SEG_BASE,
  SPLIT_WRITE,
  SS,
  VECTOR,
  WRITE_BOUNDS,
} from "../state.ts";
import type { FlagKind, LowOperation, OperandSize, SharedFunctions, StringContext, Vector } from "./context.ts";
import type { OperandKinds } from "./registry.ts";

/** Byte offset of the write array inside a soft-TLB bank (see @xen-node/mmu). */
export const WRITE_ARRAY = 0x10000;

/** Of q: the offset that `stackAddress` leaves. */
const STACK_OFFSET = 7;

/** Where an instruction's code runs: in a loop with a soft-TLB bank at hand, or in a function of its own. */
export interface Frame {
  readonly f: FunctionBuilder;
  readonly functions: SharedFunctions;
  /** i32 local with the record's address; −1 where there is none. */
  readonly record: number;
  /** i32 local with the soft-TLB bank's address, or −1: then memory is reached through the shared functions. */
  readonly bank: number;
  readonly q: readonly number[];
  readonly n: readonly number[];
  /** Locals of the context itself: value, address (i64), host, entry (i32). */
  readonly own: { value: number; ea: number; host: number; entry: number };
  /** Leaves the instruction after an exception has been raised. */
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

/** What both tiers have in common: memory through the soft TLB, the stack, exits. Operands and flags differ. */
export abstract class EmissionContext implements StringContext {
  readonly f: FunctionBuilder;
  readonly functions: SharedFunctions;
  readonly bits: number;
  readonly q: readonly number[];
  readonly n: readonly number[];
  /** A memory destination was opened by `read` and `own.host` is its host address. */
  private opened = false;

  constructor(
    readonly frame: Frame,
    readonly size: OperandSize,
    readonly kinds: OperandKinds,
    private readonly readsOnly = false,
    readonly segmented = false,
  ) {
    this.f = frame.f;
    this.functions = frame.functions;
    this.bits = size * 8;
    this.q = frame.q;
    this.n = frame.n;
  }

  // ---- operands ----

  /** Pushes the state address of a register operand (i32). */
  abstract operandAddress(operand: 0 | 1): void;
  /** Pushes a register operand as i64, extended from `size` bytes. */
  protected abstract readRegister(operand: 0 | 1, size: OperandSize, signed: boolean): void;
  /** Pops an i64 into a register operand at the operand size. */
  protected abstract writeRegister(operand: 0 | 1): void;
  abstract loadDestination64(): void;
  abstract storeDestination64(): void;
  abstract immediate(): void;
  get immediateByte(): number | undefined {
    return undefined;
  }
  branchFlags(): void {}
  mergeFlags(): void {}
  /** Pushes the immediate's low half as i32. */
  abstract immediate32(): void;
  /** Pushes where the immediate's 8 bytes lie (i32). */
  abstract immediateAddress(): void;
  abstract effectiveAddress(): void;
  abstract nextRip(): void;
  abstract recordPointer(): void;
  abstract sourceBase(): void;
  abstract destinationBase(): void;
  /** Makes a general register operand's state address hold its value, for code that reads it there. */
  abstract spillOperand(operand: 0 | 1): void;
  /** A general register operand was changed at its state address. */
  abstract reloadOperand(operand: 0 | 1): void;
  /** Pushes the instruction's length as i32. */
  protected abstract instructionLength(): void;

  // ---- flags ----

  abstract setFlags(kind: FlagKind, r: number, a?: number, b?: number): void;
  abstract setFlagsLow(kind: FlagKind, r: number, a?: number, b?: number): void;
  abstract setExplicitFlags(): void;
  abstract changeCarry(): void;
  abstract carry(): void;
  abstract condition(code: number): void;
  abstract arithmeticFlags(): void;

  abstract repeat(): void;

  stateChanged(_address: number): void {}

  get addressSize(): 2 | 4 | 8 {
    return this.kinds === "w" ? 2 : this.kinds === "r" ? 4 : 8;
  }

  private kind(operand: 0 | 1): string {
    return this.kinds[operand] ?? "r";
  }

  read(operand: 0 | 1): void {
    this.readAs(operand, this.size, true);
  }

  readUnsigned(operand: 0 | 1): void {
    this.readAs(operand, this.size, false);
  }

  readLow(operand: 0 | 1): void {
    this.readAs(operand, this.size, true);
  }

  low(operation: LowOperation): void {
    this.f[`i64_${operation}`]();
  }

  readSized(operand: 0 | 1, size: OperandSize, signed: boolean): void {
    this.readAs(operand, size, signed);
  }

  protected readAs(operand: 0 | 1, size: OperandSize, signed: boolean): void {
    const { f } = this;
    const kind = this.kind(operand);
    if (kind === "i") {
      this.immediate();
      if (!signed && size !== 8) f.i64_const((1n << BigInt(size * 8)) - 1n).i64_and();
      return;
    }
    if (kind === "r") {
      this.readRegister(operand, size, signed);
      return;
    }
    this.effectiveAddress();
    if (operand === 0 && !this.readsOnly) {
      this.translateWrite(size);
      this.opened = true;
    } else this.translateRead(size);
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

  writeOnly(operand: 0 | 1): void {
    if (this.kind(operand) !== "m") {
      this.writeRegister(operand);
      return;
    }
    this.f.set(this.frame.own.value);
    this.effectiveAddress();
    this.storeAtAddress(this.size);
  }

  // ---- memory ----

  /** Calls the commit function; where calls are dear only if the host address is the split buffer's. */
  commit(host: number): void {
    const { f } = this;
    if (this.frame.bank >= 0) f.get(host).i32_const(SPLIT_WRITE).i32_eq().if_(VOID, false);
    f.get(host).call(this.functions.commit);
    if (this.frame.bank >= 0) f.end();
  }

  /** Pops an address and stores `own.value` there. */
  protected storeAtAddress(size: OperandSize): void {
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
    f.get(ea).i32_const(size);
    this.recordPointer();
    f.call(this.functions.translateWrite).tee(host).i32_eqz().if_();
    this.frame.leave();
    f.end().get(host).get(value);
    storeSized(f, size);
    f.get(host).call(this.functions.commit);
    if (this.frame.bank >= 0) f.end();
  }

  /** Pushes whether `own.ea` hits the soft TLB; `own.entry` is its entry. */
  protected probe(array: number, size: number): void {
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

  protected translate(size: number, array: number, slow: number): void {
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
    f.get(ea).i32_const(size);
    this.recordPointer();
    f.call(slow).tee(host).i32_eqz().if_();
    this.frame.leave();
    f.end().get(host);
    if (this.frame.bank >= 0) f.end();
    f.tee(host);
  }

  loadState(address: number): void {
    this.f.i32_const(0).i64_load(address);
  }

  storeState(address: number): void {
    const { value } = this.frame.own;
    this.f.set(value).i32_const(0).get(value).i64_store(address);
  }

  // ---- segments ----

  within(offset: number, pushLast: () => void, pushBounds: () => void, vector: Vector): void {
    const { f } = this;
    f.get(offset);
    pushBounds();
    f.i64_load32_u(0).i64_lt_u().get(offset);
    pushLast();
    f.i64_add();
    pushBounds();
    f.i64_load32_u(4).i64_gt_u().i32_or().if_(VOID, false);
    this.raise(vector, 0);
    f.end();
  }

  stackAddress(size: number, write: boolean): void {
    const { f } = this;
    const offset = this.q[STACK_OFFSET];
    f.i64_const(0xffffffff).i64_and().set(offset);
    const bounds = write ? WRITE_BOUNDS(SS) : READ_BOUNDS(SS);
    this.within(
      offset,
      () => f.i64_const(size - 1),
      () => f.i32_const(bounds),
      VECTOR.SS,
    );
    f.get(offset).i32_const(0).i64_load(SEG_BASE(SS)).i64_add().i64_const(0xffffffff).i64_and();
  }

  // ---- the stack ----

  push(size: 2 | 4 | 8): void {
    const { f } = this;
    const { value, ea } = this.frame.own;
    f.set(value).i32_const(0).i64_load(RSP).i64_const(size).i64_sub();
    if (this.segmented) this.stackAddress(size, true);
    else this.wrapStack(size);
    this.storeAtAddress(size);
    f.i32_const(0)
      .get(this.segmented ? this.q[STACK_OFFSET] : ea)
      .i64_store(RSP);
  }

  peek(size: 2 | 4 | 8): void {
    this.f.i32_const(0).i64_load(RSP);
    if (this.segmented) this.stackAddress(size, false);
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

  // ---- exits ----

  raise(vector: Vector, errorCode?: number): void {
    const { f } = this;
    f.i32_const(0);
    if (typeof vector === "number") f.i32_const(vector);
    else vector();
    f.i32_store(EXIT_VECTOR);
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
    f.i32_const(0);
    this.instructionLength();
    f.i32_store(EXIT_LENGTH);
    f.i32_const(0).i32_const(reason).i32_store(EXIT_REASON);
    this.frame.leave();
  }

  redispatch(): void {
    const { f } = this;
    f.i32_const(0);
    this.nextRip();
    f.i64_store(EXIT_TARGET).i32_const(0).i32_const(ExitReason.REDISPATCH).i32_store(EXIT_REASON);
    this.frame.leave();
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
