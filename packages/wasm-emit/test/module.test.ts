import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ByteWriter,
  F32,
  F64,
  type FunctionBuilder,
  I32,
  I64,
  laneOpcodes,
  ModuleBuilder,
  memoryOpcodes,
  plainOpcodes,
  saturatingOpcodes,
  V128,
  type ValueType,
  vectorMemoryOpcodes,
  vectorOpcodes,
} from "../src/index.ts";

function instantiate(
  parameters: ValueType[],
  results: ValueType[],
  assemble: (f: FunctionBuilder) => void,
): (...values: never[]) => unknown {
  const module = new ModuleBuilder();
  const { index, body } = module.function(module.type(parameters, results));
  assemble(body);
  module.exportFunction("f", index);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.toUint8Array()));
  return instance.exports.f as (...values: never[]) => unknown;
}

describe("constants", () => {
  it("round-trip through LEB128", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        expect(instantiate([], [I64], (f) => f.i64_const(value))()).toBe(value);
      }),
      { numRuns: 50, examples: [[-1n], [63n], [64n], [-64n], [-65n], [2n ** 31n], [-(2n ** 31n)]] },
    );
    fc.assert(
      fc.property(fc.integer(), (value) => {
        expect(instantiate([], [I32], (f) => f.i32_const(value))()).toBe(value);
      }),
      { numRuns: 50 },
    );
    expect(instantiate([], [F64], (f) => f.f64_const(Math.PI))()).toBe(Math.PI);
    expect(instantiate([], [F32], (f) => f.f32_const(0.5))()).toBe(0.5);
  });
});

describe("control flow", () => {
  it("branches to the label that was named, from any depth", () => {
    const f = instantiate([I32], [I32], (f) => {
      const out = f.block(I32);
      const cases = [f.block(), f.block(), f.block()].reverse();
      f.get(0).br_table(cases, cases[2]);
      f.end().i32_const(10).br(out);
      f.end().i32_const(20).br(out);
      f.end().i32_const(30).end();
    }) as (n: number) => number;
    expect([0, 1, 2, 9].map(f)).toEqual([10, 20, 30, 30]);
  });

  it("sums in a loop", () => {
    const f = instantiate([I32], [I32], (f) => {
      const sum = f.local(I32);
      const again = f.loop();
      f.get(sum).get(0).i32_add().set(sum).get(0).i32_const(1).i32_sub().tee(0).br_if(again).end().get(sum);
    }) as (n: number) => number;
    expect(f(100)).toBe(5050);
  });
});

describe("opcode tables", () => {
  it("give every instruction an encoding that the engine knows", () => {
    const known = (assemble: (f: FunctionBuilder) => void): string => {
      const module = new ModuleBuilder();
      module.importMemory("e", "m", 1, 1);
      const { body } = module.function(module.type([], []));
      body.unreachable();
      assemble(body);
      body.unreachable();
      try {
        new WebAssembly.Module(module.toUint8Array());
        return "";
      } catch (error) {
        return String(error);
      }
    };
    const call = (f: FunctionBuilder, name: string, immediate?: number) =>
      (f as unknown as Record<string, (n?: number) => FunctionBuilder>)[name](immediate);
    const failures: string[] = [];
    // After `unreachable` the stack is polymorphic, so each opcode validates whatever it pops.
    const tables = [plainOpcodes, memoryOpcodes, vectorMemoryOpcodes, laneOpcodes, vectorOpcodes, saturatingOpcodes];
    for (const name of tables.flatMap((table) => Object.keys(table))) {
      if (name === "else_") continue;
      const problem = known((f) => call(f, name, name.includes("lane") ? 0 : undefined));
      if (problem !== "") failures.push(`${name}: ${problem}`);
    }
    expect(failures).toEqual([]);
  });
});

describe("modules", () => {
  it("call through tables, imports and each other", () => {
    const module = new ModuleBuilder();
    const unary = module.type([I32], [I32]);
    const imported = module.importFunction("e", "double", unary);
    const plusOne = module.function(unary);
    plusOne.body.get(0).i32_const(1).i32_add();
    const main = module.function(module.type([I32, I32], [I32]));
    const table = module.table(2);
    module.element(table, 0, [imported, plusOne.index]);
    main.body.get(0).get(1).call_indirect(unary, table);
    module.exportFunction("main", main.index);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.toUint8Array()), {
      e: { double: (n: number) => n * 2 },
    });
    const f = exports.main as (n: number, slot: number) => number;
    expect([f(21, 0), f(41, 1)]).toEqual([42, 42]);
    expect(() => module.importFunction("e", "late", unary)).toThrow(RangeError);
  });

  it("keeps vectors whole", () => {
    const bytes = Array.from({ length: 16 }, (_, i) => i * 3);
    const f = instantiate([], [I64], (f) => {
      const v = f.local(V128);
      f.v128_const(bytes)
        .set(v)
        .get(v)
        .get(v)
        .i8x16_shuffle([...Array(16).keys()].reverse())
        .i64x2_extract_lane(0);
    });
    const expected = new DataView(Uint8Array.from(bytes.slice().reverse()).buffer).getBigInt64(0, true);
    expect(f()).toBe(expected);
  });
});

it("ByteWriter grows past its capacity", () => {
  const writer = new ByteWriter(2);
  for (let i = 0; i < 1000; i++) writer.byte(i & 0xff);
  expect(writer.toUint8Array().length).toBe(1000);
});
