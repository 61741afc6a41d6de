import { I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import { FP_ROUNDING } from "../state.ts";
import type { CoreRoutines } from "./core.ts";
import { type Code, type Expression, type Local, type Routine, routine } from "./expression.ts";
import { isDenormal, isNan, isSignalling, isZero, type NarrowRoutines } from "./narrow-format.ts";
import { BIAS, EXPONENT_SPECIAL, INEXACT, type RoundingRoutines, raise, TOP_BIT } from "./rounding.ts";
import { FP_CONTROL, FpControl, FpFlag, Rounding } from "./types.ts";

/** The SSE functions of one format, as `SoftFloat` names them without the format. */
export interface NarrowOperations {
  add: number;
  subtract: number;
  multiply: number;
  divide: number;
  minimum: number;
  maximum: number;
  squareRoot: number;
  round: number;
  compare: number;
  toI32: number;
  toI64: number;
  fromI32: number;
  fromI64: number;
}

export function emitNarrowOperations(
  module: ModuleBuilder,
  n: NarrowRoutines,
  core: CoreRoutines,
  rounding: RoundingRoutines,
): NarrowOperations {
  const binary = (operation: Routine, negate = false): number =>
    routine(module, [n.type, n.type], [n.type], (c, [a, b]) => {
      c.if(isNan(n, a).or(isNan(n, b)), () => c.returnCall(n.propagate, a, b));
      // A division by zero is noticed before a denormal dividend.
      const raiseDenormal = operation === core.divide ? isZero(b).eqz() : 1;
      const [as, ae, am] = c.call(n.unpack, a, raiseDenormal);
      const [bs, be, bm] = c.call(n.unpack, b, 1);
      c.returnCall(n.pack, ...c.call(operation, as, ae, am, negate ? bs.xor(1) : bs, be, bm));
    }).index;

  const squareRoot = routine(module, [n.type], [n.type], (c, [a]) => {
    c.if(isNan(n, a), () => c.returnCall(n.propagate, a, a));
    // A negative operand is invalid before it is denormal.
    const positive = a.shrU(n.bits - 1).eqz();
    c.returnCall(n.pack, ...c.call(core.squareRoot, ...c.call(n.unpack, a, positive)));
  });

  const compare = routine(module, [n.type, n.type, I32], [I32], (c, [a, b, signalling]) => {
    c.if(isNan(n, a).or(isNan(n, b)), () => {
      c.if(signalling.or(isSignalling(n, a)).or(isSignalling(n, b)), () => raise(c, FpFlag.INVALID));
      c.return(c.i32(2));
    });
    c.returnCall(core.compare, ...c.call(n.unpack, a, 1), ...c.call(n.unpack, b, 1));
  });

  const extremum = (wanted: number): number =>
    routine(module, [n.type, n.type], [n.type], (c, [a, b]) => {
      const chosen = c.let(c.value(compare, a, b, 1).eq(wanted).select(a, b));
      c.if(c.state(FP_CONTROL).and(FpControl.DENORMALS_ARE_ZERO).and(isDenormal(n, chosen)), () => {
        c.return(chosen.shrU(n.bits - 1).shl(n.bits - 1));
      });
      c.push(chosen);
    }).index;

  const round = routine(module, [n.type, I32, I32], [n.type], (c, [a, mode, suppress]) => {
    c.if(isNan(n, a), () => c.returnCall(n.propagate, a, a));
    const [sign, exponent, significand] = c.call(n.unpack, a, 0);
    c.if(exponent.geS(BIAS + n.fraction), () => c.return(a));
    const [integer, state] = c.call(rounding.toIntegral, mode, sign, exponent, significand);
    c.if(state.and(INEXACT).and(suppress.eqz()), () => raise(c, FpFlag.PRECISION));
    packInteger(c, n, sign, integer);
  });

  /** To an integer of `bits`, sign-extended. */
  const toInteger = (bits: 32 | 64): number =>
    routine(module, [n.type, I32], [I64], (c, [a, truncate]) => {
      const indefinite = -(1n << BigInt(bits - 1));
      const invalid = () => {
        raise(c, FpFlag.INVALID);
        c.return(c.i64(indefinite));
      };
      c.if(isNan(n, a), invalid);
      const [sign, exponent, significand] = c.call(n.unpack, a, 0);
      c.if(exponent.gtS(BIAS + 63), invalid);
      const mode = truncate.select(c.i32(Rounding.ZERO), c.state(FP_ROUNDING));
      const [integer, state] = c.call(rounding.toIntegral, mode, sign, exponent, significand);
      c.if(integer.gtU(c.i64(-indefinite - 1n).add(sign.extendU())), invalid);
      c.if(state.and(INEXACT), () => raise(c, FpFlag.PRECISION));
      c.push(sign.select(integer.neg(), integer));
    }).index;

  const fromInteger = (type: typeof I32 | typeof I64): number =>
    routine(module, [type], [n.type], (c, [value]) => {
      const wide = c.let(value.extendS());
      const sign = c.let(wide.ltS(0));
      packInteger(c, n, sign, sign.select(wide.neg(), wide));
    }).index;

  return {
    add: binary(core.add),
    subtract: binary(core.add, true),
    multiply: binary(core.multiply),
    divide: binary(core.divide),
    minimum: extremum(-1),
    maximum: extremum(1),
    squareRoot: squareRoot.index,
    round: round.index,
    compare: compare.index,
    toI32: toInteger(32),
    toI64: toInteger(64),
    fromI32: fromInteger(I32),
    fromI64: fromInteger(I64),
  };
}

/** Leaves sign and magnitude of an integer as a number of the format, rounded. */
function packInteger(c: Code, n: NarrowRoutines, sign: Local, magnitude: Expression): void {
  const integer = c.let(magnitude);
  const shift = c.let(integer.clz());
  c.push(c.value(n.pack, sign, c.i32(BIAS + 63).sub(shift.wrap()), integer.shl(shift), 0));
}

/** (value) → value in the other format. */
export function emitConversion(module: ModuleBuilder, from: NarrowRoutines, to: NarrowRoutines): number {
  return routine(module, [from.type], [to.type], (c, [a]) => {
    c.if(isNan(from, a), () => {
      const quiet = c.value(from.propagate, a, a);
      const sign = quiet.shrU(from.bits - 1).wrap();
      c.returnCall(
        to.pack,
        sign,
        EXPONENT_SPECIAL,
        quiet
          .extendU()
          .shl(63 - from.fraction)
          .or(TOP_BIT),
        0,
      );
    });
    c.returnCall(to.pack, ...c.call(from.unpack, a, 1), 0);
  }).index;
}
