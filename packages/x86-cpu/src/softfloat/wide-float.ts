import { I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import {
  type Code,
  constant,
  type Expression,
  type IntegerType,
  type Local,
  type Routine,
  routine,
} from "./expression.ts";
import { BIAS } from "./rounding.ts";
import { add128, sub128, type WideRoutines } from "./wide.ts";

/**
 * Positive numbers with 128 bits of significand for the transcendental functions: (exponent: i32, hi: i64, lo: i64), bit 127
 * set, value = significand / 2^127 · 2^(exponent − BIAS). Results are some units of the last place too small at worst.
 */
export interface WideFloatRoutines {
  /** (a, b) → a · b. */
  multiply: Routine;
  /** (a, b) → a / b. */
  divide: Routine;
  /** (a, b, subtract: i32) → a ± b for a > b. */
  combine: Routine;
  /** (a) → (hi, lo): a · 2^128 for a < 1. */
  toFraction: Routine;
}

export const FLOAT: readonly IntegerType[] = [I32, I64, I64];

/** 128 bits of a constant as arguments: exponent, hi, lo. */
export type WideConstant = readonly [number, bigint, bigint];

const words = (bits: bigint): [bigint, bigint] => [bits >> 64n, bits & 0xffffffffffffffffn];
const constantOf = (exponent: number, bits: bigint): WideConstant => [BIAS + exponent, ...words(bits)];

const PI_BITS = 0xc90fdaa22168c234c4c6628b80dc1cd1n;
export const LN_2 = constantOf(-1, 0xb17217f7d1cf79abc9e3b39803f2f6afn);
export const TWO_LOG2_E = constantOf(1, 0xb8aa3b295c17f0bbbe87fed0691d3e88n);
/** n · π / 4 for n = 1 to 4. */
export const QUARTER_TURNS: readonly WideConstant[] = [
  constantOf(-1, PI_BITS),
  constantOf(0, PI_BITS),
  constantOf(1, (3n * PI_BITS) / 4n),
  constantOf(1, PI_BITS),
];

export function emitWideFloat(module: ModuleBuilder, wide: WideRoutines): WideFloatRoutines {
  const multiply = routine(module, [...FLOAT, ...FLOAT], FLOAT, (c, [ae, ah, al, be, bh, bl]) => {
    const [hi, lo, count] = c.call(wide.normalize, ...c.call(wide.multiplyHigh, ah, al, bh, bl));
    c.push(
      ae
        .add(be)
        .sub(BIAS - 1)
        .sub(count),
      hi,
      lo,
    );
  });
  const divide = routine(module, [...FLOAT, ...FLOAT], FLOAT, (c, [ae, ah, al, be, bh, bl]) => {
    const [hi, lo, count] = c.call(wide.normalize, ...c.call(wide.divideFraction, ah, al, bh, bl));
    c.push(ae.sub(be).add(BIAS).sub(count), hi, lo);
  });
  const combine = routine(module, [...FLOAT, ...FLOAT, I32], FLOAT, (c, [ae, ah, al, be, bh, bl, subtract]) => {
    // One bit to the right makes room for a carry.
    const [xh, xl] = c.call(wide.shiftRightSticky, ah, al, 1);
    const [yh, yl] = c.call(wide.shiftRightSticky, bh, bl, ae.sub(be).add(1));
    const result = (pair: [Local, Local]) => {
      const [hi, lo, count] = c.call(wide.normalize, ...pair);
      c.return(ae.add(1).sub(count), hi, lo);
    };
    c.if(subtract, () => result(sub128(c, xh, xl, yh, yl)));
    result(add128(c, xh, xl, yh, yl));
    c.f.unreachable();
  });
  const toFraction = routine(module, FLOAT, [I64, I64], (c, [exponent, hi, lo]) => {
    c.returnCall(wide.shiftRightSticky, hi, lo, c.i32(BIAS - 1).sub(exponent));
  });
  return { multiply, divide, combine, toFraction };
}

/**
 * Emits a routine (th, tl) → (hi, lo): c₀ ± c₁·t + c₂·t² ± … for t = th:tl / 2^128; the sum in units of 2^-127. All
 * coefficients are at most 1 and fall with k, so that nothing is negative; with `alternating` the signs alternate.
 */
export function emitPolynomial(
  module: ModuleBuilder,
  wide: WideRoutines,
  divisors: readonly bigint[],
  alternating: boolean,
): Routine {
  return routine(module, [I64, I64], [I64, I64], (c, [th, tl]) => {
    const coefficients = divisors.map((divisor) => words((1n << 127n) / divisor));
    const [first, ...rest] = coefficients.toReversed();
    let sum: Local[] = first.map((word) => c.let(c.i64(word)));
    for (const [hi, lo] of rest) {
      const [ph, pl] = c.call(wide.multiplyHigh, th, tl, sum[0], sum[1]);
      sum = alternating
        ? sub128(c, c.let(c.i64(hi)), c.let(c.i64(lo)), ph, pl)
        : add128(c, c.let(c.i64(hi)), c.let(c.i64(lo)), ph, pl);
    }
    c.push(...sum);
  });
}

/** Factorials from `from`! on, `step` apart. */
export function factorials(from: number, step: number, count: number): bigint[] {
  const factorial = (n: number): bigint => (n < 2 ? 1n : BigInt(n) * factorial(n - 1));
  return Array.from({ length: count }, (_, k) => factorial(from + step * k));
}

/** 1, 3, 5, … */
export const oddNumbers = (count: number): bigint[] => Array.from({ length: count }, (_, k) => BigInt(2 * k + 1));

/** A polynomial's sum, 1 or a bit less or more, as a wide float. */
export function sumAsFloat(c: Code, wide: WideRoutines, hi: Expression, lo: Expression): Local[] {
  const [h, l, count] = c.call(wide.normalize, hi, lo);
  return [c.let(constant(I32, BIAS).sub(count)), h, l];
}
