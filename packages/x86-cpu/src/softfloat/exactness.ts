import { F32, F64, type FunctionBuilder, I32, type ModuleBuilder, V128 } from "@xen-node/wasm-emit";
import { MXCSR } from "../state.ts";
import { type Code, type Expression, type Local, routine } from "./expression.ts";
import type { NarrowRoutines } from "./narrow-format.ts";

/** MXCSR without the sticky flags: to nearest, denormals as they are, everything masked. */
const CONTROL_BITS = 0xffc0;
const CONTROL_USUAL = 0x1f80;

/**
 * Tests whether a native result is exact with nothing to be noted: for when P is not sticky yet, which it stays in programs
 * that calculate with small integers alone. (a, b, r: bits) → i32; 0 is also the answer when it is not known.
 */
export interface ExactnessTests {
  /** r = a + b. */
  readonly sum: number;
  /** r = a · b. */
  readonly product: number;
  /** r = a / b. */
  readonly quotient: number;
  /** The same for all lanes of vectors. */
  readonly sums: number;
  readonly products: number;
  readonly quotients: number;
}

type Operation = "add" | "sub" | "mul" | "eq";

export function emitExactness(module: ModuleBuilder, n: NarrowRoutines): ExactnessTests {
  const single = n.bits === 32;
  const unit = 1n << BigInt(n.fraction + 1);
  const infinity = n.infinity * 2n;
  const bits = (value: bigint) => (single ? Number(BigInt.asIntN(32, value)) : BigInt.asIntN(64, value));
  const operate = (f: FunctionBuilder, operation: Operation) => {
    if (single) f[`f32_${operation}`]();
    else f[`f64_${operation}`]();
  };
  /** The bits of a number as a float local. */
  const float = ({ f }: Code, value: Local): number => {
    const local = f.local(single ? F32 : F64);
    value.push(f);
    if (single) f.f32_reinterpret_i32();
    else f.f64_reinterpret_i64();
    f.set(local);
    return local;
  };
  const unlike = (c: Code, condition: Expression) => c.if(condition, () => c.return(c.i32(0)));
  const isZero = (value: Local) => value.shl(1).eqz();
  const isNormal = (value: Local) =>
    value
      .shl(1)
      .sub(bits(unit))
      .ltU(bits(infinity - unit));
  const unusualControl = (c: Code) => c.state(MXCSR).and(CONTROL_BITS).ne(CONTROL_USUAL);
  /** Bits behind the binary point that the significand needs. */
  const length = (c: Code, value: Local): Local => {
    value.push(c.f);
    if (single) c.f.i32_ctz();
    else c.f.i64_ctz();
    const zeros = c.local(n.type);
    c.f.set(zeros.index);
    const places = zeros.geU(n.fraction).select(c.i32(0), c.i32(n.fraction).sub(zeros.wrap()));
    return c.let(places);
  };
  /** The product of two significands fits into one for certain. */
  const fits = (c: Code, a: Local, b: Local) => {
    const [x, y] = [length(c, a), length(c, b)];
    return x.add(y).ltU(n.fraction).or(x.eqz()).or(y.eqz());
  };
  const test = (emit: (c: Code, a: Local, b: Local, r: Local) => void): number =>
    routine(module, [n.type, n.type, n.type], [I32], (c, [a, b, r]) => {
      unlike(c, unusualControl(c));
      emit(c, a, b, r);
    }).index;
  const lanes = (ofLane: number): number => {
    const { index, body } = module.function(module.type([V128, V128, V128], [I32]));
    for (let lane = 0; lane < 128 / n.bits; lane++) {
      for (const vector of [0, 1, 2]) {
        body.get(vector);
        if (single) body.i32x4_extract_lane(lane);
        else body.i64x2_extract_lane(lane);
      }
      body.call(ofLane).i32_eqz().if_().i32_const(0).return_().end();
    }
    body.i32_const(1);
    return index;
  };

  const tests = {
    // Knuth's TwoSum: what r lacks, without a loss. Nothing is lost to underflow either.
    sum: test((c, a, b, r) => {
      unlike(
        c,
        isNormal(a)
          .or(isZero(a))
          .and(isNormal(b).or(isZero(b)))
          .eqz(),
      );
      unlike(c, r.shl(1).geU(bits(infinity)));
      const { f } = c;
      const [x, y, s] = [float(c, a), float(c, b), float(c, r)];
      const part = f.local(single ? F32 : F64);
      f.get(s).get(x);
      operate(f, "sub");
      f.set(part).get(x).get(s).get(part);
      operate(f, "sub");
      operate(f, "sub");
      f.get(y).get(part);
      operate(f, "sub");
      operate(f, "add");
      if (single) f.f32_const(0);
      else f.f64_const(0);
      operate(f, "eq");
    }),
    product: test((c, a, b, r) => {
      const [aZero, bZero] = [isZero(a), isZero(b)];
      c.if(aZero.or(bZero), () => c.return(isNormal(a).or(aZero).and(isNormal(b).or(bZero))));
      unlike(c, isNormal(a).and(isNormal(b)).and(isNormal(r)).eqz());
      c.push(fits(c, a, b));
    }),
    quotient: test((c, a, b, r) => {
      unlike(c, isNormal(b).eqz());
      c.if(isZero(a), () => c.return(c.i32(1)));
      unlike(c, isNormal(a).and(isNormal(r)).eqz());
      unlike(c, fits(c, b, r).eqz());
      const { f } = c;
      f.get(float(c, b)).get(float(c, r));
      operate(f, "mul");
      f.get(float(c, a));
      operate(f, "eq");
    }),
  };
  return { ...tests, sums: lanes(tests.sum), products: lanes(tests.product), quotients: lanes(tests.quotient) };
}
