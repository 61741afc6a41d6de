import { I32, I64 } from "@xen-node/wasm-emit";
import { FlagKind, type OperandSize, type SharedFunctions } from "../semantics/context.ts";
import { CF, FLAG_A, FLAG_B, FLAG_KIND, FLAG_R } from "../state.ts";
import type { RegionCode } from "./state-locals.ts";

/** The kind in the local `kind` is not known while code is emitted. */
export const UNKNOWN_KIND = -1;

/** What is known at a place of the code about the flags in the locals. */
export interface FlagState {
  readonly kind: FlagKind | typeof UNKNOWN_KIND;
  /** Size of the operands that the locals hold, sign-extended. */
  readonly size: OperandSize;
}

export const UNKNOWN_FLAGS: FlagState = { kind: UNKNOWN_KIND, size: 8 };

/**
 * The arithmetic flags of a region: kind and operands in locals, as the interpreter has them in memory. All of it is pure
 * arithmetic on locals, which the engine moves to where a flag is used, or to an exit where none is.
 *
 * Where registers are written through, flags lie in memory between blocks, and in locals from the instruction that sets
 * them to the end of the straight line of code (`dirty`).
 */
export class RegionFlags {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  readonly r: number;
  state: FlagState = UNKNOWN_FLAGS;
  /** The locals hold the flags and the state block does not. Without write-through it is so all the time. */
  dirty: boolean;

  constructor(
    private readonly f: RegionCode,
    private readonly functions: SharedFunctions,
  ) {
    this.kind = f.local(I32);
    this.a = f.local(I64);
    this.b = f.local(I64);
    this.r = f.local(I64);
    this.dirty = !f.writeThrough;
  }

  /** Pushes an operand. */
  private operand(local: number): RegionCode {
    const { f } = this;
    if (this.dirty) return f.get(local);
    const address = local === this.a ? FLAG_A : local === this.b ? FLAG_B : FLAG_R;
    f.i32_const(0).i64_load(address);
    return f;
  }

  load(): void {
    const { f } = this;
    f.i32_const(0).i32_load(FLAG_KIND).set(this.kind);
    f.i32_const(0).i64_load(FLAG_A).set(this.a);
    f.i32_const(0).i64_load(FLAG_B).set(this.b);
    f.i32_const(0).i64_load(FLAG_R).set(this.r);
  }

  /** Stores what the kind looks at. */
  store(): void {
    if (this.dirty) this.storeAs(this.state.kind);
  }

  /** Stores the locals, of whatever kind they are. */
  storeAs(kind: FlagState["kind"] = UNKNOWN_KIND): void {
    const { f } = this;
    f.i32_const(0).get(this.kind).i32_store(FLAG_KIND);
    if (kind !== FlagKind.RESULT) f.i32_const(0).get(this.a).i64_store(FLAG_A);
    if (kind === FlagKind.EXPLICIT) return;
    f.i32_const(0).get(this.b).i64_store(FLAG_B);
    f.i32_const(0).get(this.r).i64_store(FLAG_R);
  }

  /** The code goes on without what locals hold, unless registers are kept in them: for where branches meet, too. */
  giveUp(): void {
    if (!this.f.writeThrough) return;
    this.store();
    this.dirty = false;
  }

  /** At the end of the branch that has set flags: behind it either may be true. */
  mergeBranch(): void {
    this.giveUp();
    this.forget();
  }

  /** A helper has left other flags in memory. */
  reload(): void {
    if (this.f.writeThrough) this.dirty = false;
    else this.load();
    this.forget();
  }

  forget(): void {
    this.state = UNKNOWN_FLAGS;
  }

  private become(kind: FlagKind, size: OperandSize): void {
    this.f.i32_const(kind).set(this.kind);
    this.state = { kind, size };
    this.dirty = true;
  }

  private extend(local: number, size: OperandSize): void {
    const { f } = this;
    f.get(local);
    if (size === 4) f.i64_extend32_s();
    else if (size === 2) f.i64_extend16_s();
    else if (size === 1) f.i64_extend8_s();
  }

  /** Locals hold operands at the size, with any bits above it. */
  set(kind: FlagKind, size: OperandSize, r: number, a?: number, b?: number): void {
    const { f } = this;
    // INC and DEC keep CF in B, which is no operand.
    const carryInB = kind === FlagKind.RESULT || kind === FlagKind.INC || kind === FlagKind.DEC;
    if (b === undefined) f.i64_const(0);
    else if (carryInB) f.get(b);
    else this.extend(b, size);
    f.set(this.b);
    if (a === undefined) f.i64_const(0);
    else this.extend(a, size);
    f.set(this.a);
    this.extend(r, size);
    f.set(this.r);
    this.become(kind, size);
  }

  /** Pops the flags word. */
  setExplicit(): void {
    const { f } = this;
    f.i64_extend_i32_u().set(this.a).i64_const(0).tee(this.b).set(this.r);
    this.become(FlagKind.EXPLICIT, 8);
  }

  /** Pops CF; ZF stays, the rest is undefined. */
  changeCarry(scratch: number): void {
    const { f } = this;
    const { kind } = this.state;
    f.set(scratch);
    if (kind === FlagKind.EXPLICIT || kind === UNKNOWN_KIND) {
      this.arithmeticFlags();
      f.i32_const(~CF).i32_and().get(scratch).i32_or();
      this.setExplicit();
      return;
    }
    if (!this.dirty) {
      f.i64_const(0).set(this.a);
      this.operand(this.r).set(this.r);
    }
    f.get(scratch).i64_extend_i32_u().set(this.b);
    this.become(FlagKind.RESULT, this.state.size);
  }

  private pair(first: number, second: number): RegionCode {
    this.operand(first);
    return this.operand(second);
  }

  /** Pushes a comparison of two locals, in 32 bits where they are no wider. */
  private compare(first: number, second: number, narrow: () => void, wide: () => void): void {
    if (this.state.size !== 4) {
      this.pair(first, second);
      wide();
      return;
    }
    this.operand(first).i32_wrap_i64();
    this.operand(second).i32_wrap_i64();
    narrow();
  }

  private topBit(): void {
    this.f.i64_const(63).i64_shr_u().i32_wrap_i64();
  }

  private general(helper: number): void {
    this.store();
    this.f.call(helper);
  }

  private bitOfA(bit: number): void {
    this.operand(this.a).i32_wrap_i64().i32_const(bit).i32_shr_u().i32_const(1).i32_and();
  }

  carry(): void {
    const { f, a, b, r } = this;
    switch (this.state.kind) {
      case FlagKind.EXPLICIT:
        this.bitOfA(0);
        break;
      case FlagKind.RESULT:
      case FlagKind.INC:
      case FlagKind.DEC:
        this.operand(b).i32_wrap_i64().i32_const(1).i32_and();
        break;
      case FlagKind.ADD:
        this.compare(
          r,
          a,
          () => f.i32_lt_u(),
          () => f.i64_lt_u(),
        );
        break;
      case FlagKind.SUB:
        this.compare(
          a,
          b,
          () => f.i32_lt_u(),
          () => f.i64_lt_u(),
        );
        break;
      case FlagKind.ADD_CARRY:
        this.pair(a, b).i64_and();
        this.pair(a, b).i64_or();
        this.operand(r).i64_const(-1).i64_xor().i64_and().i64_or();
        this.topBit();
        break;
      case FlagKind.SUB_BORROW:
        this.operand(a).i64_const(-1).i64_xor();
        this.operand(b).i64_and();
        this.operand(a).i64_const(-1).i64_xor();
        this.operand(b).i64_or();
        this.operand(r).i64_and().i64_or();
        this.topBit();
        break;
      default:
        this.general(this.functions.carry);
    }
  }

  overflow(): void {
    const { a, b, r } = this;
    switch (this.state.kind) {
      case FlagKind.EXPLICIT:
        this.bitOfA(11);
        break;
      case FlagKind.RESULT:
        this.operand(b).i32_wrap_i64().i32_const(1).i32_shr_u().i32_const(1).i32_and();
        break;
      case FlagKind.ADD:
      case FlagKind.ADD_CARRY:
        this.pair(a, r).i64_xor();
        this.pair(b, r).i64_xor().i64_and();
        this.topBit();
        break;
      case FlagKind.SUB:
      case FlagKind.SUB_BORROW:
        this.pair(a, b).i64_xor();
        this.pair(a, r).i64_xor().i64_and();
        this.topBit();
        break;
      case FlagKind.INC:
        this.operand(a).i64_const(-1).i64_xor();
        this.operand(r).i64_and();
        this.topBit();
        break;
      case FlagKind.DEC:
        this.pair(a, r).i64_const(-1).i64_xor().i64_and();
        this.topBit();
        break;
      default:
        this.general(this.functions.overflow);
    }
  }

  private zero(): void {
    if (this.state.kind === FlagKind.EXPLICIT) this.bitOfA(6);
    else if (this.state.size === 4) this.operand(this.r).i32_wrap_i64().i32_eqz();
    else this.operand(this.r).i64_eqz();
  }

  private sign(): void {
    if (this.state.kind === FlagKind.EXPLICIT) this.bitOfA(7);
    else if (this.state.size === 4) this.operand(this.r).i32_wrap_i64().i32_const(0).i32_lt_s();
    else this.operand(this.r).i64_const(0).i64_lt_s();
  }

  private parity(): void {
    if (this.state.kind === FlagKind.EXPLICIT) this.bitOfA(2);
    else this.operand(this.r).i32_wrap_i64().i32_const(0xff).i32_and().i32_popcnt().i32_const(1).i32_and().i32_eqz();
  }

  condition(code: number): void {
    const { f } = this;
    if (this.state.kind === UNKNOWN_KIND) {
      this.store();
      f.i32_const(code).call(this.functions.condition);
      return;
    }
    if (this.state.kind === FlagKind.SUB && this.comparison(code)) return;
    switch (code >> 1) {
      case 0:
        this.overflow();
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
        this.sign();
        break;
      case 5:
        this.parity();
        break;
      case 6:
        this.sign();
        this.overflow();
        f.i32_xor();
        break;
      default:
        this.sign();
        this.overflow();
        f.i32_xor();
        this.zero();
        f.i32_or();
    }
    if ((code & 1) === 1) f.i32_eqz();
  }

  /** A condition after a subtraction, straight from its operands; false if it has no such form. */
  private comparison(code: number): boolean {
    const { f, a, b } = this;
    const forms: readonly [narrow: () => void, wide: () => void][] = [
      [() => f.i32_lt_u(), () => f.i64_lt_u()],
      [() => f.i32_ge_u(), () => f.i64_ge_u()],
      [() => f.i32_eq(), () => f.i64_eq()],
      [() => f.i32_ne(), () => f.i64_ne()],
      [() => f.i32_le_u(), () => f.i64_le_u()],
      [() => f.i32_gt_u(), () => f.i64_gt_u()],
      [() => f.i32_lt_s(), () => f.i64_lt_s()],
      [() => f.i32_ge_s(), () => f.i64_ge_s()],
      [() => f.i32_le_s(), () => f.i64_le_s()],
      [() => f.i32_gt_s(), () => f.i64_gt_s()],
    ];
    const form = code >= 2 && code < 8 ? forms[code - 2] : code >= 12 ? forms[code - 6] : undefined;
    if (form === undefined) return false;
    this.compare(a, b, ...form);
    return true;
  }

  /** Pushes the flags word. */
  arithmeticFlags(): void {
    const { f } = this;
    const { kind } = this.state;
    if (kind === FlagKind.EXPLICIT) {
      this.operand(this.a).i32_wrap_i64();
      return;
    }
    if (kind === UNKNOWN_KIND || kind === FlagKind.PRODUCT) {
      this.general(this.functions.arithmeticFlags);
      return;
    }
    this.carry();
    this.parity();
    f.i32_const(2).i32_shl().i32_or();
    this.zero();
    f.i32_const(6).i32_shl().i32_or();
    this.sign();
    f.i32_const(7).i32_shl().i32_or();
    this.overflow();
    f.i32_const(11).i32_shl().i32_or();
    if (kind === FlagKind.RESULT) return;
    this.operand(this.a);
    if (kind !== FlagKind.INC && kind !== FlagKind.DEC) this.operand(this.b).i64_xor();
    this.operand(this.r).i64_xor().i32_wrap_i64().i32_const(0x10).i32_and().i32_or();
  }
}
