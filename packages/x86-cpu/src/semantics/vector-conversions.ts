import { F32, F64, I64, V128 } from "@xen-node/wasm-emit";
import type { VectorContext, VectorSemantics } from "./vector-context.ts";
import { FloatFormat, fastOrSoft, nativeAllowed } from "./vector-float-lanes.ts";
import { ScalarCode } from "./vector-float-scalar.ts";

const { SINGLE, DOUBLE } = FloatFormat;
const LARGEST = 2n ** 63n - 1n;

/** Pushes 8 bytes of the source with zeros above, whatever it is. */
function lowHalf(c: VectorContext): number {
  c.address(1);
  c.f.v128_load64_zero();
  return c.let();
}

/** CVTSI2SS, CVTSI2SD. */
function fromGeneral(format: FloatFormat): VectorSemantics {
  return (c) => {
    const { f, generalSize } = c;
    const { soft } = c.functions;
    const s = new ScalarCode(c, format);
    const value = s.local(I64);
    const result = c.local(s.type);
    c.general(1);
    if (generalSize === 4) f.i64_extend32_s();
    f.set(value.index);
    const convert = () => {
      value.push(f);
      if (s.single) f.f32_convert_i64_s();
      else f.f64_convert_i64_s();
      f.set(result);
    };
    if (generalSize === 4 && !s.single) {
      // Always exact.
      convert();
      s.put(result);
      return;
    }
    fastOrSoft(
      c,
      () => {
        convert();
        // Exact up to the format's precision.
        const exact = s.single ? 2 ** 24 : 2 ** 53;
        s.push(
          value
            .add(exact)
            .leU(2 * exact)
            .or(s.nativeAllowed()),
        );
      },
      () => {
        value.push(f);
        f.call(s.single ? soft.i64ToF32 : soft.i64ToF64);
        s.setBits(result);
      },
    );
    s.put(result);
  };
}

/** CVTDQ2PS and CVTPI2PS: 4 or 2 lanes. */
function longsToSingles(lanes: 2 | 4): VectorSemantics {
  return (c) => {
    const { f } = c;
    const { soft } = c.functions;
    if (lanes === 4) c.vector(1);
    else {
      c.address(1);
      f.v128_load64_zero();
    }
    const value = c.let();
    const result = c.local(V128);
    fastOrSoft(
      c,
      () => {
        f.get(value).f32x4_convert_i32x4_s().set(result);
        nativeAllowed(f);
        // Exact up to 24 bits.
        f.get(value)
          .i32x4_abs()
          .i32_const(1 << 24)
          .i32x4_splat()
          .i32x4_le_u()
          .i32x4_all_true()
          .i32_or();
      },
      () => {
        for (let lane = 0; lane < lanes; lane++) {
          f.get(result).get(value).i32x4_extract_lane(lane).call(soft.i32ToF32).i32x4_replace_lane(lane).set(result);
        }
      },
    );
    if (lanes === 4) c.store(() => f.get(result));
    else c.storeLow64(() => f.get(result).i64x2_extract_lane(0));
  };
}

/** CVTDQ2PD and CVTPI2PD: always exact. */
const longsToDoubles: VectorSemantics = (c) => {
  const value = lowHalf(c);
  c.store(() => c.f.get(value).f64x2_convert_low_i32x4_s());
};

/** CVTSS2SD: exact but for NaN and denormals. */
const widenScalar: VectorSemantics = (c) => {
  const { f } = c;
  const single = new ScalarCode(c, SINGLE);
  const double = new ScalarCode(c, DOUBLE);
  const value = single.operand(1);
  const result = c.local(F64);
  fastOrSoft(
    c,
    () => {
      f.get(value).f64_promote_f32().set(result);
      const magnitude = single.doubled(value);
      single.push(single.notDenormal(magnitude).and(single.isNumber(magnitude)));
    },
    () => {
      single.push(single.reinterpret(value));
      f.call(c.functions.soft.f32ToF64);
      double.setBits(result);
    },
  );
  double.put(result);
};

/** CVTPS2PD. */
const widenPacked: VectorSemantics = (c) => {
  const { f } = c;
  const { soft } = c.functions;
  const value = lowHalf(c);
  const result = c.local(V128);
  fastOrSoft(
    c,
    () => {
      f.get(value).f64x2_promote_low_f32x4().set(result);
      SINGLE.ordinary(f, value);
      SINGLE.allTrue(f);
    },
    () => {
      for (let lane = 0; lane < 2; lane++) {
        f.get(result).get(value).i32x4_extract_lane(lane).call(soft.f32ToF64).i64x2_replace_lane(lane).set(result);
      }
    },
  );
  DOUBLE.store(c, result, false);
};

/** Doubles from here on, but below NARROW_END, are normal as singles too, however they are rounded. */
const NARROW_START = 2 ** -125;
const NARROW_END = 2 ** 127;

/** CVTSD2SS. */
const narrowScalar: VectorSemantics = (c) => {
  const { f } = c;
  const single = new ScalarCode(c, SINGLE);
  const double = new ScalarCode(c, DOUBLE);
  const value = double.operand(1);
  const result = c.local(F32);
  fastOrSoft(
    c,
    () => {
      f.get(value).f32_demote_f64().set(result);
      const magnitude = double.doubled(value);
      const inRange = double.isBetween(magnitude, NARROW_START, NARROW_END);
      double.push(inRange.and(double.nativeAllowed()).or(magnitude.eqz()));
    },
    () => {
      double.push(double.reinterpret(value));
      f.call(c.functions.soft.f64ToF32);
      single.setBits(result);
    },
  );
  single.put(result);
};

/** CVTPD2PS. */
const narrowPacked: VectorSemantics = (c) => {
  const { f } = c;
  const { soft } = c.functions;
  const value = DOUBLE.operand(c, 1, false);
  const result = c.local(V128);
  fastOrSoft(
    c,
    () => {
      f.get(value).f32x4_demote_f64x2_zero().set(result);
      nativeAllowed(f);
      f.get(value).f64x2_abs();
      const magnitude = c.let();
      f.get(magnitude).v128_const(DOUBLE.constant(NARROW_START)).f64x2_ge();
      f.get(magnitude).v128_const(DOUBLE.constant(NARROW_END)).f64x2_lt().v128_and();
      DOUBLE.zero(f, value);
      f.v128_or();
      DOUBLE.allTrue(f);
      f.i32_and();
    },
    () => {
      f.i32_const(0).i32x4_splat().set(result);
      for (let lane = 0; lane < 2; lane++) {
        f.get(result).get(value).i64x2_extract_lane(lane).call(soft.f64ToF32).i32x4_replace_lane(lane).set(result);
      }
    },
  );
  SINGLE.store(c, result, false);
};

/** CVTSS2SI, CVTSD2SI and the truncating ones. */
function toGeneral(format: FloatFormat, truncate: boolean): VectorSemantics {
  return (c) => {
    const { f, generalSize } = c;
    const { soft } = c.functions;
    const s = new ScalarCode(c, format);
    const value = s.operand(1);
    const result = s.local(I64);
    fastOrSoft(
      c,
      () => {
        f.get(value);
        if (!truncate) s.operate("nearest");
        if (s.single) f.i64_trunc_sat_f32_s();
        else f.i64_trunc_sat_f64_s();
        f.set(result.index);
        // Neither too large, however they are rounded, nor denormal.
        const inside = s.isBetween(s.doubled(value), 2 ** -100, 2 ** (generalSize * 8 - 2));
        s.push(inside.and(s.nativeAllowed()));
      },
      () => {
        s.push(s.reinterpret(value));
        f.i32_const(truncate ? 1 : 0);
        if (s.single) f.call(generalSize === 4 ? soft.f32ToI32 : soft.f32ToI64);
        else f.call(generalSize === 4 ? soft.f64ToI32 : soft.f64ToI64);
        f.set(result.index);
      },
      () => {
        // Or exact: fractions, saturated numbers and NaN do not come back as they were.
        result.push(f);
        if (s.single) f.f32_convert_i64_s();
        else f.f64_convert_i64_s();
        f.get(value);
        s.operate("eq");
        // 2^63 comes back from what it is saturated to.
        if (generalSize === 8) s.push(result.ne(LARGEST));
        else {
          result.push(f);
          f.i64_extend32_s();
          result.push(f);
          f.i64_eq();
        }
        f.i32_and();
      },
    );
    c.storeLow64(() => {
      result.push(f);
      if (generalSize === 4) f.i64_const(0xffffffff).i64_and();
    });
  };
}

/** Packed conversions to 32-bit integers: `lanes` of the source, zeros above. */
function toLongs(format: FloatFormat, lanes: 2 | 4, truncate: boolean): VectorSemantics {
  return (c) => {
    const { f } = c;
    const { soft } = c.functions;
    const single = format.bits === 32;
    if (!single || lanes === 4) c.vector(1);
    else {
      c.address(1);
      f.v128_load64_zero();
    }
    const value = c.let();
    const whole = c.local(V128);
    const result = c.local(V128);
    fastOrSoft(
      c,
      () => {
        f.get(value);
        format.operate(f, truncate ? "trunc" : "nearest");
        f.tee(whole);
        if (single) f.i32x4_trunc_sat_f32x4_s().set(result);
        else f.i32x4_trunc_sat_f64x2_s_zero().set(result);
        f.get(whole).v128_const(format.constant(-(2 ** 31)));
        format.operate(f, "ge");
        f.get(whole).v128_const(format.constant(2 ** 31));
        format.operate(f, "lt");
        f.v128_and();
        format.allTrue(f);
        f.get(whole).get(value);
        format.operate(f, "eq");
        format.allTrue(f);
        nativeAllowed(f);
        f.i32_or().i32_and();
      },
      () => {
        f.i32_const(0).i32x4_splat().set(result);
        for (let lane = 0; lane < lanes; lane++) {
          f.get(result).get(value);
          format.extract(f, lane);
          f.i32_const(truncate ? 1 : 0)
            .call(single ? soft.f32ToI32 : soft.f64ToI32)
            .i32_wrap_i64();
          f.i32x4_replace_lane(lane).set(result);
        }
      },
    );
    c.store(() => f.get(result));
  };
}

/** Conversions between formats. */
export const vectorConversions: Readonly<Record<string, VectorSemantics>> = {
  cvtsi2ss: fromGeneral(SINGLE),
  cvtsi2sd: fromGeneral(DOUBLE),
  cvtdq2ps: longsToSingles(4),
  cvtpi2ps: longsToSingles(2),
  cvtdq2pd: longsToDoubles,
  cvtpi2pd: longsToDoubles,
  cvtps2pd: widenPacked,
  cvtss2sd: widenScalar,
  cvtpd2ps: narrowPacked,
  cvtsd2ss: narrowScalar,
  cvtss2si: toGeneral(SINGLE, false),
  cvttss2si: toGeneral(SINGLE, true),
  cvtsd2si: toGeneral(DOUBLE, false),
  cvttsd2si: toGeneral(DOUBLE, true),
  cvtps2dq: toLongs(SINGLE, 4, false),
  cvttps2dq: toLongs(SINGLE, 4, true),
  cvtpd2dq: toLongs(DOUBLE, 2, false),
  cvttpd2dq: toLongs(DOUBLE, 2, true),
  cvtps2pi: toLongs(SINGLE, 2, false),
  cvttps2pi: toLongs(SINGLE, 2, true),
  cvtpd2pi: toLongs(DOUBLE, 2, false),
  cvttpd2pi: toLongs(DOUBLE, 2, true),
};
