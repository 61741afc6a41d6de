import { I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import type { SoftFloatCore } from "./emit.ts";
import { type Code, type Expression, type Local, type Operand, type Routine, routine } from "./expression.ts";
import { EXTENDED_WORDS, type ExtendedRoutines, returnIfNan } from "./extended-format.ts";
import { EXPONENT_SPECIAL } from "./rounding.ts";
import { add128, sub128 } from "./wide.ts";
import { emitPolynomial, oddNumbers, QUARTER_TURNS, sumAsFloat, type WideFloatRoutines } from "./wide-float.ts";

const TERMS = 33;

/** Pushes one of the multiples of π / 4, by index 1 to 4, into locals. */
function quarterTurns(c: Code, index: Local): Local[] {
  const result = [c.local(I32), c.local(I64), c.local(I64)];
  QUARTER_TURNS.forEach((words, i) => {
    c.if(index.eq(i + 1), () => {
      result.forEach((local, part) => {
        c.set(local, words[part]);
      });
    });
  });
  return result;
}

/** FPATAN: (x, y) → the angle of the point (x, y), −π to π. */
export function emitArctangent(
  module: ModuleBuilder,
  { wide }: SoftFloatCore,
  float: WideFloatRoutines,
  x: ExtendedRoutines,
): Routine {
  const series = emitPolynomial(module, wide, oddNumbers(TERMS), true);

  return routine(module, [...EXTENDED_WORDS, ...EXTENDED_WORDS], EXTENDED_WORDS, (c, [xh, xs, yh, ys]) => {
    returnIfNan(c, x, [xh, xs, yh, ys]);
    const [xSign, xe, xm] = c.call(x.unpack, xh, xs, 1);
    const [ySign, ye, ym] = c.call(x.unpack, yh, ys, 1);
    const finish = ([exponent, hi, lo]: readonly Local[]) => c.returnCall(x.pack, ySign, exponent, hi, lo.or(1), 64);
    const exactAngle = (eighths: Expression) => {
      const turns = c.let(eighths);
      c.if(turns.eqz(), () => c.return(ySign.shl(15), c.i64(0)));
      finish(quarterTurns(c, turns));
    };
    const xInfinite = xe.eq(EXPONENT_SPECIAL);
    const yInfinite = ye.eq(EXPONENT_SPECIAL);
    c.if(xInfinite.and(yInfinite), () => exactAngle(xSign.select(c.i32(3), c.i32(1))));
    c.if(yInfinite.or(xm.eqz().and(ym.ne(0))), () => exactAngle(c.i32(2)));
    c.if(xInfinite.or(ym.eqz()), () => exactAngle(xSign.mul(4)));

    // The smaller magnitude over the larger; beyond the diagonal the angle counts from π / 2.
    const steep = c.let(ye.gtS(xe).or(ye.eq(xe).and(ym.gtU(xm))));
    const ne = c.let(steep.select(xe, ye));
    const nm = c.let(steep.select(xm, ym));
    const de = c.let(steep.select(ye, xe));
    const dm = c.let(steep.select(ym, xm));
    const distance = c.let(de.sub(ne));
    // Near the diagonal, q > √2 − 1, the angle is π / 4 − atan((1 − q) / (1 + q)).
    const limit = dm.shrU(32).mul(414).shl(distance);
    const near = c.let(distance.leS(2).and(nm.shrU(32).mul(1000).gtU(limit)));
    const u = [c.local(I32), c.local(I64), c.local(I64)];
    const quotient = (...operands: Operand[]) =>
      c.call(float.divide, ...operands).forEach((value, i) => {
        c.set(u[i], value);
      });
    c.if(
      near,
      () => {
        const d = [c.let(dm.shrU(1)), c.let(dm.shl(63))] as const;
        const [nh, nl] = c.call(wide.shiftRightSticky, nm, 0, distance.add(1));
        const [below, above] = [sub128(c, ...d, nh, nl), add128(c, ...d, nh, nl)];
        const [bh, bl, bCount] = c.call(wide.normalize, ...below);
        const [ah, al, aCount] = c.call(wide.normalize, ...above);
        c.if(
          bh.eqz(),
          () => {
            c.set(u[1], 0);
          },
          () => quotient(de.sub(bCount), bh, bl, de.sub(aCount), ah, al),
        );
      },
      () => quotient(ne, nm, 0, de, dm, 0),
    );

    // The angle is turns · π / 4 ± v.
    const turns = c.let(near);
    const minus = c.let(near);
    const reflect = (condition: Local, about: number) =>
      c.if(condition, () => {
        c.set(turns, c.i32(about).sub(turns));
        c.set(minus, minus.xor(1));
      });
    reflect(steep, 2);
    reflect(xSign, 4);
    c.if(u[1].eqz(), () => finish(quarterTurns(c, turns)));
    const fraction = c.call(float.toFraction, ...u);
    const square = c.call(wide.multiplyHigh, ...fraction, ...fraction);
    const [hi, lo] = c.call(series, ...square);
    const v = c.call(float.multiply, ...u, ...sumAsFloat(c, wide, hi, lo));
    c.if(turns.eqz(), () => finish(v));
    finish(c.call(float.combine, ...quarterTurns(c, turns), ...v, minus));
    c.f.unreachable();
  });
}
