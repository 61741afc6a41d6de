import { FP_SCRATCH } from "../state.ts";
import type { ExactnessTests } from "./exactness.ts";

/**
 * Inputs and outputs of the soft-float functions besides FP_ROUNDING (0 nearest, 1 down, 2 up, 3 to zero), FP_FLAGS (exceptions
 * are or-ed in, MXCSR bit order, bits 0-5 only) and FP_PRECISION (significand bits of x87 results: 24, 53 or 64).
 */

/** i32: how the SSE functions treat denormals, `FpControl` bits. */
export const FP_CONTROL = FP_SCRATCH;
/** i32: the exceptions that are *not* masked, MXCSR bit order. Unmasked overflow and underflow change results and flags. */
export const FP_UNMASKED = FP_SCRATCH + 4;
/** i32: 1 when the last rounding increased the magnitude (x87's C1). */
export const FP_ROUNDED_UP = FP_SCRATCH + 8;
/** From here on to FP_SCRATCH_END the area is not used by the soft-float functions. */
export const FP_SCRATCH_FREE = FP_SCRATCH + 0x40;

export const FpControl = {
  DENORMALS_ARE_ZERO: 1,
  FLUSH_TO_ZERO: 2,
} as const;

/** Exception flags, MXCSR and FSW bit order (Intel SDM vol. 1, 10.2.3). */
export const FpFlag = {
  INVALID: 1,
  DENORMAL: 2,
  ZERO_DIVIDE: 4,
  OVERFLOW: 8,
  UNDERFLOW: 16,
  PRECISION: 32,
} as const;

/** Values of FP_ROUNDING. */
export const Rounding = { NEAREST: 0, DOWN: 1, UP: 2, ZERO: 3 } as const;

/**
 * Indices of the wasm functions that do SSE's scalar arithmetic on bit patterns: f32 as i32, f64 as i64.
 *
 * Every function ors its exceptions into FP_FLAGS and returns the masked response. Whoever calls it decides about unmasked
 * ones afterwards: if any of FP_FLAGS & FP_UNMASKED & (I | D | Z) is set (over all lanes of a packed instruction), O, U and P
 * are to be dropped, because the processor stops before it computes; the destination is not written.
 */
export interface SoftFloat {
  readonly f32Exact: ExactnessTests;
  readonly f64Exact: ExactnessTests;
  /** (a: i32, b: i32) → i32. */
  readonly f32Add: number;
  readonly f32Sub: number;
  readonly f32Mul: number;
  readonly f32Div: number;
  /** MINSS, MAXSS: b if either is NaN or both are zero. */
  readonly f32Min: number;
  readonly f32Max: number;
  /** (a: i32) → i32. */
  readonly f32Sqrt: number;
  /** (a: i64, b: i64) → i64. */
  readonly f64Add: number;
  readonly f64Sub: number;
  readonly f64Mul: number;
  readonly f64Div: number;
  readonly f64Min: number;
  readonly f64Max: number;
  /** (a: i64) → i64. */
  readonly f64Sqrt: number;
  /** (i32) → i64. */
  readonly f32ToF64: number;
  /** (i64) → i32. */
  readonly f64ToF32: number;
  /**
   * (value: i32 or i64, truncate: i32) → i64: to an integer, by FP_ROUNDING or towards zero. Results of 32 bits are
   * sign-extended; what does not fit gives the smallest integer (0x80000000 sign-extended, 0x8000000000000000) and I.
   */
  readonly f32ToI32: number;
  readonly f32ToI64: number;
  readonly f64ToI32: number;
  readonly f64ToI64: number;
  /** (value: i32) → i32. */
  readonly i32ToF32: number;
  /** (value: i64) → i32. */
  readonly i64ToF32: number;
  /** (value: i32) → i64. */
  readonly i32ToF64: number;
  /** (value: i64) → i64. */
  readonly i64ToF64: number;
  /** (value, mode: i32, suppressInexact: i32) → value: ROUNDSS, ROUNDSD. Mode is one of 0-3; pass FP_ROUNDING's for 4. */
  readonly f32Round: number;
  readonly f64Round: number;
  /** (a, b, signalling: i32) → i32: -1 less, 0 equal, 1 greater, 2 unordered. Quiet NaNs raise I only if signalling (COMISS). */
  readonly f32Compare: number;
  readonly f64Compare: number;
}
