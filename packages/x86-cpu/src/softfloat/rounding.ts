import { I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import { FP_FLAGS, FP_ROUNDING } from "../state.ts";
import { type Code, type Expression, type Operand, type Routine, routine } from "./expression.ts";
import { FP_CONTROL, FP_ROUNDED_UP, FP_UNMASKED, FpControl, FpFlag, Rounding } from "./types.ts";
import type { WideRoutines } from "./wide.ts";

/**
 * Unpacked numbers: sign (i32, 0 or 1), exponent (i32) with the extended format's bias and without bounds, significand
 * (i64) with bit 63 set: value = significand · 2^(exponent − BIAS − 63). Two exponents stand apart:
 */
export const BIAS = 16383;
/** Infinity, with significand 2^63; and in results NaN, with any other significand. */
export const EXPONENT_SPECIAL = 0x100000;
/** Zero, with significand 0. */
export const EXPONENT_ZERO = -0x100000;

export const TOP_BIT = 1n << 63n;
/** Significand of the NaN that invalid operations give; its sign is 1. */
export const DEFAULT_NAN = 3n << 62n;
/** What the exponent is adjusted by when overflow or underflow is not masked (Intel SDM vol. 1, 4.9.1.4). */
const EXPONENT_WRAP = 24576;

/** A result format: significand bits and the exponents of its normal numbers. */
export interface Format {
  readonly precision: number;
  readonly minimum: number;
  readonly maximum: number;
}
export const SINGLE: Format = { precision: 24, minimum: BIAS - 126, maximum: BIAS + 127 };
export const DOUBLE: Format = { precision: 53, minimum: BIAS - 1022, maximum: BIAS + 1023 };
export const EXTENDED: Format = { precision: 64, minimum: 1, maximum: 0x7ffe };

export function raise(c: Code, flags: Operand): void {
  c.setState(FP_FLAGS, c.state(FP_FLAGS).or(flags));
}

/** Bits of the third result of `roundAt`. */
export const INEXACT = 1;
export const INCREMENTED = 2;
export const CARRIED = 4;

export interface RoundingRoutines {
  /** (mode, sign, hi, lo, precision) → (significand, state: INEXACT | INCREMENTED | CARRIED). */
  roundAt: Routine;
  /**
   * (sign, exponent, hi, lo, precision, minimum, maximum) → (exponent, significand): a normalised non-zero 128-bit
   * significand to a format, with O, U and P. Denormal results have exponent `minimum` and bit 63 clear.
   */
  round: Routine;
  /** (mode, sign, exponent ≤ BIAS + 63, significand) → (integer: i64, state). */
  toIntegral: Routine;
}

export function emitRounding(module: ModuleBuilder, wide: WideRoutines): RoundingRoutines {
  const roundAt = routine(module, [I32, I32, I64, I64, I32], [I64, I32], (c, [mode, sign, hi, lo, precision]) => {
    const drop = c.let(c.i32(64).sub(precision));
    const unit = c.let(c.i64(1).shl(drop));
    const tail = c.let(lo);
    c.if(drop, () => c.set(tail, hi.shl(precision).or(lo.ne(0).extendU())));
    const kept = c.let(hi.and(unit.neg()));
    c.if(tail.eqz(), () => c.return(kept, c.i32(0)));
    const away = c.local(I32);
    c.if(
      mode.eqz(),
      () => c.set(away, tail.gtU(TOP_BIT).or(tail.eq(TOP_BIT).and(kept.and(unit).ne(0)))),
      () => c.set(away, mode.eq(Rounding.DOWN).and(sign).or(mode.eq(Rounding.UP).and(sign.eqz()))),
    );
    c.if(away.eqz(), () => c.return(kept, c.i32(INEXACT)));
    c.set(kept, kept.add(unit));
    c.push(kept, c.i32(INEXACT | INCREMENTED).or(kept.eqz().mul(CARRIED)));
  });

  const note = (c: Code, state: Expression) => {
    c.setState(FP_ROUNDED_UP, state.and(INCREMENTED).ne(0));
    c.if(state.and(INEXACT), () => raise(c, FpFlag.PRECISION));
  };

  const round = routine(
    module,
    [I32, I32, I64, I64, I32, I32, I32],
    [I32, I64],
    (c, [sign, exponent, hi, lo, precision, minimum, maximum]) => {
      const mode = c.let(c.state(FP_ROUNDING));
      const [significand, state] = c.call(roundAt, mode, sign, hi, lo, precision);
      const tiny = c.local(I32);
      c.if(exponent.ltS(minimum), () => {
        // Tiny after rounding: the unbounded result would still be below the smallest normal number.
        c.set(tiny, exponent.ltS(minimum.sub(1)).or(state.and(CARRIED).eqz()));
        const unmasked = c.state(FP_UNMASKED).and(FpFlag.UNDERFLOW);
        c.if(tiny, () => {
          c.if(
            unmasked,
            () => {
              raise(c, FpFlag.UNDERFLOW);
              c.if(exponent.ltS(minimum.sub(EXPONENT_WRAP)), () => {
                // FSCALE can go so far that rescaling does not help.
                raise(c, FpFlag.PRECISION);
                c.return(minimum, c.i64(0));
              });
              note(c, state);
              c.if(state.and(CARRIED), () => c.return(exponent.add(EXPONENT_WRAP + 1), c.i64(TOP_BIT)));
              c.return(exponent.add(EXPONENT_WRAP), significand);
            },
            () => {
              c.if(c.state(FP_CONTROL).and(FpControl.FLUSH_TO_ZERO), () => {
                raise(c, FpFlag.UNDERFLOW | FpFlag.PRECISION);
                c.return(minimum, c.i64(0));
              });
            },
          );
        });
        const [shiftedHigh, shiftedLow] = c.call(wide.shiftRightSticky, hi, lo, minimum.sub(exponent));
        const [denormal, how] = c.call(roundAt, mode, sign, shiftedHigh, shiftedLow, precision);
        note(c, how);
        c.if(tiny.and(how.and(INEXACT)), () => raise(c, FpFlag.UNDERFLOW));
        c.return(minimum, denormal);
      });
      c.if(state.and(CARRIED), () => {
        c.set(significand, TOP_BIT);
        c.set(exponent, exponent.add(1));
      });
      c.if(exponent.gtS(maximum), () => {
        raise(c, FpFlag.OVERFLOW);
        const unmasked = c.let(c.state(FP_UNMASKED).and(FpFlag.OVERFLOW).ne(0));
        c.if(unmasked.and(exponent.leS(maximum.add(EXPONENT_WRAP))), () => {
          note(c, state);
          c.return(exponent.sub(EXPONENT_WRAP), significand);
        });
        raise(c, FpFlag.PRECISION);
        const directed = mode.eq(sign.select(c.i32(Rounding.DOWN), c.i32(Rounding.UP)));
        const infinite = c.let(mode.eqz().or(directed).or(unmasked));
        c.setState(FP_ROUNDED_UP, infinite);
        c.if(infinite, () => c.return(c.i32(EXPONENT_SPECIAL), c.i64(TOP_BIT)));
        c.return(maximum, c.i64(-1).shl(c.i32(64).sub(precision)));
      });
      note(c, state);
      c.push(exponent, significand);
    },
  );

  const toIntegral = routine(module, [I32, I32, I32, I64], [I64, I32], (c, [mode, sign, exponent, significand]) => {
    const [hi, lo] = c.call(wide.shiftRightSticky, significand, 0, c.i32(BIAS + 63).sub(exponent));
    c.returnCall(roundAt, mode, sign, hi, lo, 64);
  });

  return { roundAt, round, toIntegral };
}
