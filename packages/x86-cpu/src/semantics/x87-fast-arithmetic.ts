import { I32, I64 } from "@xen-node/wasm-emit";
import type { Expression, Local, Operand, Routine } from "../softfloat/expression.ts";
import { INTEGER_EXPONENT } from "../softfloat/extended-format.ts";
import { BIAS, TOP_BIT } from "../softfloat/rounding.ts";
import { FpFlag, Rounding } from "../softfloat/types.ts";
import { type Extended, type FastCode, SIGN, type Unrounded } from "./x87-fast.ts";

const LOW = 0xffffffffn;

/** a + b of normal numbers. Gives up when the difference is 0, or b does not matter by far. */
export function fastAdd(c: FastCode, [ah, am]: Extended, [bh, bm]: Extended): Unrounded {
  const ae = c.let(c.exponent(ah));
  const be = c.let(c.exponent(bh));
  const swap = c.let(ae.ltS(be).or(ae.eq(be).and(am.ltU(bm))));
  const lo = c.local(I64);
  const hi = c.let(swap.select(bm, am));
  const exponent = c.let(swap.select(be, ae));
  const sign = c.let(swap.select(bh, ah).and(SIGN));
  const distance = c.let(exponent.shl(1).sub(ae).sub(be));
  c.leaveIf(distance.geU(64));
  const smaller = c.let(am.xor(bm).xor(hi));
  const shifted = smaller.shrU(distance);
  c.set(lo, smaller.shl(1).shl(c.i32(63).sub(distance)));
  c.if(
    ah.xor(bh).and(SIGN),
    () => {
      c.set(hi, hi.sub(shifted).sub(lo.ne(0).extendU()));
      c.set(lo, lo.neg());
      c.leaveIf(hi.eqz());
      const count = c.let(hi.clz());
      c.set(hi, hi.shl(count).or(lo.shrU(1).shrU(c.i64(63).sub(count))));
      c.set(lo, lo.shl(count));
      c.set(exponent, exponent.sub(count.wrap()));
    },
    () => {
      const sum = c.let(hi.add(shifted));
      c.if(sum.ltU(hi), () => {
        c.set(lo, lo.shrU(1).or(lo.and(1)).or(sum.shl(63)));
        c.set(sum, sum.shrU(1).or(TOP_BIT));
        c.set(exponent, exponent.add(1));
      });
      c.set(hi, sum);
    },
  );
  return { sign, exponent, hi, lo };
}

/** a · b of normal numbers. */
export function fastMultiply(c: FastCode, [ah, am]: Extended, [bh, bm]: Extended): Unrounded {
  const exponent = c.let(c.exponent(ah).add(c.exponent(bh)).sub(BIAS));
  const a1 = c.let(am.shrU(32));
  const b1 = c.let(bm.shrU(32));
  const a0 = c.let(am.and(LOW));
  const b0 = c.let(bm.and(LOW));
  const middle = c.let(a1.mul(b0).add(a0.mul(b0).shrU(32)));
  const cross = c.let(a0.mul(b1).add(middle.and(LOW)));
  const hi = c.let(a1.mul(b1).add(middle.shrU(32)).add(cross.shrU(32)));
  const lo = c.let(am.mul(bm));
  // The product has 127 bits or 128.
  const short = c.let(hi.shrU(63).xor(1));
  c.set(hi, hi.shl(short).or(lo.shrU(63).and(short)));
  c.set(lo, lo.shl(short));
  c.set(exponent, exponent.add(1).sub(short.wrap()));
  return { sign: ah.xor(bh).and(SIGN), exponent, hi, lo };
}

/** a / b of normal numbers; `divide` is that of wide.ts. */
export function fastDivide(c: FastCode, [ah, am]: Extended, [bh, bm]: Extended, divide: Routine): Unrounded {
  const exponent = c.let(c.exponent(ah).sub(c.exponent(bh)).add(BIAS));
  const less = c.let(am.ltU(bm));
  c.set(exponent, exponent.sub(less));
  const half = c.let(less.eqz().extendU());
  const [hi, rest] = c.call(divide, am.shrU(half), half.neg().and(am.shl(63)), bm);
  const other = c.let(bm.sub(rest));
  const lo = c.local(I64);
  const overHalf = rest.geU(other).and(rest.ne(0)).extendU().shl(63);
  c.set(lo, overHalf.or(rest.ne(0).and(rest.ne(other)).extendU()));
  return { sign: ah.xor(bh).and(SIGN), exponent, hi, lo };
}

/** The root of a positive normal number; `root` is that of core.ts. */
export function fastSquareRoot(c: FastCode, [high, significand]: Extended, root: Routine): Unrounded {
  const [, exponent, hi, lo] = c.call(root, 0, c.exponent(high), significand);
  return { sign: c.i32(0), exponent, hi, lo };
}

/** A 64-bit integer as a number, exact; 0 too. */
export function integerWords(c: FastCode, value: Local): Extended {
  const negative = c.let(value.shrS(63));
  const magnitude = c.let(value.xor(negative).sub(negative));
  const count = c.let(magnitude.clz());
  const field = c.i32(INTEGER_EXPONENT).sub(count.wrap()).or(negative.wrap().and(SIGN));
  return [c.let(value.eqz().select(c.i32(0), field)), c.let(magnitude.shl(count))];
}

/** The bits of a normal f32 or f64, or of zero, as a number; gives up on others. */
export function narrowWords(c: FastCode, bits: Local, single: boolean): Extended {
  const field = c.let(single ? bits.shrU(23).and(0xff) : bits.shrU(52).wrap().and(0x7ff));
  const sign = single ? bits.shrU(16).and(SIGN) : bits.shrU(48).wrap().and(SIGN);
  c.leaveIf(
    field
      .sub(1)
      .geU(single ? 0xfe : 0x7fe)
      .and(bits.shl(1).ne(0)),
  );
  const bias = BIAS - (single ? 127 : 1023);
  const significand = single ? bits.extendU().shl(40) : bits.shl(11);
  return [
    c.let(field.eqz().select(c.i32(0), field.add(bias)).or(sign)),
    c.let(significand.or(field.ne(0).extendU().shl(63))),
  ];
}

/** A normal number or zero as the bits of an f32 or f64, and FSW's P and C1; gives up near the ends of their range. */
export function narrowBits(c: FastCode, [high, significand]: Extended, single: boolean): { value: Local; bits: Local } {
  const dropped = single ? 40 : 11;
  const field = c.let(c.exponent(high).sub(BIAS - (single ? 127 : 1023)));
  // Rounding can add 1 to the exponent.
  c.leaveIf(
    field
      .sub(1)
      .geU(single ? 0xfd : 0x7fd)
      .and(significand.ne(0)),
  );
  const kept = c.let(significand.shrU(dropped));
  const tail = c.let(significand.shl(64 - dropped));
  const up = c.let(tail.gtU(c.i64(TOP_BIT).sub(kept.and(1))));
  const exponent = significand.eqz().select(c.i32(0), field.sub(1));
  const magnitude = exponent
    .extendU()
    .shl(single ? 23 : 52)
    .add(kept)
    .add(up.extendU());
  const value = magnitude.or(
    high
      .and(SIGN)
      .extendU()
      .shl(single ? 16 : 48),
  );
  return { value: c.let(single ? value.wrap() : value), bits: c.let(tail.ne(0).mul(FpFlag.PRECISION).or(up.shl(9))) };
}

/** A normal number below 2^63, or zero, to an integer: its magnitude, and FSW's P and C1. */
export function fastInteger(
  c: FastCode,
  [high, significand]: Extended,
  mode: Operand,
): { integer: Local; bits: Local } {
  // The integer's bits are those above 2^0; of numbers below a half only that there is something counts.
  const shift = c.let(c.i32(BIAS + 62).sub(c.exponent(high)));
  const small = c.let(shift.gtU(63));
  const integer = c.let(small.select(c.i64(0), significand.shrU(1).shrU(shift)));
  const tail = c.let(small.select(significand.ne(0).extendU(), significand.shl(c.i32(63).sub(shift))));
  const nearest = tail.gtU(c.i64(TOP_BIT).sub(integer.and(1)));
  const up = c.local(I32);
  if (mode === Rounding.ZERO) c.set(up, 0);
  else {
    const away = c.i32(Rounding.UP).sub(high.shrU(15));
    c.set(up, (mode as Expression).eqz().select(nearest, tail.ne(0).and(away.eq(mode))));
  }
  c.set(integer, integer.add(up.extendU()));
  return { integer, bits: c.let(tail.ne(0).mul(FpFlag.PRECISION).or(up.shl(9))) };
}
