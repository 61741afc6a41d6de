import { F32, F64, I64, V128 } from "@xen-node/wasm-emit";
import type { VectorContext, VectorSemantics } from "./vector-context.ts";
import { FloatFormat, fastOrSoft, nativeAllowed } from "./vector-float-lanes.ts";

const { SINGLE, DOUBLE } = FloatFormat;

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
    const value = c.local(I64);
    c.general(1);
    if (generalSize === 4) f.i64_extend32_s();
    f.set(value);
    const result = c.local(V128);
    fastOrSoft(
      c,
      () => {
        f.get(value);
        if (format.bits === 32) f.f32_convert_i64_s().f32x4_splat().set(result);
        else f.f64_convert_i64_s().f64x2_splat().set(result);
        // Exact up to the format's precision.
        const exact = format.bits === 32 ? 2 ** 24 : 2 ** 53;
        f.get(value)
          .i64_const(exact)
          .i64_add()
          .i64_const(2 * exact)
          .i64_le_u();
        nativeAllowed(f);
        f.i32_or();
      },
      () => {
        f.get(value);
        if (format.bits === 32) f.call(soft.i64ToF32).i32x4_splat().set(result);
        else f.call(soft.i64ToF64).i64x2_splat().set(result);
      },
    );
    format.store(c, result, true);
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

/** CVTPS2PD and CVTSS2SD: exact but for NaN and denormals. */
function widen(scalar: boolean): VectorSemantics {
  return (c) => {
    const { f } = c;
    const { soft } = c.functions;
    const value = scalar ? SINGLE.operand(c, 1, true) : lowHalf(c);
    const result = c.local(V128);
    fastOrSoft(
      c,
      () => {
        f.get(value).f64x2_promote_low_f32x4().set(result);
        SINGLE.ordinary(f, value);
        f.i32x4_all_true();
      },
      () => {
        for (let lane = 0; lane < (scalar ? 1 : 2); lane++) {
          f.get(result).get(value).i32x4_extract_lane(lane).call(soft.f32ToF64).i64x2_replace_lane(lane).set(result);
        }
      },
    );
    DOUBLE.store(c, result, scalar);
  };
}

/** CVTPD2PS and CVTSD2SS. */
function narrow(scalar: boolean): VectorSemantics {
  return (c) => {
    const { f } = c;
    const { soft } = c.functions;
    const value = DOUBLE.operand(c, 1, scalar);
    const result = c.local(V128);
    fastOrSoft(
      c,
      () => {
        f.get(value).f32x4_demote_f64x2_zero().set(result);
        nativeAllowed(f);
        // Well inside of what f32 holds, or zero.
        f.get(value).f64x2_abs();
        const magnitude = c.let();
        f.get(magnitude)
          .v128_const(DOUBLE.constant(2 ** -125))
          .f64x2_ge();
        f.get(magnitude)
          .v128_const(DOUBLE.constant(2 ** 127))
          .f64x2_lt()
          .v128_and();
        DOUBLE.zero(f, value);
        f.v128_or().i64x2_all_true().i32_and();
      },
      () => {
        f.i32_const(0).i32x4_splat().set(result);
        for (let lane = 0; lane < (scalar ? 1 : 2); lane++) {
          f.get(result).get(value).i64x2_extract_lane(lane).call(soft.f64ToF32).i32x4_replace_lane(lane).set(result);
        }
      },
    );
    SINGLE.store(c, result, scalar);
  };
}

/** CVTSS2SI, CVTSD2SI and the truncating ones. */
function toGeneral(format: FloatFormat, truncate: boolean): VectorSemantics {
  return (c) => {
    const { f, generalSize } = c;
    const { soft } = c.functions;
    const single = format.bits === 32;
    const value = c.local(single ? F32 : F64);
    const whole = c.local(single ? F32 : F64);
    const result = c.local(I64);
    const limit = 2 ** (generalSize * 8 - 1);
    c.address(1);
    if (single) f.f32_load().set(value);
    else f.f64_load().set(value);
    fastOrSoft(
      c,
      () => {
        f.get(value);
        if (single) {
          if (truncate) f.f32_trunc();
          else f.f32_nearest();
          f.tee(whole).i64_trunc_sat_f32_s().set(result);
          f.get(whole).f32_const(-limit).f32_ge().get(whole).f32_const(limit).f32_lt().i32_and();
          f.get(whole).get(value).f32_eq();
        } else {
          if (truncate) f.f64_trunc();
          else f.f64_nearest();
          f.tee(whole).i64_trunc_sat_f64_s().set(result);
          f.get(whole).f64_const(-limit).f64_ge().get(whole).f64_const(limit).f64_lt().i32_and();
          f.get(whole).get(value).f64_eq();
        }
        nativeAllowed(f);
        f.i32_or().i32_and();
      },
      () => {
        f.get(value);
        if (single) f.i32_reinterpret_f32();
        else f.i64_reinterpret_f64();
        f.i32_const(truncate ? 1 : 0);
        if (single) f.call(generalSize === 4 ? soft.f32ToI32 : soft.f32ToI64);
        else f.call(generalSize === 4 ? soft.f64ToI32 : soft.f64ToI64);
        f.set(result);
      },
    );
    c.storeLow64(() => {
      f.get(result);
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
  cvtps2pd: widen(false),
  cvtss2sd: widen(true),
  cvtpd2ps: narrow(false),
  cvtsd2ss: narrow(true),
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
