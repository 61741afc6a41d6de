import type { FunctionBuilder } from "@xen-node/wasm-emit";
import type { VectorSemantics } from "./vector-context.ts";

const SIGN = 0x80000000 | 0;
const INFINITY = 0x7f800000;
const QUIET = 0x00400000;
const DEFAULT_NAN = 0xffc00000 | 0;

/** Emits `if (condition) return value`. */
function returnIf(f: FunctionBuilder, condition: () => void, value: () => void): void {
  condition();
  f.if_();
  value();
  f.return_().end();
}

/** NaN operands are quieted and returned; denormals count as zeros of their sign. Local 0 is the operand's bits. */
function emitSpecialOperands(f: FunctionBuilder): void {
  const magnitude = () => f.get(0).i32_const(~SIGN).i32_and();
  returnIf(
    f,
    () => magnitude().i32_const(INFINITY).i32_gt_u(),
    () => f.get(0).i32_const(QUIET).i32_or(),
  );
  magnitude().i32_const(0x00800000).i32_lt_u().if_().get(0).i32_const(SIGN).i32_and().set(0).end();
}

/** Rounds an f32 on the stack (not denormal) to 12 fraction bits and pushes its bits. */
function roundTo12Bits(f: FunctionBuilder): void {
  f.i32_reinterpret_f32().i32_const(0x400).i32_add().i32_const(~0x7ff).i32_and();
}

/**
 * RCPSS: (bits) → bits. The manual bounds the relative error by 1.5 · 2^-12 and leaves the rest to the processor; this is
 * the reciprocal rounded to 12 fraction bits. A given processor's table gives other last bits, so exact tests leave it out.
 */
export function emitReciprocal(f: FunctionBuilder): void {
  emitSpecialOperands(f);
  // Results up to the smallest normal number are zeros.
  returnIf(
    f,
    () => f.get(0).i32_const(~SIGN).i32_and().i32_const(0x7e800000).i32_ge_u(),
    () => f.get(0).i32_const(SIGN).i32_and(),
  );
  f.f32_const(1).get(0).f32_reinterpret_i32().f32_div();
  roundTo12Bits(f);
}

/** RSQRTSS, in the same way. */
export function emitReciprocalRoot(f: FunctionBuilder): void {
  emitSpecialOperands(f);
  returnIf(
    f,
    () => f.get(0).i32_const(SIGN).i32_gt_u(),
    () => f.i32_const(DEFAULT_NAN),
  );
  f.f32_const(1).get(0).f32_reinterpret_i32().f32_sqrt().f32_div();
  roundTo12Bits(f);
}

/** Applies an approximation to the first `lanes` lanes. */
function approximation(lanes: 1 | 4, root: boolean): VectorSemantics {
  return (c) => {
    const { f, functions } = c;
    const approximate = root ? functions.reciprocalRoot : functions.reciprocal;
    if (lanes === 1) {
      c.storeLow32(() => {
        c.address(1);
        f.i32_load().call(approximate);
      });
      return;
    }
    c.vector(1);
    const source = c.let();
    c.store(() => {
      f.get(source);
      for (let lane = 0; lane < 4; lane++) {
        f.get(source).i32x4_extract_lane(lane).call(approximate).i32x4_replace_lane(lane);
      }
    });
  };
}

export const vectorApproximations: Readonly<Record<string, VectorSemantics>> = {
  rcpps: approximation(4, false),
  rcpss: approximation(1, false),
  rsqrtps: approximation(4, true),
  rsqrtss: approximation(1, true),
};
