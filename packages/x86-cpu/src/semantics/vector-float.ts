import { I32, V128 } from "@xen-node/wasm-emit";
import { MXCSR } from "../state.ts";
import type { VectorContext, VectorSemantics } from "./vector-context.ts";
import { type Arithmetic, FloatFormat, fastOrSoft, nativeAllowed, softFunction } from "./vector-float-lanes.ts";
import { ScalarCode } from "./vector-float-scalar.ts";
import { compareToFlags, scalarArithmetic, scalarExtremum, scalarSquareRoot } from "./vector-float-scalars.ts";

/** Calls a soft-float function (a, b) → result for each of the first lanes and leaves the results in a local. */
function softLanes(
  c: VectorContext,
  format: FloatFormat,
  functions: readonly number[],
  operands: number[],
  result: number,
): void {
  const { f } = c;
  f.get(operands[0]).set(result);
  functions.forEach((index, lane) => {
    f.get(result);
    for (const operand of operands) {
      f.get(operand);
      format.extract(f, lane);
    }
    f.call(index);
    format.replace(f, lane);
    f.set(result);
  });
}

/** result = a op b in the first `lanes` lanes; the fast path wants the others to hold something ordinary. */
function arithmeticLanes(
  c: VectorContext,
  format: FloatFormat,
  operation: Arithmetic,
  a: number,
  b: number,
  lanes: number,
): number {
  const { f } = c;
  const result = c.local(V128);
  fastOrSoft(
    c,
    () => {
      f.get(a).get(b);
      format.operate(f, operation);
      f.set(result);
      nativeResultPlain(c, format, operation === "mul" || operation === "div", a, b, result);
    },
    () => {
      softLanes(c, format, Array(lanes).fill(softFunction(c, format, operation)), [a, b], result);
    },
    () => {
      nativeAllowed(f);
      f.if_(I32);
      nativeResultOk(c, format, operation, a, b, result);
      f.else_();
      resultExact(c, format, operation, a, b, result);
      f.end();
    },
  );
  return result;
}

/** Pushes whether no lane of a native result lost anything, nor raised anything else. */
function resultExact(
  c: VectorContext,
  format: FloatFormat,
  operation: Arithmetic,
  a: number,
  b: number,
  result: number,
): void {
  const { f } = c;
  const { sums, products, quotients } = format.bits === 32 ? c.functions.soft.f32Exact : c.functions.soft.f64Exact;
  f.get(a).get(b);
  if (operation === "sub") f.v128_const(format.signs).v128_xor();
  f.get(result).call(operation === "mul" ? products : operation === "div" ? quotients : sums);
}

/**
 * Pushes whether no lane holds anything but normal numbers, and P is sticky. The smallest of the magnitudes decides; NaN may
 * hide from that but makes the result NaN too.
 */
function nativeResultPlain(
  c: VectorContext,
  format: FloatFormat,
  canUnderflow: boolean,
  a: number,
  b: number,
  result: number,
): void {
  const { f } = c;
  const magnitude = (value: number) => {
    f.get(value);
    format.operate(f, "abs");
  };
  magnitude(a);
  magnitude(b);
  format.operate(f, "pmin");
  magnitude(result);
  const ofResult = c.local(V128);
  f.tee(ofResult);
  if (canUnderflow) {
    format.operate(f, "pmin");
    f.v128_const(format.safeMinimum);
  } else f.drop().v128_const(format.minimum);
  format.operate(f, "ge");
  f.get(ofResult).v128_const(format.infinity);
  format.operate(f, "lt");
  f.v128_and();
  format.allTrue(f);
  nativeAllowed(f);
  f.i32_and();
}

/** Pushes whether a native result raised nothing but P, or nothing at all. */
function nativeResultOk(
  c: VectorContext,
  format: FloatFormat,
  operation: Arithmetic,
  a: number,
  b: number,
  result: number,
): void {
  const { f } = c;
  format.safeResult(f, result);
  // Zero is exact as a sum, and as a product or quotient of zero.
  format.zero(f, result);
  if (operation === "mul" || operation === "div") {
    format.zero(f, a);
    if (operation === "mul") {
      format.zero(f, b);
      f.v128_or();
    }
    f.v128_and();
  }
  f.v128_or();
  format.ordinary(f, a);
  f.v128_and();
  format.ordinary(f, b);
  f.v128_and();
  format.allTrue(f);
}

function arithmetic(format: FloatFormat, operation: Arithmetic): VectorSemantics {
  return (c) => {
    const a = format.operand(c, 0, false);
    const b = format.operand(c, 1, false);
    format.store(c, arithmeticLanes(c, format, operation, a, b, format.lanes), false);
  };
}

function squareRoot(format: FloatFormat): VectorSemantics {
  return (c) => {
    const { f } = c;
    const { soft } = c.functions;
    const a = format.operand(c, 1, false);
    const result = c.local(V128);
    fastOrSoft(
      c,
      () => {
        f.get(a);
        format.operate(f, "sqrt");
        f.set(result);
        nativeAllowed(f);
        // Positive numbers and zeros: 0 < minimum ≤ a < infinity.
        f.get(a).v128_const(format.minimum);
        format.operate(f, "ge");
        f.get(a).v128_const(format.infinity);
        format.operate(f, "lt");
        f.v128_and();
        format.zero(f, a);
        f.v128_or();
        format.allTrue(f);
        f.i32_and();
      },
      () => {
        const index = format.bits === 32 ? soft.f32Sqrt : soft.f64Sqrt;
        softLanes(c, format, Array(format.lanes).fill(index), [a], result);
      },
    );
    format.store(c, result, false);
  };
}

/** Pushes whether all lanes of both operands are neither denormal nor NaN: then comparing them raises nothing. */
function bothOrdinary(c: VectorContext, format: FloatFormat, a: number, b: number, scalar: boolean): void {
  if (scalar) {
    const s = new ScalarCode(c, format);
    s.push(s.bothOrdinary(s.doubledLane(a), s.doubledLane(b)));
    return;
  }
  format.ordinary(c.f, a);
  format.ordinary(c.f, b);
  c.f.v128_and();
  format.allTrue(c.f);
}

/** MIN and MAX: the source if the operands are equal or one is NaN. */
function extremum(format: FloatFormat, name: "min" | "max"): VectorSemantics {
  return (c) => {
    const { f } = c;
    const { soft } = c.functions;
    const a = format.operand(c, 0, false);
    const b = format.operand(c, 1, false);
    const result = c.local(V128);
    fastOrSoft(
      c,
      () => {
        f.get(b).get(a);
        format.operate(f, `p${name}`);
        f.set(result);
        bothOrdinary(c, format, a, b, false);
      },
      () => {
        const single = name === "min" ? soft.f32Min : soft.f32Max;
        const double = name === "min" ? soft.f64Min : soft.f64Max;
        softLanes(c, format, Array(format.lanes).fill(format.bits === 32 ? single : double), [a, b], result);
      },
    );
    format.store(c, result, false);
  };
}

/** CMPPS and its kind. The immediate's bytes, 0 or −1, say what less, equal, greater and unordered give. */
function compare(format: FloatFormat, scalar: boolean): VectorSemantics {
  return (c) => {
    const { f } = c;
    const { soft } = c.functions;
    const a = format.operand(c, 0, scalar);
    const b = format.operand(c, 1, scalar);
    const result = c.local(V128);
    const outcome = (index: number) => {
      c.immediateAddress();
      f.v128_load8_splat(index);
    };
    fastOrSoft(
      c,
      () => {
        outcome(0);
        outcome(1);
        outcome(2);
        f.get(a).get(b);
        format.operate(f, "eq");
        f.v128_bitselect().get(a).get(b);
        format.operate(f, "lt");
        f.v128_bitselect().set(result);
        bothOrdinary(c, format, a, b, scalar);
      },
      () => {
        // Predicates that tell less from greater signal quiet NaNs.
        c.immediate();
        c.immediate();
        f.i32_const(16).i32_shr_u().i32_xor().i32_const(1).i32_and();
        const signalling = c.letI32();
        f.get(a).set(result);
        for (let lane = 0; lane < (scalar ? 1 : format.lanes); lane++) {
          f.get(result);
          c.immediateAddress();
          for (const operand of [a, b]) {
            f.get(operand);
            format.extract(f, lane);
          }
          f.get(signalling).call(format.bits === 32 ? soft.f32Compare : soft.f64Compare);
          f.i32_const(1).i32_add().i32_add();
          if (format.bits === 32) f.i32_load8_s();
          else f.i64_load8_s();
          format.replace(f, lane);
          f.set(result);
        }
      },
    );
    format.store(c, result, scalar);
  };
}

/** Bytes of lanes taken from a (0 …) and b (lanes …) in turn. */
function laneBytes(format: FloatFormat, lanes: readonly number[]): number[] {
  const bytes = format.bits / 8;
  return lanes.flatMap((lane) => Array.from({ length: bytes }, (_, i) => lane * bytes + i));
}

/** HADDPS and its kind. */
function horizontal(format: FloatFormat, operation: "add" | "sub"): VectorSemantics {
  const even = format.lanes === 4 ? [0, 2, 4, 6] : [0, 2];
  return (c) => {
    const { f } = c;
    const a = format.operand(c, 0, false);
    const b = format.operand(c, 1, false);
    f.get(a).get(b).i8x16_shuffle(laneBytes(format, even));
    const left = c.let();
    f.get(a)
      .get(b)
      .i8x16_shuffle(
        laneBytes(
          format,
          even.map((lane) => lane + 1),
        ),
      );
    const right = c.let();
    format.store(c, arithmeticLanes(c, format, operation, left, right, format.lanes), false);
  };
}

/** ADDSUBPS and ADDSUBPD subtract in the even lanes. */
function addSubtract(format: FloatFormat): VectorSemantics {
  const bytes = format.bits / 8;
  const signs = Array.from({ length: 16 }, (_, i) => (i % (2 * bytes) === bytes - 1 ? 0x80 : 0));
  return (c) => {
    const { f } = c;
    const a = format.operand(c, 0, false);
    const b = format.operand(c, 1, false);
    const result = c.local(V128);
    fastOrSoft(
      c,
      () => {
        f.get(a).get(b).v128_const(signs).v128_xor();
        format.operate(f, "add");
        f.set(result);
        nativeResultOk(c, format, "add", a, b, result);
        nativeAllowed(f);
        f.i32_and();
      },
      () => {
        const pair = [softFunction(c, format, "sub"), softFunction(c, format, "add")];
        softLanes(c, format, format.lanes === 4 ? [...pair, ...pair] : pair, [a, b], result);
      },
    );
    format.store(c, result, false);
  };
}

/**
 * DPPS and DPPD: the products that the immediate's upper bits choose, added up in pairs, into the lanes that its lower
 * bits choose. Each step is done for itself, exceptions included.
 */
function dotProduct(format: FloatFormat): VectorSemantics {
  const bytes = format.bits / 8;
  const laneBits = (first: number) =>
    Array.from({ length: 16 }, (_, i) => (i % bytes === 0 ? 1 << (first + Math.floor(i / bytes)) : 0));
  return (c) => {
    const { f } = c;
    /** Pushes all ones in the lanes whose bit of the immediate, from `first` on, is set. */
    const chosen = (first: number) => {
      c.immediate();
      if (bytes === 4) f.i32x4_splat();
      else f.i64_extend_i32_u().i64x2_splat();
      f.v128_const(laneBits(first)).v128_and().v128_const(laneBits(first));
      if (bytes === 4) f.i32x4_eq();
      else f.i64x2_eq();
    };
    c.vector(0);
    chosen(4);
    f.v128_and();
    const a = c.let();
    c.vector(1);
    chosen(4);
    f.v128_and();
    const b = c.let();
    let sum = arithmeticLanes(c, format, "mul", a, b, format.lanes);
    for (let lanes = format.lanes / 2; lanes >= 1; lanes /= 2) {
      const pick = (odd: number) =>
        f
          .get(sum)
          .get(sum)
          .i8x16_shuffle(
            laneBytes(
              format,
              Array.from({ length: format.lanes }, (_, i) => (i % lanes) * 2 + odd),
            ),
          );
      pick(0);
      const left = c.let();
      pick(1);
      const right = c.let();
      sum = arithmeticLanes(c, format, "add", left, right, lanes);
    }
    f.get(sum)
      .get(sum)
      .i8x16_shuffle(laneBytes(format, Array(format.lanes).fill(0)));
    chosen(0);
    f.v128_and();
    const result = c.let();
    format.store(c, result, false);
  };
}

/** ROUNDPS and its kind. Immediate bits 0-1 are the mode unless bit 2 takes MXCSR's; bit 3 keeps P from being raised. */
function round(format: FloatFormat, scalar: boolean): VectorSemantics {
  return (c) => {
    const { f } = c;
    const { soft } = c.functions;
    const a = format.operand(c, 1, scalar);
    const result = c.local(V128);
    const mode = c.local(I32);
    c.immediate();
    f.i32_const(4).i32_and().if_(I32).i32_const(0).i32_load(MXCSR).i32_const(13).i32_shr_u().else_();
    c.immediate();
    f.end().i32_const(3).i32_and().set(mode);
    const suppressed = () => {
      c.immediate();
      f.i32_const(3).i32_shr_u().i32_const(1).i32_and();
    };
    fastOrSoft(
      c,
      () => {
        const rounded = f.block();
        const labels = [f.block(), f.block(), f.block(), f.block()].reverse();
        f.get(mode).br_table(labels, labels[3]);
        for (const operation of ["nearest", "floor", "ceil", "trunc"] as const) {
          f.end().get(a);
          format.operate(f, operation);
          f.set(result).br(rounded);
        }
        f.end();
        f.get(result).get(a);
        format.operate(f, "eq");
        format.allTrue(f);
        suppressed();
        f.i32_or();
        nativeAllowed(f);
        f.i32_or();
        format.ordinary(f, a);
        format.allTrue(f);
        f.i32_and();
      },
      () => {
        f.get(a).set(result);
        for (let lane = 0; lane < (scalar ? 1 : format.lanes); lane++) {
          f.get(result).get(a);
          format.extract(f, lane);
          f.get(mode);
          suppressed();
          f.call(format.bits === 32 ? soft.f32Round : soft.f64Round);
          format.replace(f, lane);
          f.set(result);
        }
      },
    );
    format.store(c, result, scalar);
  };
}

function family(
  name: string,
  make: (format: FloatFormat, scalar: boolean) => VectorSemantics,
): [string, VectorSemantics][] {
  return [
    [`${name}ps`, make(FloatFormat.SINGLE, false)],
    [`${name}pd`, make(FloatFormat.DOUBLE, false)],
    [`${name}ss`, make(FloatFormat.SINGLE, true)],
    [`${name}sd`, make(FloatFormat.DOUBLE, true)],
  ];
}

/** Floating-point arithmetic and comparisons. */
export const vectorFloats: Readonly<Record<string, VectorSemantics>> = Object.fromEntries([
  ...(["add", "sub", "mul", "div"] as const).flatMap((name) =>
    family(name, (format, scalar) => (scalar ? scalarArithmetic : arithmetic)(format, name)),
  ),
  ...(["min", "max"] as const).flatMap((name) =>
    family(name, (format, scalar) => (scalar ? scalarExtremum : extremum)(format, name)),
  ),
  ...family("sqrt", (format, scalar) => (scalar ? scalarSquareRoot : squareRoot)(format)),
  ...family("cmp", compare),
  ...family("round", round),
  ["comiss", compareToFlags(FloatFormat.SINGLE, true)],
  ["comisd", compareToFlags(FloatFormat.DOUBLE, true)],
  ["ucomiss", compareToFlags(FloatFormat.SINGLE, false)],
  ["ucomisd", compareToFlags(FloatFormat.DOUBLE, false)],
  ["haddps", horizontal(FloatFormat.SINGLE, "add")],
  ["haddpd", horizontal(FloatFormat.DOUBLE, "add")],
  ["hsubps", horizontal(FloatFormat.SINGLE, "sub")],
  ["hsubpd", horizontal(FloatFormat.DOUBLE, "sub")],
  ["addsubps", addSubtract(FloatFormat.SINGLE)],
  ["addsubpd", addSubtract(FloatFormat.DOUBLE)],
  ["dpps", dotProduct(FloatFormat.SINGLE)],
  ["dppd", dotProduct(FloatFormat.DOUBLE)],
] as [string, VectorSemantics][]);
