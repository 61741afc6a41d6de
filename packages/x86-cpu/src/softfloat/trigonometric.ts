import { I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import type { SoftFloatCore } from "./emit.ts";
import { type Code, type Local, type Operand, type Routine, routine } from "./expression.ts";
import { DEFAULT_NAN_HIGH, EXTENDED_WORDS, type ExtendedRoutines } from "./extended-format.ts";
import { BIAS, DEFAULT_NAN, EXPONENT_SPECIAL, raise, TOP_BIT } from "./rounding.ts";
import { FpFlag } from "./types.ts";
import { sub128, type WideRoutines } from "./wide.ts";
import { emitPolynomial, FLOAT, factorials, sumAsFloat, type WideFloatRoutines } from "./wide-float.ts";

/**
 * FSIN, FCOS, FPTAN. Arguments are reduced by the 66-bit value of π that x87 processors use (Intel SDM vol. 1, 8.3.8), so
 * the reduction is exact in integers; the series have 128-bit arithmetic.
 */
export interface TrigonometricRoutines {
  /** (a) → i32: |a| ≥ 2^63 and finite. */
  isOutOfRange: Routine;
  /** (a) → number. */
  sine: Routine;
  cosine: Routine;
  tangent: Routine;
}

/** π / 2 in units of 2^-65. */
const HALF_PI_HIGH = 0x3n;
const HALF_PI_LOW = 0x243f6a8885a308d3n;
const TERMS = 13;

export function emitTrigonometric(
  module: ModuleBuilder,
  { wide }: SoftFloatCore,
  float: WideFloatRoutines,
  x: ExtendedRoutines,
): TrigonometricRoutines {
  const isOutOfRange = routine(module, EXTENDED_WORDS, [I32], (c, [high, significand]) => {
    const exponent = c.let(high.and(0x7fff));
    c.push(
      exponent
        .geS(BIAS + 63)
        .and(exponent.ne(0x7fff))
        .and(significand.ltS(0)),
    );
  });
  const reduce = emitReduction(module, wide);
  const sineSeries = emitPolynomial(module, wide, factorials(1, 2, TERMS), true);
  const cosineSeries = emitPolynomial(module, wide, factorials(0, 2, TERMS), true);

  const square = (c: Code, r: readonly Local[]): Local[] => {
    const fraction = c.call(float.toFraction, ...r);
    return c.call(wide.multiplyHigh, ...fraction, ...fraction);
  };
  /** The series' sum a unit less: the true value is never quite what is cut off to 1. */
  const justBelow = (c: Code, sum: Local[]): Local[] => sumAsFloat(c, wide, ...sub128(c, sum[0], sum[1], 0, 1));
  const sineOf = routine(module, FLOAT, FLOAT, (c, r) => {
    c.returnCall(float.multiply, ...r, ...justBelow(c, c.call(sineSeries, ...square(c, r))));
  });
  const cosineOf = routine(module, FLOAT, FLOAT, (c, r) => {
    c.push(...justBelow(c, c.call(cosineSeries, ...square(c, r))));
  });

  /** Returns for NaN, infinity and zero; else leaves the operand reduced: sign, quadrant, sign of rest, rest. */
  const prepare = (c: Code, high: Local, significand: Local, ofZero: () => void): Local[] => {
    c.if(c.value(x.isNan, high, significand), () => c.returnCall(x.propagate, high, significand, high, significand));
    const [sign, exponent, s] = c.call(x.unpack, high, significand, 1);
    c.if(exponent.eq(EXPONENT_SPECIAL), () => {
      raise(c, FpFlag.INVALID);
      c.return(c.i32(DEFAULT_NAN_HIGH), c.i64(DEFAULT_NAN));
    });
    c.if(s.eqz(), ofZero);
    return [sign, ...c.call(reduce, exponent, s)];
  };
  const finish = (c: Code, sign: Operand, [exponent, hi, lo]: Local[]) =>
    c.returnCall(x.pack, sign, exponent, hi, lo.or(1), 64);
  const chosen = (c: Code, condition: Local, a: Routine, b: Routine, r: Local[]): Local[] => {
    const result = [c.local(I32), c.local(I64), c.local(I64)];
    const take = (from: Routine) =>
      c.call(from, ...r).forEach((value, i) => {
        c.set(result[i], value);
      });
    c.if(
      condition,
      () => take(a),
      () => take(b),
    );
    return result;
  };

  const sine = routine(module, EXTENDED_WORDS, EXTENDED_WORDS, (c, [high, significand]) => {
    const [sign, quadrant, restSign, ...r] = prepare(c, high, significand, () => c.return(high, significand));
    const odd = c.let(quadrant.and(1));
    const half = quadrant.shrU(1).and(1);
    finish(c, sign.xor(half).xor(restSign.and(odd.xor(1))), chosen(c, odd, cosineOf, sineOf, r));
  });
  const cosine = routine(module, EXTENDED_WORDS, EXTENDED_WORDS, (c, [high, significand]) => {
    const ofZero = () => c.return(c.i32(BIAS), c.i64(TOP_BIT));
    const [, quadrant, restSign, ...r] = prepare(c, high, significand, ofZero);
    const odd = c.let(quadrant.and(1));
    // cos(r + π/2) = −sin r.
    const half = quadrant.add(1).shrU(1).and(1);
    finish(c, half.xor(restSign.and(odd)), chosen(c, odd, sineOf, cosineOf, r));
  });
  const tangent = routine(module, EXTENDED_WORDS, EXTENDED_WORDS, (c, [high, significand]) => {
    const [sign, quadrant, restSign, ...r] = prepare(c, high, significand, () => c.return(high, significand));
    // The tangent is more than its argument, however small that is.
    c.if(r[0].ltS(BIAS - 64), () => finish(c, sign, r));
    const odd = c.let(quadrant.and(1));
    const numerator = chosen(c, odd, cosineOf, sineOf, r);
    const denominator = chosen(c, odd, sineOf, cosineOf, r);
    finish(c, sign.xor(restSign).xor(odd), c.call(float.divide, ...numerator, ...denominator));
  });
  return { isOutOfRange, sine, cosine, tangent };
}

/** (exponent, significand) → (quadrant, sign of rest, rest as wide float): value = quadrant · π/2 ± rest, rest ≤ π/4. */
function emitReduction(module: ModuleBuilder, wide: WideRoutines): Routine {
  return routine(module, [I32, I64], [I32, I32, ...FLOAT], (c, [exponent, significand]) => {
    c.if(exponent.ltS(BIAS - 1), () => c.return(c.i32(0), c.i32(0), exponent, significand, c.i64(0)));
    // Long division in units of 2^-65: the significand has 2^(exponent − BIAS + 2) of them.
    const hi = c.let(c.i64(0));
    const lo = c.let(significand);
    const quotient = c.let(c.i32(0));
    const steps = c.let(exponent.sub(BIAS - 2));
    const notLess = hi.gtU(HALF_PI_HIGH).or(hi.eq(HALF_PI_HIGH).and(lo.geU(HALF_PI_LOW)));
    const subtract = () => {
      const [h, l] = sub128(c, hi, lo, HALF_PI_HIGH, HALF_PI_LOW);
      c.set(hi, h);
      c.set(lo, l);
    };
    c.while(steps, () => {
      c.set(steps, steps.sub(1));
      c.set(hi, hi.shl(1).or(lo.shrU(63)));
      c.set(lo, lo.shl(1));
      c.set(quotient, quotient.shl(1));
      c.if(notLess, () => {
        subtract();
        c.set(quotient, quotient.or(1));
      });
    });
    // Beyond a half of π/2 the rest counts from the next multiple.
    const overHalf = c.let(hi.gtU(1).or(hi.eq(1).and(lo.gtU(TOP_BIT | (HALF_PI_LOW >> 1n)))));
    c.if(overHalf, () => {
      subtract();
      c.set(quotient, quotient.add(1));
      c.set(hi, hi.xor(-1).add(lo.eqz().extendU()));
      c.set(lo, lo.neg());
    });
    const [nh, nl, count] = c.call(wide.normalize, hi, lo);
    c.push(quotient, overHalf, c.i32(BIAS + 62).sub(count), nh, nl);
  });
}
