import { F32, F64, I32, I64 } from "@xen-node/wasm-emit";
import { Code, Expression, type IntegerType, type Local } from "../softfloat/expression.ts";
import { MXCSR } from "../state.ts";
import type { VectorContext } from "./vector-context.ts";
import { FAST_MASK, FAST_VALUE, type FloatFormat } from "./vector-float-lanes.ts";

type Operation = "add" | "sub" | "mul" | "div" | "sqrt" | "lt" | "gt" | "eq" | "nearest";

/**
 * Scalar floating point: values in f32 or f64 locals, and tests of their bits, which cost less than tests of vectors. Bits are
 * looked at doubled, without the sign: denormals, normal numbers, infinity and NaN are then ranges in that order.
 */
export class ScalarCode extends Code {
  readonly single: boolean;
  readonly type: typeof F32 | typeof F64;
  readonly integer: IntegerType;
  /** Twice the bits of the smallest normal number, and of infinity. */
  private readonly unit: bigint;
  private readonly infinity: bigint;

  constructor(
    private readonly c: VectorContext,
    readonly format: FloatFormat,
  ) {
    super(c.f);
    this.single = format.bits === 32;
    this.type = this.single ? F32 : F64;
    this.integer = this.single ? I32 : I64;
    this.unit = this.single ? 1n << 24n : 1n << 53n;
    this.infinity = this.unit * (this.single ? 0xffn : 0x7ffn);
  }

  /** A constant of doubled bits: as signed numbers, which the assembler wants. */
  private bits(value: bigint): number | bigint {
    return this.single ? Number(BigInt.asIntN(32, value)) : BigInt.asIntN(64, value);
  }

  get signBit(): number | bigint {
    return this.bits(1n << BigInt(this.format.bits - 1));
  }

  /** The first lane of an operand in a float local. */
  operand(operand: 0 | 1): number {
    const local = this.c.local(this.type);
    this.c.address(operand);
    if (this.single) this.f.f32_load();
    else this.f.f64_load();
    this.f.set(local);
    return local;
  }

  operate(operation: Operation): void {
    if (this.single) this.f[`f32_${operation}`]();
    else this.f[`f64_${operation}`]();
  }

  /** The bits of a float local. */
  reinterpret(local: number): Expression {
    return new Expression(this.integer, (f) => {
      f.get(local);
      if (this.single) f.i32_reinterpret_f32();
      else f.i64_reinterpret_f64();
    });
  }

  /** Twice the bits: the magnitude. */
  doubled(local: number): Local {
    return this.let(this.reinterpret(local).shl(1));
  }

  /** The same of a vector's first lane. */
  doubledLane(vector: number): Local {
    const lane = new Expression(this.integer, (f) => {
      f.get(vector);
      this.format.extract(f, 0);
    });
    return this.let(lane.shl(1));
  }

  /** Both of them normal: the quick test for what comparisons mostly see. */
  bothNormal(a: Local, b: Local): Expression {
    const isNormal = (magnitude: Local) =>
      magnitude.sub(this.bits(this.unit)).ltU(this.bits(this.infinity - this.unit));
    return isNormal(a).and(isNormal(b));
  }

  /** Neither denormal nor NaN, either of them. */
  bothOrdinary(a: Local, b: Local): Expression {
    return this.notDenormal(a).and(this.isNumber(a)).and(this.notDenormal(b)).and(this.isNumber(b));
  }

  /** Not denormal, though perhaps NaN. */
  notDenormal(magnitude: Local): Expression {
    return magnitude.sub(1).geU(this.bits(this.unit - 1n));
  }

  /** Not NaN. */
  isNumber(magnitude: Local): Expression {
    return magnitude.leU(this.bits(this.infinity));
  }

  isFinite(magnitude: Local): Expression {
    return magnitude.ltU(this.bits(this.infinity));
  }

  /** Finite, and so large that nothing was lost to underflow. */
  isSafe(magnitude: Local): Expression {
    return magnitude.sub(this.bits(2n * this.unit)).ltU(this.bits(this.infinity - 2n * this.unit));
  }

  /** from ≤ magnitude < to, which are powers of two. */
  isBetween(magnitude: Local, from: number, to: number): Expression {
    const doubled = (value: number) => this.unit * BigInt(Math.log2(value) + (this.single ? 127 : 1023));
    return magnitude.sub(this.bits(doubled(from))).ltU(this.bits(doubled(to) - doubled(from)));
  }

  /** Normal and positive, of bits that are not doubled. */
  isPositive(bits: Local): Expression {
    return bits.sub(this.bits(this.unit / 2n)).ltU(this.bits((this.infinity - this.unit) / 2n));
  }

  /** MXCSR allows native arithmetic whose results may be inexact. */
  nativeAllowed(): Expression {
    return this.state(MXCSR).and(FAST_MASK).eq(FAST_VALUE);
  }

  /** Stores a float local to the first lane of the destination. */
  put(local: number): void {
    this.c.address(0);
    this.f.get(local);
    if (this.single) this.f.f32_store();
    else this.f.f64_store();
  }

  /** Sets a float local to bits on the stack. */
  setBits(local: number): void {
    if (this.single) this.f.f32_reinterpret_i32();
    else this.f.f64_reinterpret_i64();
    this.f.set(local);
  }
}
