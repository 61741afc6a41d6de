import { type FunctionBuilder, I32, type ModuleBuilder, type ValueType } from "@xen-node/wasm-emit";
import { emitSoftFloat, FP_CONTROL, FP_UNMASKED, FpControl, FpFlag } from "../softfloat/index.ts";
import { CR4, FP_FLAGS, FP_ROUNDING, MXCSR, VECTOR } from "../state.ts";
import type { SharedFunctions } from "./context.ts";
import { emitReciprocal, emitReciprocalRoot } from "./vector-approximations.ts";
import type { VectorFunctions } from "./vector-context.ts";
import { emitCompareStrings, emitStringLength } from "./vector-strings.ts";

const DENORMALS_ARE_ZERO = 6;
const MASKS = 7;
const ROUNDING = 13;
const FLUSH_TO_ZERO = 15;
const OSXMMEXCPT = 1 << 10;
/** Exceptions of the operands come before those of the result: if one is not masked, nothing is computed. */
const BEFORE = FpFlag.INVALID | FpFlag.DENORMAL | FpFlag.ZERO_DIVIDE;

function emitBegin(f: FunctionBuilder): void {
  const mxcsr = f.local(I32);
  f.i32_const(0).i32_load(MXCSR).set(mxcsr);
  f.i32_const(0).get(mxcsr).i32_const(ROUNDING).i32_shr_u().i32_const(3).i32_and().i32_store(FP_ROUNDING);
  f.i32_const(0).get(mxcsr).i32_const(DENORMALS_ARE_ZERO).i32_shr_u().i32_const(FpControl.DENORMALS_ARE_ZERO).i32_and();
  f.get(mxcsr)
    .i32_const(FLUSH_TO_ZERO - 1)
    .i32_shr_u()
    .i32_const(FpControl.FLUSH_TO_ZERO)
    .i32_and()
    .i32_or();
  f.i32_store(FP_CONTROL);
  f.i32_const(0).get(mxcsr).i32_const(-1).i32_xor().i32_const(MASKS).i32_shr_u().i32_const(63).i32_and();
  f.i32_store(FP_UNMASKED);
  f.i32_const(0).i32_const(0).i32_store(FP_FLAGS);
}

function emitFinish(f: FunctionBuilder): void {
  const flags = f.local(I32);
  const unmasked = f.local(I32);
  f.i32_const(0).i32_load(FP_FLAGS).tee(flags).i32_const(0).i32_load(FP_UNMASKED).i32_and().tee(unmasked);
  f.i32_const(BEFORE).i32_and().if_().get(flags).i32_const(BEFORE).i32_and().set(flags).end();
  f.i32_const(0).i32_const(0).i32_load(MXCSR).get(flags).i32_or().i32_store(MXCSR);
  f.i32_const(VECTOR.XM).i32_const(VECTOR.UD).i32_const(0).i32_load(CR4).i32_const(OSXMMEXCPT).i32_and().select();
  f.i32_const(0).get(unmasked).select();
}

/** Adds what the vector handlers call. */
export function emitVectorFunctions(module: ModuleBuilder, functions: SharedFunctions): VectorFunctions {
  const add = (
    parameters: readonly ValueType[],
    results: readonly ValueType[],
    emit: (f: FunctionBuilder) => void,
  ): number => {
    const { index, body } = module.function(module.type(parameters, results));
    emit(body);
    return index;
  };
  return {
    soft: emitSoftFloat(module, functions),
    begin: add([], [], emitBegin),
    finish: add([], [I32], emitFinish),
    compareStrings: add([I32, I32, I32, I32, I32], [I32], emitCompareStrings),
    stringLength: add([I32, I32], [I32], emitStringLength),
    reciprocal: add([I32], [I32], emitReciprocal),
    reciprocalRoot: add([I32], [I32], emitReciprocalRoot),
  };
}
