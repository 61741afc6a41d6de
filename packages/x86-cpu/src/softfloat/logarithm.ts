import { I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import type { SoftFloatCore } from "./emit.ts";
import { type Code, type Expression, type Local, type Operand, type Routine, routine } from "./expression.ts";
import { DEFAULT_NAN_HIGH, EXTENDED_WORDS, type ExtendedRoutines, returnIfNan } from "./extended-format.ts";
import { BIAS, DEFAULT_NAN, EXPONENT_SPECIAL, raise, TOP_BIT } from "./rounding.ts";
import { FpFlag } from "./types.ts";
import {
  emitPolynomial,
  FLOAT,
  factorials,
  LN_2,
  oddNumbers,
  sumAsFloat,
  TWO_LOG2_E,
  type WideFloatRoutines,
} from "./wide-float.ts";

/** F2XM1, FYL2X and FYL2XP1. */
export interface LogarithmRoutines {
  /** (x) → 2^x − 1; x itself, as undefined result, where |x| > 1. */
  exponentialMinusOne: Routine;
  /** (x, y) → y · log₂ x. */
  logarithm: Routine;
  /** (x, y) → y · log₂ (x + 1). */
  logarithmOfSum: Routine;
}

/** Leading word of √2: significands from here on are halved, so that the logarithm's argument is within √½ … √2. */
const SQRT_2 = 0xb504f333f9de6484n;
/** Beyond 0.3 FYL2XP1 is not defined, and x + 1 loses nothing. */
const POINT_THREE = 0x9999999999999999n;
const EXPONENTIAL_TERMS = 24;
const LOGARITHM_TERMS = 18;

function returnInvalid(c: Code): void {
  raise(c, FpFlag.INVALID);
  c.return(c.i32(DEFAULT_NAN_HIGH), c.i64(DEFAULT_NAN));
}
const returnInfinity = (c: Code, sign: Expression) => c.return(sign.shl(15).or(0x7fff), c.i64(TOP_BIT));
const returnZero = (c: Code, sign: Expression) => c.return(sign.shl(15), c.i64(0));

export function emitLogarithms(
  module: ModuleBuilder,
  { wide, core }: SoftFloatCore,
  float: WideFloatRoutines,
  x: ExtendedRoutines,
): LogarithmRoutines {
  const growing = emitPolynomial(module, wide, factorials(1, 1, EXPONENTIAL_TERMS), false);
  const falling = emitPolynomial(module, wide, factorials(1, 1, EXPONENTIAL_TERMS), true);
  const series = emitPolynomial(module, wide, oddNumbers(LOGARITHM_TERMS), false);

  const exponentialMinusOne = routine(module, EXTENDED_WORDS, EXTENDED_WORDS, (c, [high, significand]) => {
    returnIfNan(c, x, [high, significand, high, significand]);
    const [sign, exponent, s] = c.call(x.unpack, high, significand, 1);
    c.if(s.eqz(), () => c.return(high, significand));
    c.if(exponent.eq(EXPONENT_SPECIAL), () => {
      c.if(sign, () => c.return(c.i32(0x8000 | BIAS), c.i64(TOP_BIT)));
      c.return(high, significand);
    });
    c.if(exponent.geS(BIAS), () => {
      raise(c, FpFlag.PRECISION);
      // 2^-1 − 1 = −½.
      const minusOne = sign.and(exponent.eq(BIAS)).and(s.eq(TOP_BIT));
      c.return(high.sub(minusOne), significand);
    });
    const t = c.call(float.multiply, exponent, s, 0, ...LN_2);
    const fraction = c.call(float.toFraction, ...t);
    const sum = [c.local(I64), c.local(I64)];
    const take = (from: Routine) =>
      c.call(from, ...fraction).forEach((value, i) => {
        c.set(sum[i], value);
      });
    c.if(
      sign,
      () => take(falling),
      () => take(growing),
    );
    const [e, hi, lo] = c.call(float.multiply, ...t, ...sumAsFloat(c, wide, sum[0], sum[1]));
    c.returnCall(x.pack, sign, e, hi, lo.or(1), 64);
  });

  /** (numerator, denominator: wide floats) → log₂ of (d + n) / (d − n) for s = n / d: 2 · log₂e · artanh s. */
  const logarithmOfRatio = routine(module, [...FLOAT, ...FLOAT], FLOAT, (c, ratio) => {
    const s = c.call(float.divide, ...ratio);
    const fraction = c.call(float.toFraction, ...s);
    const square = c.call(wide.multiplyHigh, ...fraction, ...fraction);
    const [hi, lo] = c.call(series, ...square);
    const artanh = c.call(float.multiply, ...s, ...sumAsFloat(c, wide, hi, lo));
    c.returnCall(float.multiply, ...artanh, ...TWO_LOG2_E);
  });

  /** (wide float) → (sign, log₂ of it): zero has significand 0. */
  const binaryLogarithm = routine(module, FLOAT, [I32, ...FLOAT], (c, [exponent, hi, lo]) => {
    const halved = c.let(hi.geU(SQRT_2));
    const whole = c.let(exponent.sub(BIAS).add(halved));
    // m − 1 in units of 2^-127, or 2^-128 for halved m. m + 1 is 2^128 and what `above` has.
    const aboveHigh = c.let(halved.select(hi, hi.xor(TOP_BIT)));
    const belowHigh = halved.select(hi.xor(-1).add(lo.eqz().extendU()), aboveHigh);
    const [bh, bl, leading] = c.call(wide.normalize, belowHigh, halved.select(lo.neg(), lo));
    const wholeSign = c.let(whole.ltS(0));
    const magnitude = c.let(wholeSign.select(whole.neg(), whole).extendU());
    const count = c.let(magnitude.clz());
    const wholeFloat = [c.i32(BIAS + 63).sub(count.wrap()), magnitude.shl(count), c.i64(0)] as const;
    c.if(bh.eqz(), () => c.return(wholeSign, ...wholeFloat));
    const numerator = [c.i32(BIAS - 1).sub(leading), bh, bl];
    const denominator = [c.i32(BIAS), aboveHigh.shrU(1).or(TOP_BIT), aboveHigh.shl(63).or(lo.shrU(1))];
    const part = c.call(logarithmOfRatio, ...numerator, ...denominator);
    c.if(whole.eqz(), () => c.return(halved, ...part));
    c.return(wholeSign, ...c.call(float.combine, ...wholeFloat, ...part, wholeSign.ne(halved)));
    c.f.unreachable();
  });

  const product = (c: Code, sign: Operand, y: readonly Local[], [e, hi, lo]: readonly Local[]) => {
    const [, exponent, significand] = y;
    const [pe, ph, pl] = c.call(float.multiply, e, hi, lo, exponent, significand, 0);
    c.returnCall(x.pack, sign, pe, ph, pl.or(1), 64);
  };

  const PAIR = [...EXTENDED_WORDS, ...EXTENDED_WORDS];
  const logarithm = routine(module, PAIR, EXTENDED_WORDS, (c, [xh, xs, yh, ys]) => {
    returnIfNan(c, x, [xh, xs, yh, ys]);
    const ySign = c.let(yh.shrU(15));
    const yInfinite = yh.and(0x7fff).eq(0x7fff);
    c.if(xs.eqz(), () => {
      c.if(ys.eqz(), () => returnInvalid(c));
      c.if(yInfinite.eqz(), () => raise(c, FpFlag.ZERO_DIVIDE));
      returnInfinity(c, ySign.xor(1));
    });
    c.if(xh.shrU(15), () => returnInvalid(c));
    const [, exponent, significand] = c.call(x.unpack, xh, xs, 1);
    const y = c.call(x.unpack, yh, ys, 1);
    c.if(exponent.eq(EXPONENT_SPECIAL), () => {
      c.if(ys.eqz(), () => returnInvalid(c));
      returnInfinity(c, ySign);
    });
    const isOne = c.let(exponent.eq(BIAS).and(significand.eq(TOP_BIT)));
    const sign = c.let(ySign.xor(exponent.ltS(BIAS)));
    c.if(yInfinite, () => {
      c.if(isOne, () => returnInvalid(c));
      returnInfinity(c, sign);
    });
    c.if(isOne.or(ys.eqz()), () => returnZero(c, sign));
    const [logSign, ...log] = c.call(binaryLogarithm, exponent, significand, 0);
    product(c, ySign.xor(logSign), y, log);
  });

  const logarithmOfSum = routine(module, PAIR, EXTENDED_WORDS, (c, [xh, xs, yh, ys]) => {
    returnIfNan(c, x, [xh, xs, yh, ys]);
    const [xSign, exponent, significand] = c.call(x.unpack, xh, xs, 1);
    const xInfinite = exponent.eq(EXPONENT_SPECIAL);
    c.if(xInfinite.and(xSign.or(ys.eqz())), () => returnInvalid(c));
    const y = c.call(x.unpack, yh, ys, 1);
    const sign = c.let(xSign.xor(y[0]));
    const yInfinite = yh.and(0x7fff).eq(0x7fff);
    c.if(xInfinite, () => returnInfinity(c, sign));
    c.if(yInfinite, () => {
      c.if(xs.eqz(), () => returnInvalid(c));
      returnInfinity(c, sign);
    });
    c.if(xs.eqz().or(ys.eqz()), () => returnZero(c, sign));
    c.if(exponent.gtS(BIAS - 2).or(exponent.eq(BIAS - 2).and(significand.gtU(POINT_THREE))), () => {
      // Outside the domain; what is below −1 has no logarithm at all.
      c.if(xSign.and(exponent.geS(BIAS)), () => {
        raise(c, FpFlag.PRECISION);
        c.return(xh, xs);
      });
      const [, ...sum] = c.call(core.add, xSign, exponent, significand, 0, BIAS, TOP_BIT);
      const [logSign, ...log] = c.call(binaryLogarithm, ...sum);
      product(c, y[0].xor(logSign), y, log);
    });
    // log₂(1 + x) by s = x / (2 + x).
    const distance = c.let(c.i32(BIAS).sub(exponent));
    const denominator = [c.local(I32), c.local(I64), c.local(I64)];
    c.if(
      xSign,
      () => {
        const [hi, lo] = c.call(wide.shiftRightSticky, significand, 0, distance);
        c.set(denominator[0], BIAS);
        c.set(denominator[1], hi.xor(-1).add(lo.eqz().extendU()));
        c.set(denominator[2], lo.neg());
      },
      () => {
        const [hi, lo] = c.call(wide.shiftRightSticky, significand, 0, distance.add(1));
        c.set(denominator[0], BIAS + 1);
        c.set(denominator[1], hi.or(TOP_BIT));
        c.set(denominator[2], lo);
      },
    );
    product(c, sign, y, c.call(logarithmOfRatio, exponent, significand, 0, ...denominator));
  });

  return { exponentialMinusOne, logarithm, logarithmOfSum };
}
