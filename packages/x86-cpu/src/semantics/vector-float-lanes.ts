import { type FunctionBuilder, V128 } from "@xen-node/wasm-emit";
import { MXCSR } from "../state.ts";
import type { VectorContext } from "./vector-context.ts";

type LaneOperation =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "sqrt"
  | "pmin"
  | "pmax"
  | "abs"
  | "eq"
  | "lt"
  | "gt"
  | "ge"
  | "ceil"
  | "floor"
  | "trunc"
  | "nearest";

/** One of the two formats: how its lanes are worked on. */
export class FloatFormat {
  private constructor(
    readonly bits: 32 | 64,
    readonly lanes: 4 | 2,
    /** Smallest normal number, twice that, and infinity in every lane. */
    readonly minimum: readonly number[],
    readonly safeMinimum: readonly number[],
    readonly infinity: readonly number[],
  ) {}

  static readonly SINGLE = new FloatFormat(
    32,
    4,
    singles(2 ** -126),
    singles(2 ** -125),
    singles(Number.POSITIVE_INFINITY),
  );
  static readonly DOUBLE = new FloatFormat(
    64,
    2,
    doubles(2 ** -1022),
    doubles(2 ** -1021),
    doubles(Number.POSITIVE_INFINITY),
  );

  /** The number in every lane, as bytes. */
  constant(value: number): number[] {
    return this.bits === 32 ? singles(value) : doubles(value);
  }

  /** The sign bit of every lane. */
  get signs(): number[] {
    return this.constant(-0);
  }

  operate(f: FunctionBuilder, operation: LaneOperation): void {
    if (this.bits === 32) f[`f32x4_${operation}`]();
    else f[`f64x2_${operation}`]();
  }

  /** Pops lanes that are all ones or all zeros. */
  allTrue(f: FunctionBuilder): void {
    if (this.bits === 32) f.i32x4_bitmask().i32_const(15).i32_eq();
    else f.i64x2_bitmask().i32_const(3).i32_eq();
  }

  /** Pops a vector and pushes a lane's bits as i32 or i64. */
  extract(f: FunctionBuilder, lane: number): void {
    if (this.bits === 32) f.i32x4_extract_lane(lane);
    else f.i64x2_extract_lane(lane);
  }

  replace(f: FunctionBuilder, lane: number): void {
    if (this.bits === 32) f.i32x4_replace_lane(lane);
    else f.i64x2_replace_lane(lane);
  }

  /** Pushes an operand of which `scalar` instructions take the first lane: they get it in all lanes. */
  operand(c: VectorContext, operand: 0 | 1, scalar: boolean): number {
    if (scalar) {
      c.address(operand);
      if (this.bits === 32) c.f.v128_load32_splat();
      else c.f.v128_load64_splat();
    } else c.vector(operand);
    return c.let();
  }

  /** Stores a local to the destination: one lane of it for `scalar` instructions. */
  store(c: VectorContext, result: number, scalar: boolean): void {
    const value = () => c.f.get(result);
    if (!scalar) c.store(value);
    else if (this.bits === 32) {
      c.storeLow32(() => {
        value();
        c.f.i32x4_extract_lane(0);
      });
    } else {
      c.storeLow64(() => {
        value();
        c.f.i64x2_extract_lane(0);
      });
    }
  }

  /** Pushes the lanes of a local that are neither denormal nor NaN. */
  ordinary(f: FunctionBuilder, value: number): void {
    f.get(value);
    this.operate(f, "abs");
    f.v128_const(this.minimum);
    this.operate(f, "ge");
    this.zero(f, value);
    f.v128_or();
  }

  zero(f: FunctionBuilder, value: number): void {
    f.get(value).i32_const(0).i32x4_splat();
    this.operate(f, "eq");
  }

  /** Pushes the lanes of a local that are finite and so large that nothing was lost to underflow. */
  safeResult(f: FunctionBuilder, value: number): void {
    f.get(value);
    this.operate(f, "abs");
    const magnitude = f.local(V128);
    f.tee(magnitude).v128_const(this.safeMinimum);
    this.operate(f, "ge");
    f.get(magnitude).v128_const(this.infinity);
    this.operate(f, "lt");
    f.v128_and();
  }
}

function singles(value: number): number[] {
  return [...new Uint8Array(new Float32Array(4).fill(value).buffer)];
}

function doubles(value: number): number[] {
  return [...new Uint8Array(new Float64Array(2).fill(value).buffer)];
}

export type Arithmetic = "add" | "sub" | "mul" | "div";

const softNames = { add: "Add", sub: "Sub", mul: "Mul", div: "Div" } as const;

export function softFunction(c: VectorContext, format: FloatFormat, name: Arithmetic): number {
  const { soft } = c.functions;
  return format.bits === 32 ? soft[`f32${softNames[name]}`] : soft[`f64${softNames[name]}`];
}

/** Everything but the sticky flags I D Z O U, which do not matter. */
export const FAST_MASK = 0xffe0;
/** Round to nearest, denormals as they are, all exceptions masked, and P sticky already. */
export const FAST_VALUE = 0x1fa0;

/** Pushes whether MXCSR allows native arithmetic whose results may be inexact. */
export function nativeAllowed(f: FunctionBuilder): void {
  f.i32_const(0).i32_load(MXCSR).i32_const(FAST_MASK).i32_and().i32_const(FAST_VALUE).i32_eq();
}

/**
 * Native arithmetic if `fast` finds nothing unusual, which it says by an i32 that it pushes, or if `further`, which looks
 * closer, does so; else `soft`, whose soft-float calls note exceptions in MXCSR. Unmasked ones leave the instruction.
 */
export function fastOrSoft(c: VectorContext, fast: () => void, soft: () => void, further?: () => void): void {
  const { f } = c;
  const done = f.block();
  fast();
  f.br_if(done, true);
  if (further !== undefined) {
    further();
    f.br_if(done);
  }
  withSoftFloat(c, soft);
  f.end();
}

export function withSoftFloat(c: VectorContext, soft: () => void): void {
  const { f, functions } = c;
  f.call(functions.begin);
  soft();
  f.call(functions.finish);
  const vector = c.letI32();
  f.get(vector).if_();
  c.raiseLocal(vector);
  f.end();
}
