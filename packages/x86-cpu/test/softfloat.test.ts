import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emitSoftFloat, FP_UNMASKED, FpFlag } from "../src/softfloat/index.ts";
import { FP_FLAGS, MXCSR } from "../src/state.ts";
import { createTestModule, instantiate } from "./float-module.ts";
import { replaySse } from "./sse-oracle.ts";

/** A double as an integer in units of the smallest denormal. */
function scaled(value: number): bigint {
  const bits = new BigUint64Array(Float64Array.of(value).buffer)[0];
  const field = (bits >> 52n) & 0x7ffn;
  const fraction = bits & ((1n << 52n) - 1n);
  const magnitude = field === 0n ? fraction : (fraction | (1n << 52n)) << (field - 1n);
  return value < 0 ? -magnitude : magnitude;
}

describe("tests for exactness", () => {
  const { module, functions } = createTestModule();
  const { f64Exact } = emitSoftFloat(module, functions);
  for (const name of ["sum", "product", "quotient"] as const) module.exportFunction(name, f64Exact[name]);
  const { exports, memory } = instantiate(module);
  new DataView(memory.buffer).setInt32(MXCSR, 0x1f80, true);
  const bits = (value: number) => new BigInt64Array(Float64Array.of(value).buffer)[0];
  const unit = 1n << 1074n;
  const operand = fc.oneof(
    fc.integer({ min: -1000, max: 1000 }),
    fc
      .tuple(fc.integer({ min: -(2 ** 30), max: 2 ** 30 }), fc.integer({ min: -60, max: 60 }))
      .map(([n, e]) => n * 2 ** e),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  );
  const cases = [
    ["sum", (a: number, b: number) => a + b, (a: bigint, b: bigint, r: bigint) => a + b === r],
    ["product", (a: number, b: number) => a * b, (a: bigint, b: bigint, r: bigint) => a * b === r * unit],
    ["quotient", (a: number, b: number) => a / b, (a: bigint, b: bigint, r: bigint) => a * unit === r * b],
  ] as const;

  it.each(cases)("never call a %s exact that is not", (name, operate, isExact) => {
    let found = 0;
    fc.assert(
      fc.property(operand, operand, (a, b) => {
        const result = operate(a, b);
        if (exports[name](bits(a), bits(b), bits(result)) !== 1) return;
        found++;
        expect(isExact(scaled(a), scaled(b), scaled(result))).toBe(true);
      }),
      { numRuns: 3000 },
    );
    expect(found).toBeGreaterThan(50);
  });
});

describe("SSE soft float", () => {
  it("does what a processor did", () => {
    const data = gunzipSync(readFileSync(new URL("./data/sse-oracle.bin.gz", import.meta.url)));
    const { cases, differences } = replaySse(data);
    expect(cases).toBeGreaterThan(4000);
    expect(differences).toEqual([]);
  });

  it("reports exact underflow only when it is not masked", () => {
    const { module, functions } = createTestModule();
    module.exportFunction("multiply", emitSoftFloat(module, functions).f32Mul);
    const { exports, memory } = instantiate(module);
    const state = new DataView(memory.buffer);
    const multiply = (unmasked: number): number => {
      state.setInt32(FP_FLAGS, 0, true);
      state.setInt32(FP_UNMASKED, unmasked, true);
      exports.multiply(0x00800000, 0x3f000000);
      return state.getInt32(FP_FLAGS, true);
    };
    expect(multiply(0)).toBe(0);
    expect(multiply(FpFlag.UNDERFLOW)).toBe(FpFlag.UNDERFLOW);
  });
});
