import { I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import type { SharedFunctions } from "../semantics/context.ts";
import { FP_PRECISION, FP_ROUNDING } from "../state.ts";
import { type SoftFloatCore, softFloatCore } from "./emit.ts";
import { type Code, type IntegerType, type Local, type Routine, routine } from "./expression.ts";
import {
  EXTENDED_WORDS,
  type ExtendedRoutines,
  emitExtendedFormat,
  INTEGER_EXPONENT,
  returnIfNan,
  returnInvalid,
} from "./extended-format.ts";
import { EXPONENT_SPECIAL, EXPONENT_ZERO, INCREMENTED, INEXACT, raise, TOP_BIT } from "./rounding.ts";
import { FP_ROUNDED_UP, FpFlag, Rounding } from "./types.ts";

/** x87's arithmetic on extended numbers; every number is (high: i32, significand: i64), see extended-format.ts. */
export interface ExtendedOperations extends ExtendedRoutines {
  /** (a, b) → number, rounded to FP_PRECISION. */
  add: Routine;
  subtract: Routine;
  multiply: Routine;
  divide: Routine;
  /** (a) → number, rounded to FP_PRECISION. */
  squareRoot: Routine;
  /** (a, b, signalling: i32) → i32: −1, 0, 1, 2 = unordered. */
  compare: Routine;
  /** (a) → number: FRNDINT. */
  roundToInteger: Routine;
  /** (a, mode: i32, limit: i64) → i64: |result| ≤ limit, or limit + 1 if negative; else I and −limit − 1. */
  toInteger: Routine;
  /** (i64) → number, exact. */
  fromInteger: Routine;
  /** (a, b) → number: a · 2^trunc(b). */
  scale: Routine;
  /** (a) → (exponent number, significand number). */
  extract: Routine;
  /** (a, b, nearest: i32) → (number, quotient's low bits: i32, or −1 if the reduction is incomplete, −2 if the result is NaN): FPREM, FPREM1. */
  remainder: Routine;
}

const PAIR: readonly IntegerType[] = [...EXTENDED_WORDS, ...EXTENDED_WORDS];

/** Adds x87's arithmetic to a module. To be called once a module. */
export function emitExtended(module: ModuleBuilder, functions: SharedFunctions): ExtendedOperations {
  const parts = softFloatCore(module, functions);
  const { core, rounding } = parts;
  const x = emitExtendedFormat(module, parts);

  const binary = (operation: Routine, negate = false): Routine =>
    routine(module, PAIR, EXTENDED_WORDS, (c, [ah, as, bh, bs]) => {
      returnIfNan(c, x, [ah, as, bh, bs]);
      // A division by zero is noticed before a denormal dividend.
      const raiseDenormal = operation === core.divide ? bs.ne(0) : 1;
      const a = c.call(x.unpack, ah, as, raiseDenormal);
      const [sign, exponent, significand] = c.call(x.unpack, bh, bs, 1);
      const result = c.call(operation, ...a, negate ? sign.xor(1) : sign, exponent, significand);
      c.returnCall(x.pack, ...result, c.state(FP_PRECISION));
    });

  const squareRoot = routine(module, EXTENDED_WORDS, EXTENDED_WORDS, (c, [high, significand]) => {
    returnIfNan(c, x, [high, significand, high, significand]);
    const positive = high.shrU(15).eqz();
    const result = c.call(core.squareRoot, ...c.call(x.unpack, high, significand, positive));
    c.returnCall(x.pack, ...result, c.state(FP_PRECISION));
  });

  const compare = routine(module, [...PAIR, I32], [I32], (c, [ah, as, bh, bs, signalling]) => {
    c.if(c.value(x.isNan, ah, as).or(c.value(x.isNan, bh, bs)), () => {
      c.call(x.propagate, ah, as, bh, bs);
      c.if(signalling, () => raise(c, FpFlag.INVALID));
      c.return(c.i32(2));
    });
    c.returnCall(core.compare, ...c.call(x.unpack, ah, as, 1), ...c.call(x.unpack, bh, bs, 1));
  });

  const fromMagnitude = (c: Code, sign: Local, magnitude: Local) => {
    const shift = c.let(magnitude.clz());
    const field = magnitude.eqz().select(c.i32(0), c.i32(INTEGER_EXPONENT).sub(shift.wrap()));
    c.push(sign.shl(15).or(field), magnitude.shl(shift));
  };
  const noteInteger = (c: Code, state: Local) => {
    c.if(state.and(INEXACT), () => {
      raise(c, FpFlag.PRECISION);
      c.setState(FP_ROUNDED_UP, state.and(INCREMENTED).ne(0));
    });
  };

  const roundToInteger = routine(module, EXTENDED_WORDS, EXTENDED_WORDS, (c, [high, significand]) => {
    returnIfNan(c, x, [high, significand, high, significand]);
    const [sign, exponent, s] = c.call(x.unpack, high, significand, 1);
    c.if(exponent.geS(INTEGER_EXPONENT).or(exponent.eq(EXPONENT_ZERO)), () => c.return(high, significand));
    const [integer, state] = c.call(rounding.toIntegral, c.state(FP_ROUNDING), sign, exponent, s);
    noteInteger(c, state);
    fromMagnitude(c, sign, integer);
  });

  const toInteger = routine(module, [...EXTENDED_WORDS, I32, I64], [I64], (c, [high, significand, mode, limit]) => {
    const invalid = () => {
      raise(c, FpFlag.INVALID);
      c.return(c.i64(-1).sub(limit));
    };
    c.if(c.value(x.isNan, high, significand), invalid);
    const [sign, exponent, s] = c.call(x.unpack, high, significand, 0);
    c.if(exponent.gtS(INTEGER_EXPONENT), invalid);
    const [integer, state] = c.call(rounding.toIntegral, mode, sign, exponent, s);
    c.if(integer.gtU(limit.add(sign.extendU())), invalid);
    noteInteger(c, state);
    c.push(sign.select(integer.neg(), integer));
  });

  const fromInteger = routine(module, [I64], EXTENDED_WORDS, (c, [value]) => {
    const sign = c.let(value.ltS(0));
    fromMagnitude(c, sign, c.let(sign.select(value.neg(), value)));
  });

  const scale = routine(module, PAIR, EXTENDED_WORDS, (c, [ah, as, bh, bs]) => {
    returnIfNan(c, x, [ah, as, bh, bs]);
    const [sign, exponent, significand] = c.call(x.unpack, ah, as, 1);
    const [scaleSign, scaleExponent, scaleSignificand] = c.call(x.unpack, bh, bs, 1);
    c.if(scaleExponent.eq(EXPONENT_SPECIAL), () => {
      // Infinity scaled down or zero scaled up has no value.
      c.if(scaleSign.select(exponent.eq(EXPONENT_SPECIAL), significand.eqz()), () => returnInvalid(c));
      c.if(scaleSign, () => c.return(sign.shl(15), c.i64(0)));
      c.return(sign.shl(15).or(0x7fff), c.i64(TOP_BIT));
    });
    c.if(significand.eqz().or(exponent.eq(EXPONENT_SPECIAL)), () => c.return(ah, as));
    // More than 2^16 goes beyond all bounds anyway.
    const bounded = scaleExponent.gtS(INTEGER_EXPONENT - 47).select(c.i32(INTEGER_EXPONENT - 47), scaleExponent);
    const [amount] = c.call(rounding.toIntegral, Rounding.ZERO, 0, bounded, scaleSignificand);
    const distance = c.let(amount.wrap());
    c.if(scaleSign, () => c.set(distance, distance.neg()));
    c.returnCall(x.pack, sign, exponent.add(distance), significand, 0, 64);
  });

  const extract = routine(module, EXTENDED_WORDS, [...EXTENDED_WORDS, ...EXTENDED_WORDS], (c, [high, significand]) => {
    c.if(c.value(x.isNan, high, significand), () => {
      const nan = c.call(x.propagate, high, significand, high, significand);
      c.return(...nan, ...nan);
    });
    const [, exponent, s] = c.call(x.unpack, high, significand, 1);
    c.if(exponent.eq(EXPONENT_SPECIAL), () => c.return(c.i32(0x7fff), c.i64(TOP_BIT), high, significand));
    c.if(s.eqz(), () => {
      raise(c, FpFlag.ZERO_DIVIDE);
      c.return(c.i32(0xffff), c.i64(TOP_BIT), high, significand);
    });
    const number = c.call(fromInteger, exponent.sub(INTEGER_EXPONENT - 63).extendS());
    c.push(...number, high.and(0x8000).or(INTEGER_EXPONENT - 63), s);
  });

  return {
    ...x,
    add: binary(core.add),
    subtract: binary(core.add, true),
    multiply: binary(core.multiply),
    divide: binary(core.divide),
    squareRoot,
    compare,
    roundToInteger,
    toInteger,
    fromInteger,
    scale,
    extract,
    remainder: emitRemainder(module, parts, x),
  };
}

function emitRemainder(module: ModuleBuilder, { wide }: SoftFloatCore, x: ExtendedRoutines): Routine {
  return routine(module, [...PAIR, I32], [...EXTENDED_WORDS, I32], (c, [ah, as, bh, bs, nearest]) => {
    returnIfNan(c, x, [ah, as, bh, bs], c.i32(-2));
    const [sign, ae, am] = c.call(x.unpack, ah, as, bs.ne(0));
    const [, be, bm] = c.call(x.unpack, bh, bs, ae.ne(EXPONENT_SPECIAL));
    c.if(ae.eq(EXPONENT_SPECIAL).or(bm.eqz()), () => {
      raise(c, FpFlag.INVALID);
      c.return(c.i32(0xffff), c.i64(3n << 62n), c.i32(-2));
    });
    const unchanged = () => c.return(...c.call(x.pack, sign, ae, am, 0, 64), c.i32(0));
    const distance = c.let(ae.sub(be));
    c.if(am.eqz().or(be.eq(EXPONENT_SPECIAL)).or(distance.ltS(nearest.neg())), unchanged);
    c.if(distance.ltS(0), () => {
      // |b| / 4 < |a| < |b|: the nearest quotient is 0 or 1. In units of a's last place b is 2 · bm.
      c.if(am.leU(bm), unchanged);
      const rest = c.let(bm.shl(1).sub(am));
      const shift = c.let(rest.clz());
      c.return(...c.call(x.pack, sign.xor(1), ae.sub(shift.wrap()), rest.shl(shift), 0, 64), c.i32(1));
    });
    // At most 63 bits of the quotient at a time.
    const step = c.let(distance.ltU(64).select(distance, distance.and(31).or(32)));
    const scaleExponent = c.let(be.add(distance).sub(step));
    const high = am.shrU(c.i32(63).sub(step)).shrU(1);
    const [quotient, rest] = c.call(wide.divide, high, am.shl(step), bm);
    const complete = c.let(distance.ltU(64));
    c.if(complete.and(nearest), () => {
      const other = bm.sub(rest);
      c.if(rest.gtU(other).or(rest.eq(other).and(quotient.and(1).ne(0))), () => {
        c.set(quotient, quotient.add(1));
        c.set(rest, bm.sub(rest));
        c.set(sign, sign.xor(1));
      });
    });
    const shift = c.let(rest.clz());
    const number = c.call(x.pack, sign, scaleExponent.sub(shift.wrap()), rest.shl(shift), 0, 64);
    c.push(...number, complete.select(quotient.wrap().and(7), c.i32(-1)));
  });
}
