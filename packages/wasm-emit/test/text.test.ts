import { expect, it } from "vitest";
import { bodyText, FunctionBuilder, I32, VOID } from "../src/index.ts";

it("says what a body does", () => {
  const f = new FunctionBuilder(1);
  const n = f.local(I32);
  const again = f.loop();
  f.get(0).i32_const(-5).i32_add().tee(n).if_(VOID, true);
  f.i32_const(0).get(n).i32_store(0x600).br(again).end().end();
  f.i32_const(0).v128_load(16).i64x2_extract_lane(1).drop().f64_const(1.5).drop();
  f.i64_const(-(2n ** 63n)).drop();
  const lines = bodyText(f.bytes.subarray(0, f.length));
  expect(lines.map(({ depth, text }) => "  ".repeat(depth) + text)).toEqual([
    "loop",
    "  local.get 0",
    "  i32.const -5",
    "  i32.add",
    "  local.tee 1",
    "  if",
    "    i32.const 0",
    "    local.get 1",
    "    i32.store offset=0x600",
    "    br 1",
    "  end",
    "end",
    "i32.const 0",
    "v128.load offset=0x10",
    "i64x2.extract_lane 1",
    "drop",
    "f64.const 1.5",
    "drop",
    "i64.const -9223372036854775808",
    "drop",
  ]);
  expect(lines[1].offset).toBe(2);
});
