import { I32 } from "@xen-node/wasm-emit";
import type { VectorSemantics } from "./vector-context.ts";
import { type Arithmetic, type FloatFormat, fastOrSoft, softFunction } from "./vector-float-lanes.ts";
import { ScalarCode } from "./vector-float-scalar.ts";

export function scalarArithmetic(format: FloatFormat, operation: Arithmetic): VectorSemantics {
  return (c) => {
    const { f } = c;
    const s = new ScalarCode(c, format);
    const a = s.operand(0);
    const b = s.operand(1);
    const result = c.local(s.type);
    const [aBits, bBits, resultBits] = [a, b, result].map((local) => s.reinterpret(local));
    fastOrSoft(
      c,
      () => {
        f.get(a).get(b);
        s.operate(operation);
        f.set(result);
        // What is not finite among the operands makes the result so, or zero, which the quotient is not otherwise.
        const magnitude = s.doubled(result);
        const ofResult = operation === "add" || operation === "sub" ? s.isFinite(magnitude) : s.isSafe(magnitude);
        s.push(
          s
            .nativeAllowed()
            .and(s.notDenormal(s.doubled(a)))
            .and(s.notDenormal(s.doubled(b)))
            .and(ofResult),
        );
      },
      () => {
        s.push(aBits, bBits);
        f.call(softFunction(c, format, operation));
        s.setBits(result);
      },
      () => {
        const { sum, product, quotient } = s.single ? c.functions.soft.f32Exact : c.functions.soft.f64Exact;
        s.push(aBits, operation === "sub" ? bBits.xor(s.signBit) : bBits, resultBits);
        f.call(operation === "mul" ? product : operation === "div" ? quotient : sum);
      },
    );
    s.put(result);
  };
}

export function scalarSquareRoot(format: FloatFormat): VectorSemantics {
  return (c) => {
    const { f } = c;
    const s = new ScalarCode(c, format);
    const a = s.operand(1);
    const result = c.local(s.type);
    fastOrSoft(
      c,
      () => {
        f.get(a);
        s.operate("sqrt");
        f.set(result);
        const bits = s.let(s.reinterpret(a));
        s.push(s.nativeAllowed().and(s.isPositive(bits)).or(bits.shl(1).eqz()));
      },
      () => {
        s.push(s.reinterpret(a));
        f.call(s.single ? c.functions.soft.f32Sqrt : c.functions.soft.f64Sqrt);
        s.setBits(result);
      },
    );
    s.put(result);
  };
}

/** COMISS, UCOMISS and the double ones: ZF, PF, CF. */
export function compareToFlags(format: FloatFormat, signalling: boolean): VectorSemantics {
  return (c) => {
    const { f } = c;
    const { soft } = c.functions;
    const s = new ScalarCode(c, format);
    const a = s.operand(0);
    const b = s.operand(1);
    const flags = c.local(I32);
    const [aMagnitude, bMagnitude] = [s.doubled(a), s.doubled(b)];
    fastOrSoft(
      c,
      () => {
        f.get(a).get(b);
        s.operate("lt");
        f.get(a).get(b);
        s.operate("eq");
        f.i32_const(6).i32_shl().i32_or().set(flags);
        s.push(s.bothNormal(aMagnitude, bMagnitude));
      },
      () => {
        // Less, equal, greater, unordered as −1 … 2 choose a byte.
        f.i32_const(0x45004001);
        s.push(s.reinterpret(a), s.reinterpret(b));
        f.i32_const(signalling ? 1 : 0).call(s.single ? soft.f32Compare : soft.f64Compare);
        f.i32_const(1).i32_add().i32_const(3).i32_shl().i32_shr_u().i32_const(0xff).i32_and().set(flags);
      },
      () => s.push(s.bothOrdinary(aMagnitude, bMagnitude)),
    );
    f.get(flags);
    c.core.setExplicitFlags();
  };
}

/** MINSS, MAXSS and the double ones. */
export function scalarExtremum(format: FloatFormat, name: "min" | "max"): VectorSemantics {
  return (c) => {
    const { f } = c;
    const { soft } = c.functions;
    const s = new ScalarCode(c, format);
    const a = s.operand(0);
    const b = s.operand(1);
    const [aBits, bBits] = [s.let(s.reinterpret(a)), s.let(s.reinterpret(b))];
    const [aMagnitude, bMagnitude] = [s.doubled(a), s.doubled(b)];
    const result = s.local(s.integer);
    fastOrSoft(
      c,
      () => {
        s.push(aBits, bBits);
        f.get(a).get(b);
        s.operate(name === "min" ? "lt" : "gt");
        f.select().set(result.index);
        s.push(s.bothNormal(aMagnitude, bMagnitude));
      },
      () => {
        s.push(aBits, bBits);
        const single = name === "min" ? soft.f32Min : soft.f32Max;
        f.call(s.single ? single : name === "min" ? soft.f64Min : soft.f64Max).set(result.index);
      },
      () => s.push(s.bothOrdinary(aMagnitude, bMagnitude)),
    );
    if (s.single) c.storeLow32(() => s.push(result));
    else c.storeLow64(() => s.push(result));
  };
}
