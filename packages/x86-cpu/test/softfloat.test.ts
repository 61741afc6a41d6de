import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { emitSoftFloat, FP_UNMASKED, FpFlag } from "../src/softfloat/index.ts";
import { FP_FLAGS } from "../src/state.ts";
import { createTestModule, instantiate } from "./float-module.ts";
import { replaySse } from "./sse-oracle.ts";

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
