import { emitSoftFloat, FP_CONTROL, FpControl, Rounding } from "../src/softfloat/index.ts";
import { FP_FLAGS, FP_ROUNDING } from "../src/state.ts";
import { createTestModule, instantiate } from "./float-module.ts";

/** Operations in the order of tools/sse-oracle.c; the second half is the same for f64. */
const operations = [
  "Add",
  "Sub",
  "Mul",
  "Div",
  "Min",
  "Max",
  "Sqrt",
  "Comi",
  "Ucomi",
  "Convert",
  "ToI32",
  "ToI64",
  "TruncateI32",
  "TruncateI64",
  "FromI32",
  "FromI64",
  "RoundMode",
  "RoundCurrent",
  "RoundQuiet",
];
const RECORD = 32;
const hex = (x: number | bigint) => BigInt.asUintN(64, BigInt(x)).toString(16);

/** Replays what a processor did on the soft-float functions: descriptions of the differences, and the number of cases. */
export function replaySse(data: Uint8Array): { cases: number; differences: string[] } {
  const { module, functions } = createTestModule();
  for (const [name, index] of Object.entries(emitSoftFloat(module, functions))) module.exportFunction(name, index);
  const { exports, memory } = instantiate(module);
  const state = new DataView(memory.buffer);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const differences: string[] = [];
  const cases = data.length / RECORD;
  for (let i = 0; i < cases; i++) {
    const at = i * RECORD;
    const number = view.getUint16(at, true);
    const wide = number >= operations.length;
    const operation = operations[number % operations.length];
    const own = wide ? "f64" : "f32";
    const mxcsr = view.getUint16(at + 2, true);
    const flags = view.getUint32(at + 4, true);
    const a = view.getBigUint64(at + 8, true);
    const b = view.getBigUint64(at + 16, true);
    const result = view.getBigUint64(at + 24, true);
    const rounding = (mxcsr >> 13) & 3;
    const daz = mxcsr & 0x40 ? FpControl.DENORMALS_ARE_ZERO : 0;
    state.setInt32(FP_ROUNDING, rounding, true);
    state.setInt32(FP_CONTROL, daz | (mxcsr & 0x8000 ? FpControl.FLUSH_TO_ZERO : 0), true);
    state.setInt32(FP_FLAGS, 0, true);
    const argument = (x: bigint) => (wide ? x : Number(BigInt.asIntN(32, x)));
    const call = (name: string, ...rest: (number | bigint)[]) => exports[name](argument(a), ...rest) as number | bigint;
    let got: number | bigint;
    let width = wide ? 64 : 32;
    switch (operation) {
      case "Sqrt":
        got = call(`${own}Sqrt`);
        break;
      case "Comi":
      case "Ucomi":
        got = call(`${own}Compare`, argument(b), operation === "Comi" ? 1 : 0);
        width = 64;
        break;
      case "Convert":
        got = call(wide ? "f64ToF32" : "f32ToF64");
        width = 96 - width;
        break;
      case "ToI32":
      case "ToI64":
        got = call(own + operation, 0);
        width = 64;
        break;
      case "TruncateI32":
      case "TruncateI64":
        got = call(`${own}To${operation.slice(8)}`, 1);
        width = 64;
        break;
      case "FromI32":
        got = exports[wide ? "i32ToF64" : "i32ToF32"](Number(BigInt.asIntN(32, a))) as number | bigint;
        break;
      case "FromI64":
        got = exports[wide ? "i64ToF64" : "i64ToF32"](a) as number | bigint;
        break;
      case "RoundMode":
        got = call(`${own}Round`, Number(b & 3n), 0);
        break;
      case "RoundCurrent":
      case "RoundQuiet":
        got = call(`${own}Round`, rounding, operation === "RoundQuiet" ? 1 : 0);
        break;
      default:
        got = call(own + operation, argument(b));
    }
    const bits = BigInt.asUintN(width, BigInt(got));
    const raised = state.getInt32(FP_FLAGS, true);
    if (bits === result && raised === flags) continue;
    const mode = `${Object.keys(Rounding)[rounding]}${daz ? " DAZ" : ""}${mxcsr & 0x8000 ? " FTZ" : ""}`;
    differences.push(
      `${own}${operation} ${hex(a)} ${hex(b)} ${mode}: ${hex(bits)} flags ${raised}, not ${hex(result)} flags ${flags}`,
    );
  }
  return { cases, differences };
}
