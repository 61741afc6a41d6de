import type { ModuleBuilder } from "@xen-node/wasm-emit";
import type { SharedFunctions } from "../semantics/context.ts";
import { type CoreRoutines, emitCore } from "./core.ts";
import { emitExactness } from "./exactness.ts";
import { emitNarrow, F32_BITS, F64_BITS, type NarrowRoutines } from "./narrow-format.ts";
import { emitRounding, type RoundingRoutines } from "./rounding.ts";
import { emitConversion, emitNarrowOperations } from "./sse-operations.ts";
import type { SoftFloat } from "./types.ts";
import { emitWide, type WideRoutines } from "./wide.ts";

/** The parts that SSE's functions and x87's are made of. */
export interface SoftFloatCore {
  readonly wide: WideRoutines;
  readonly rounding: RoundingRoutines;
  readonly core: CoreRoutines;
  readonly f32: NarrowRoutines;
  readonly f64: NarrowRoutines;
}

const cores = new WeakMap<ModuleBuilder, SoftFloatCore>();

/** Adds the common parts to a module, once. */
export function softFloatCore(module: ModuleBuilder, functions: SharedFunctions): SoftFloatCore {
  let found = cores.get(module);
  if (!found) {
    const wide = emitWide(module, functions.multiplyHighUnsigned);
    const rounding = emitRounding(module, wide);
    const core = emitCore(module, wide);
    const f32 = emitNarrow(module, F32_BITS, rounding);
    const f64 = emitNarrow(module, F64_BITS, rounding);
    found = { wide, rounding, core, f32, f64 };
    cores.set(module, found);
  }
  return found;
}

/** Adds SSE's scalar arithmetic to a module. To be called once a module. */
export function emitSoftFloat(module: ModuleBuilder, functions: SharedFunctions): SoftFloat {
  const { core, rounding, f32, f64 } = softFloatCore(module, functions);
  const single = emitNarrowOperations(module, f32, core, rounding);
  const double = emitNarrowOperations(module, f64, core, rounding);
  return {
    f32Exact: emitExactness(module, f32),
    f64Exact: emitExactness(module, f64),
    f32Add: single.add,
    f32Sub: single.subtract,
    f32Mul: single.multiply,
    f32Div: single.divide,
    f32Min: single.minimum,
    f32Max: single.maximum,
    f32Sqrt: single.squareRoot,
    f64Add: double.add,
    f64Sub: double.subtract,
    f64Mul: double.multiply,
    f64Div: double.divide,
    f64Min: double.minimum,
    f64Max: double.maximum,
    f64Sqrt: double.squareRoot,
    f32ToF64: emitConversion(module, f32, f64),
    f64ToF32: emitConversion(module, f64, f32),
    f32ToI32: single.toI32,
    f32ToI64: single.toI64,
    f64ToI32: double.toI32,
    f64ToI64: double.toI64,
    i32ToF32: single.fromI32,
    i64ToF32: single.fromI64,
    i32ToF64: double.fromI32,
    i64ToF64: double.fromI64,
    f32Round: single.round,
    f64Round: double.round,
    f32Compare: single.compare,
    f64Compare: double.compare,
  };
}
