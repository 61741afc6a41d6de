import { I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import type { SoftFloatCore } from "./emit.ts";
import { type Code, type Expression, type IntegerType, type Operand, type Routine, routine } from "./expression.ts";
import { isNan, isSignalling, type NarrowRoutines } from "./narrow-format.ts";
import { BIAS, DEFAULT_NAN, EXPONENT_SPECIAL, EXPONENT_ZERO, EXTENDED, raise, TOP_BIT } from "./rounding.ts";
import { FpFlag } from "./types.ts";

/**
 * The extended format as two words: sign and exponent (i32, bits 15 and 14-0), significand (i64) with its integer bit.
 * Encodings that the 80387 and later refuse (integer bit clear with a non-zero exponent) are "unsupported".
 */
export const EXTENDED_WORDS: readonly IntegerType[] = [I32, I64];
export const DEFAULT_NAN_HIGH = 0xffff;
const MAXIMUM = 0x7fff;
const QUIET_BIT = 1n << 62n;

export interface ExtendedRoutines {
  /** (high, significand) → i32: NaN or unsupported. */
  isNan: Routine;
  /** (ah, as, bh, bs) → (high, significand): what an operation on at least one NaN gives; I for signalling ones. */
  propagate: Routine;
  /** (high, significand, raiseDenormal: i32) → (sign, exponent, significand) as rounding.ts has it. Not for NaN. */
  unpack: Routine;
  /** (sign, exponent, hi, lo, precision) → (high, significand), rounded. */
  pack: Routine;
  /** (f32 or f64, quiet: i32) → (high, significand): D for denormals; with `quiet` I for signalling NaNs, made quiet. */
  fromF32: Routine;
  fromF64: Routine;
  /** (high, significand) → f32 or f64. */
  toF32: Routine;
  toF64: Routine;
}

export const isUnsupported = (high: Expression, significand: Expression): Expression =>
  high.and(MAXIMUM).ne(0).and(significand.geS(0));
const isSignallingExtended = (high: Expression, significand: Expression): Expression =>
  high.and(MAXIMUM).eq(MAXIMUM).and(significand.shl(1).ne(0)).and(significand.and(QUIET_BIT).eqz());

export const returnDefaultNan = (c: Code): void => c.return(c.i32(DEFAULT_NAN_HIGH), c.i64(DEFAULT_NAN));
export const returnInvalid = (c: Code): void => {
  raise(c, FpFlag.INVALID);
  returnDefaultNan(c);
};

export function emitExtendedFormat(module: ModuleBuilder, { rounding, f32, f64 }: SoftFloatCore): ExtendedRoutines {
  const isNanExtended = routine(module, EXTENDED_WORDS, [I32], (c, [high, significand]) => {
    const nan = high.and(MAXIMUM).eq(MAXIMUM).and(significand.shl(1).ne(0));
    c.push(nan.or(isUnsupported(high, significand)));
  });

  // Of two NaNs the quiet one, else the one with the larger significand, else the positive one (SDM vol. 1, table 4-7).
  const propagate = routine(module, [...EXTENDED_WORDS, ...EXTENDED_WORDS], EXTENDED_WORDS, (c, [ah, as, bh, bs]) => {
    c.if(isUnsupported(ah, as).or(isUnsupported(bh, bs)), () => returnInvalid(c));
    const aSignalling = c.let(isSignallingExtended(ah, as));
    const bSignalling = c.let(isSignallingExtended(bh, bs));
    c.if(aSignalling.or(bSignalling), () => raise(c, FpFlag.INVALID));
    const aNan = c.let(c.value(isNanExtended, ah, as));
    const bNan = c.let(c.value(isNanExtended, bh, bs));
    const first = c.let(bNan.eqz());
    c.if(aNan.and(bNan), () => {
      c.if(
        aSignalling.ne(bSignalling),
        () => c.set(first, bSignalling),
        () => {
          const aq = as.or(QUIET_BIT);
          const bq = bs.or(QUIET_BIT);
          c.set(first, aq.gtU(bq).or(aq.eq(bq).and(ah.ltU(bh))));
        },
      );
    });
    c.push(first.select(ah, bh), first.select(as, bs).or(QUIET_BIT));
  });

  const unpack = routine(module, [I32, I64, I32], [I32, I32, I64], (c, [high, significand, raiseDenormal]) => {
    const sign = c.let(high.shrU(15).and(1));
    const exponent = c.let(high.and(MAXIMUM));
    c.if(significand.eqz(), () => c.return(sign, c.i32(EXPONENT_ZERO), c.i64(0)));
    c.if(exponent.eq(MAXIMUM), () => c.return(sign, c.i32(EXPONENT_SPECIAL), c.i64(TOP_BIT)));
    c.if(exponent.eqz(), () => {
      c.if(raiseDenormal, () => raise(c, FpFlag.DENORMAL));
      const shift = c.let(significand.clz());
      c.return(sign, c.i32(1).sub(shift.wrap()), significand.shl(shift));
    });
    c.push(sign, exponent, significand);
  });

  const pack = routine(module, [I32, I32, I64, I64, I32], EXTENDED_WORDS, (c, [sign, exponent, hi, lo, precision]) => {
    const signBit = sign.shl(15);
    c.if(hi.eqz(), () => c.return(signBit, c.i64(0)));
    c.if(exponent.eq(EXPONENT_SPECIAL), () => c.return(signBit.or(MAXIMUM), hi));
    const { minimum, maximum } = EXTENDED;
    const [e, significand] = c.call(rounding.round, sign, exponent, hi, lo, precision, minimum, maximum);
    c.if(e.eq(EXPONENT_SPECIAL), () => c.return(signBit.or(MAXIMUM), significand));
    c.push(signBit.or(significand.ltS(0).select(e.and(MAXIMUM), c.i32(0))), significand);
  });

  const from = (n: NarrowRoutines): Routine =>
    routine(module, [n.type, I32], EXTENDED_WORDS, (c, [value, quiet]) => {
      c.if(isNan(n, value), () => {
        const high = value
          .shrU(n.bits - 1)
          .wrap()
          .shl(15)
          .or(MAXIMUM);
        const significand = c.let(
          value
            .extendU()
            .shl(63 - n.fraction)
            .or(TOP_BIT),
        );
        c.if(quiet, () => {
          c.if(isSignalling(n, value), () => raise(c, FpFlag.INVALID));
          c.set(significand, significand.or(QUIET_BIT));
        });
        c.return(high, significand);
      });
      const [sign, exponent, significand] = c.call(n.unpackExact, value);
      const field = exponent.eq(EXPONENT_SPECIAL).select(c.i32(MAXIMUM), significand.eqz().select(c.i32(0), exponent));
      c.push(sign.shl(15).or(field), significand);
    });

  const to = (n: NarrowRoutines): Routine =>
    routine(module, EXTENDED_WORDS, [n.type], (c, [high, significand]) => {
      c.if(c.value(isNanExtended, high, significand), () => {
        const [h, s] = c.call(propagate, high, significand, high, significand);
        c.returnCall(n.pack, h.shrU(15), EXPONENT_SPECIAL, s, 0);
      });
      c.returnCall(n.pack, ...c.call(unpack, high, significand, 0), 0);
    });

  return {
    isNan: isNanExtended,
    propagate,
    unpack,
    pack,
    fromF32: from(f32),
    fromF64: from(f64),
    toF32: to(f32),
    toF64: to(f64),
  };
}

/** Returns from a routine on one or two extended numbers if one is NaN; `also` pushes further results. */
export function returnIfNan(
  c: Code,
  x: ExtendedRoutines,
  operands: readonly [Operand, Operand, Operand, Operand],
  ...also: Expression[]
): void {
  const [ah, as, bh, bs] = operands;
  c.if(c.value(x.isNan, ah, as).or(c.value(x.isNan, bh, bs)), () => {
    c.return(...c.call(x.propagate, ah, as, bh, bs), ...also);
  });
}

/** The bias as what integers of 64 bits have in front of their leading bit. */
export const INTEGER_EXPONENT = BIAS + 63;
