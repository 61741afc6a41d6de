import { I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import { FP_ROUNDING } from "../state.ts";
import { type Code, type IntegerType, type Operand, type Routine, routine } from "./expression.ts";
import { BIAS, DEFAULT_NAN, EXPONENT_SPECIAL, EXPONENT_ZERO, raise, TOP_BIT } from "./rounding.ts";
import { FpFlag, Rounding } from "./types.ts";
import { add128, sub128, type WideRoutines } from "./wide.ts";

/**
 * Exact arithmetic on unpacked numbers other than NaN (see rounding.ts). Results are (sign, exponent, hi, lo) with 128
 * bits of significand, the last of which is sticky; hi is 0 for zero; exponent EXPONENT_SPECIAL for infinity and NaN.
 */
export interface CoreRoutines {
  /** (sign, exponent, significand, sign, exponent, significand). */
  add: Routine;
  multiply: Routine;
  divide: Routine;
  /** (sign, exponent, significand). */
  squareRoot: Routine;
  /** (sign, exponent, significand, sign, exponent, significand) → i32: −1, 0, 1. */
  compare: Routine;
}

const NUMBER: readonly IntegerType[] = [I32, I32, I64];
const RESULT: readonly IntegerType[] = [I32, I32, I64, I64];

const returnNumber = (c: Code, sign: Operand, exponent: Operand, hi: Operand, lo: Operand = 0) => {
  const as32 = (x: Operand) => (typeof x === "number" || typeof x === "bigint" ? c.i32(Number(x)) : x);
  const as64 = (x: Operand) => (typeof x === "number" || typeof x === "bigint" ? c.i64(x) : x);
  c.return(as32(sign), as32(exponent), as64(hi), as64(lo));
};

const returnInvalid = (c: Code) => {
  raise(c, FpFlag.INVALID);
  returnNumber(c, 1, EXPONENT_SPECIAL, DEFAULT_NAN);
};

export function emitCore(module: ModuleBuilder, wide: WideRoutines): CoreRoutines {
  const add = routine(module, [...NUMBER, ...NUMBER], RESULT, (c, [as, ae, am, bs, be, bm]) => {
    // The larger magnitude first.
    c.if(ae.ltS(be).or(ae.eq(be).and(am.ltU(bm))), () => {
      c.push(as, ae, am, bs, be, bm);
      for (const local of [am, ae, as, bm, be, bs]) c.f.set(local.index);
    });
    c.if(ae.eq(EXPONENT_SPECIAL), () => {
      c.if(be.eq(EXPONENT_SPECIAL).and(as.ne(bs)), () => returnInvalid(c));
      returnNumber(c, as, ae, am);
    });
    const zeroSign = c.state(FP_ROUNDING).eq(Rounding.DOWN);
    c.if(bm.eqz(), () => {
      c.if(am.eqz().and(as.ne(bs)), () => returnNumber(c, zeroSign, EXPONENT_ZERO, 0));
      returnNumber(c, as, ae, am);
    });
    const [bh, bl] = c.call(wide.shiftRightSticky, bm, 0, ae.sub(be));
    c.if(as.eq(bs), () => {
      const hi = c.let(am.add(bh));
      c.if(hi.ltU(am), () =>
        returnNumber(c, as, ae.add(1), hi.shrU(1).or(TOP_BIT), bl.shrU(1).or(bl.and(1)).or(hi.shl(63))),
      );
      returnNumber(c, as, ae, hi, bl);
    });
    const none = c.local(I64);
    const [dh, dl] = sub128(c, am, none, bh, bl);
    const [hi, lo, count] = c.call(wide.normalize, dh, dl);
    c.if(hi.eqz(), () => returnNumber(c, zeroSign, EXPONENT_ZERO, 0));
    returnNumber(c, as, ae.sub(count), hi, lo);
  });

  const multiply = routine(module, [...NUMBER, ...NUMBER], RESULT, (c, [as, ae, am, bs, be, bm]) => {
    const sign = c.let(as.xor(bs));
    c.if(ae.eq(EXPONENT_SPECIAL).or(be.eq(EXPONENT_SPECIAL)), () => {
      c.if(am.eqz().or(bm.eqz()), () => returnInvalid(c));
      returnNumber(c, sign, EXPONENT_SPECIAL, TOP_BIT);
    });
    c.if(am.eqz().or(bm.eqz()), () => returnNumber(c, sign, EXPONENT_ZERO, 0));
    const [hi, lo] = c.call(wide.multiply, am, bm);
    const exponent = c.let(ae.add(be).sub(BIAS));
    c.if(hi.geS(0), () => returnNumber(c, sign, exponent, hi.shl(1).or(lo.shrU(63)), lo.shl(1)));
    returnNumber(c, sign, exponent.add(1), hi, lo);
  });

  const divide = routine(module, [...NUMBER, ...NUMBER], RESULT, (c, [as, ae, am, bs, be, bm]) => {
    const sign = c.let(as.xor(bs));
    c.if(ae.eq(EXPONENT_SPECIAL), () => {
      c.if(be.eq(EXPONENT_SPECIAL), () => returnInvalid(c));
      returnNumber(c, sign, EXPONENT_SPECIAL, TOP_BIT);
    });
    c.if(bm.eqz(), () => {
      c.if(am.eqz(), () => returnInvalid(c));
      raise(c, FpFlag.ZERO_DIVIDE);
      returnNumber(c, sign, EXPONENT_SPECIAL, TOP_BIT);
    });
    c.if(be.eq(EXPONENT_SPECIAL).or(am.eqz()), () => returnNumber(c, sign, EXPONENT_ZERO, 0));
    const exponent = c.let(ae.sub(be).add(BIAS));
    const hi = c.let(am);
    const lo = c.local(I64);
    c.if(
      am.geU(bm),
      () => {
        c.set(hi, am.shrU(1));
        c.set(lo, am.shl(63));
      },
      () => c.set(exponent, exponent.sub(1)),
    );
    const [quotient, rest] = c.call(wide.divide, hi, lo, bm);
    const half = rest.geU(bm.sub(rest)).and(rest.ne(0)).extendU().shl(63);
    returnNumber(
      c,
      sign,
      exponent,
      quotient,
      half.or(
        rest
          .ne(0)
          .and(rest.ne(bm.sub(rest)))
          .extendU(),
      ),
    );
  });

  const squareRoot = routine(module, NUMBER, RESULT, (c, [sign, exponent, significand]) => {
    c.if(significand.eqz(), () => returnNumber(c, sign, EXPONENT_ZERO, 0));
    c.if(sign, () => returnInvalid(c));
    c.if(exponent.eq(EXPONENT_SPECIAL), () => returnNumber(c, sign, exponent, significand));
    // The radicand n is 126 or 127 bits wide: its root has 64 bits, the first of them set.
    const even = c.let(exponent.sub(BIAS).and(1).eqz());
    const nh = c.let(significand.shrU(even.extendU()));
    const nl = c.let(even.extendU().neg().and(significand.shl(63)));
    const root = c.local(I64);
    estimateRoot(c, nh.index, root.index);
    // Newton's correction in doubles leaves the root off by a few units.
    const [sh, sl] = c.call(wide.multiply, root, root);
    const [rh, rl] = sub128(c, nh, nl, sh, sl);
    correctRoot(c, rh.index, rl.index, root.index);
    const [th, tl] = c.call(wide.multiply, root, root);
    const [dh, dl] = sub128(c, nh, nl, th, tl);
    c.while(dh.ltS(0), () => {
      c.set(root, root.sub(1));
      const [h, l] = add128(c, dh, dl, root.shrU(63), root.shl(1).or(1));
      c.set(dh, h);
      c.set(dl, l);
    });
    // Too small as long as the remainder exceeds 2 · root.
    const twice = root.shl(1);
    c.while(dh.gtU(root.shrU(63)).or(dh.eq(root.shrU(63)).and(dl.gtU(twice))), () => {
      const [h, l] = sub128(c, dh, dl, root.shrU(63), twice.or(1));
      c.set(dh, h);
      c.set(dl, l);
      c.set(root, root.add(1));
    });
    const aboveHalf = dh.ne(0).or(dl.gtU(root));
    const tail = aboveHalf.extendU().shl(63).or(dh.or(dl).ne(0).extendU());
    returnNumber(c, 0, exponent.sub(BIAS).shrS(1).add(BIAS), root, tail);
  });

  const compare = routine(module, [...NUMBER, ...NUMBER], [I32], (c, [as, ae, am, bs, be, bm]) => {
    const bySign = (sign: Operand) => c.i32(1).sub(c.i32(2).mul(sign));
    c.if(am.eqz(), () => {
      c.if(bm.eqz(), () => c.return(c.i32(0)));
      c.return(bySign(bs).neg());
    });
    c.if(bm.eqz().or(as.ne(bs)), () => c.return(bySign(as)));
    c.if(ae.eq(be).and(am.eq(bm)), () => c.return(c.i32(0)));
    c.push(bySign(as.xor(ae.ltS(be).or(ae.eq(be).and(am.ltU(bm))))));
  });

  return { add, multiply, divide, squareRoot, compare };
}

/** root = floor of the square root of nh · 2^64 to double precision, at most 2^64 − 1. */
function estimateRoot(c: Code, nh: number, root: number): void {
  c.f
    .get(nh)
    .f64_convert_i64_u()
    .f64_sqrt()
    .f64_const(2 ** 32)
    .f64_mul()
    .i64_trunc_sat_f64_u()
    .set(root);
}

/** root += (rh:rl) / (2 · root), where rh:rl = radicand − root². */
function correctRoot(c: Code, rh: number, rl: number, root: number): void {
  c.f
    .get(rh)
    .f64_convert_i64_s()
    .f64_const(2 ** 64)
    .f64_mul();
  c.f.get(rl).f64_convert_i64_u().f64_add();
  c.f.get(root).f64_convert_i64_u().f64_const(2).f64_mul().f64_div();
  c.f.i64_trunc_sat_f64_s().get(root).i64_add().set(root);
}
