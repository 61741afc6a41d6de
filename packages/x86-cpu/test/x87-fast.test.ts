import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { WRITE_ARRAY } from "../src/semantics/emission-context.ts";
import { FCW, FSW, FTW, TLB_BANK, X87 } from "../src/state.ts";
import { PROGRAM_MEMORY } from "./float-module.ts";
import { X87Machine } from "./x87-machine.ts";

/**
 * The straight-line cases of x87 handlers against the general ones. The infinity control of FCW means nothing, but sends
 * instructions to the general handlers.
 */
const INFINITY_CONTROL = 0x1000;

/** Significands whose sums, products and quotients are near ties and carries. */
const significand = fc.oneof(
  fc.bigInt({ min: 1n << 63n, max: (1n << 64n) - 1n }),
  fc.tuple(fc.integer({ min: 0, max: 63 }), fc.integer({ min: -2, max: 2 })).map(([bit, off]) => {
    return BigInt.asUintN(64, (1n << 63n) | ((1n << BigInt(bit)) + BigInt(off)));
  }),
  fc.integer({ min: -3, max: 3 }).map((off) => BigInt.asUintN(64, (off < 0 ? 0n : 1n << 63n) + BigInt(off))),
  fc.bigInt({ min: 1n << 23n, max: (1n << 24n) - 1n }).map((bits) => bits << 40n),
  fc.bigInt({ min: 1n << 52n, max: (1n << 53n) - 1n }).map((bits) => bits << 11n),
);
const exponent = fc.oneof(
  fc.integer({ min: 0x3fff - 70, max: 0x3fff + 70 }),
  fc.constantFrom(0x3ffe, 0x3fff, 0x4000),
  fc.constantFrom(0, 1, 2, 0x7ffd, 0x7ffe, 0x7fff),
  fc.integer({ min: 0, max: 0x7fff }),
);
const number = fc.oneof(
  { weight: 15, arbitrary: fc.tuple(fc.integer({ min: 0, max: 1 }), exponent, significand) },
  { weight: 1, arbitrary: fc.tuple(fc.integer({ min: 0, max: 1 }), fc.constant(0), fc.constant(0n)) },
);
type Parts = [number, number, bigint];

const bitsOf = (value: number, single: boolean): bigint => {
  const view = new DataView(new ArrayBuffer(8));
  if (single) view.setFloat32(0, value, true);
  else view.setFloat64(0, value, true);
  return view.getBigUint64(0, true);
};
const memoryOperand = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.integer({ min: -5, max: 5 }).map((value) => BigInt.asUintN(64, BigInt(value))),
  fc.tuple(fc.double({ min: -1e6, max: 1e6 }), fc.boolean()).map(([value, single]) => bitsOf(value, single)),
  fc.constantFrom(0n, 1n << 63n, 1n << 31n, bitsOf(1, false), bitsOf(1, true)),
);
/** To nearest three times out of four, with the precision that is usual. */
const control = fc.constantFrom(0x37f, 0x37f, 0x37f, 0x77f, 0xb7f, 0xf7f, 0x27f, 0x340);
/** Both registers hold something in most cases; one of them, or none, in others. */
const tagWord = fc.constantFrom(0x0fff, 0x0fff, 0x0fff, 0xcfff, 0x3fff, 0x0000);

describe("x87 in a straight line", () => {
  let machine: X87Machine;
  beforeAll(() => {
    machine = new X87Machine();
    // The page of the operands is in the soft TLB, for reading and writing.
    for (const array of [0, WRITE_ARRAY]) {
      const entry = machine.view.getUint32(TLB_BANK, true) + array + ((PROGRAM_MEMORY >> 8) & 0xfff0);
      machine.view.setBigUint64(entry, BigInt(PROGRAM_MEMORY), true);
      machine.view.setBigUint64(entry + 8, 0n, true);
    }
  });

  /** What an instruction leaves with numbers in ST0 and ST1 and an operand in memory. */
  function state(code: readonly number[], numbers: readonly Parts[], memory: bigint, tags: number, control: number) {
    const { view } = machine;
    view.setBigUint64(PROGRAM_MEMORY, memory, true);
    view.setBigUint64(PROGRAM_MEMORY + 8, memory, true);
    numbers.forEach(([sign, field, bits], i) => {
      view.setBigUint64(X87((6 + i) & 7), bits, true);
      view.setUint16(X87((6 + i) & 7) + 8, (sign << 15) | field, true);
    });
    view.setUint16(FCW, control, true);
    view.setUint16(FSW, 0x3200, true);
    view.setUint16(FTW, tags, true);
    machine.setFlags(0);
    expect(typeof machine.run(Uint8Array.from(code))).toBe("string");
    const stored = Buffer.from(machine.bytes.slice(PROGRAM_MEMORY, PROGRAM_MEMORY + 16)).toString("hex");
    view.setUint16(FCW, 0x37f, true);
    return `${machine.flags} ${stored} ${Buffer.from(machine.saveImage()).toString("hex")}`;
  }

  const cases: [string, number[]][] = [
    ["fadd", [0xd8, 0xc1]],
    ["fadd to st1", [0xdc, 0xc1]],
    ["faddp", [0xde, 0xc1]],
    ["fadd of itself", [0xd8, 0xc0]],
    ["fsub", [0xd8, 0xe1]],
    ["fsubr", [0xd8, 0xe9]],
    ["fsubrp", [0xde, 0xe1]],
    ["fmul", [0xd8, 0xc9]],
    ["fmulp", [0xde, 0xc9]],
    ["fdiv", [0xd8, 0xf1]],
    ["fdivr", [0xd8, 0xf9]],
    ["fdivp", [0xde, 0xf9]],
    ["fsqrt", [0xd9, 0xfa]],
    ["fchs", [0xd9, 0xe0]],
    ["fabs", [0xd9, 0xe1]],
    ["frndint", [0xd9, 0xfc]],
    ["fadd m32", [0xd8, 0x06]],
    ["fsubr m64", [0xdc, 0x2e]],
    ["fmul m64", [0xdc, 0x0e]],
    ["fdiv m32", [0xd8, 0x36]],
    ["fiadd m32", [0xda, 0x06]],
    ["fidivr m16", [0xde, 0x3e]],
    ["fcom", [0xd8, 0xd1]],
    ["fcompp", [0xde, 0xd9]],
    ["fucomp", [0xdd, 0xe9]],
    ["fcomi", [0xdb, 0xf1]],
    ["fucomip", [0xdf, 0xe9]],
    ["fcom m64", [0xdc, 0x16]],
    ["ficomp m32", [0xda, 0x1e]],
    ["ftst", [0xd9, 0xe4]],
    ["fld m32", [0xd9, 0x06]],
    ["fld m64", [0xdd, 0x06]],
    ["fld m80", [0xdb, 0x2e]],
    ["fild m16", [0xdf, 0x06]],
    ["fild m32", [0xdb, 0x06]],
    ["fild m64", [0xdf, 0x2e]],
    ["fld st1", [0xd9, 0xc1]],
    ["fld1", [0xd9, 0xe8]],
    ["fldz", [0xd9, 0xee]],
    ["fldpi", [0xd9, 0xeb]],
    ["fst m32", [0xd9, 0x16]],
    ["fstp m64", [0xdd, 0x1e]],
    ["fstp m80", [0xdb, 0x3e]],
    ["fist m16", [0xdf, 0x16]],
    ["fistp m32", [0xdb, 0x1e]],
    ["fistp m64", [0xdf, 0x3e]],
    ["fisttp m16", [0xdf, 0x0e]],
    ["fisttp m64", [0xdd, 0x0e]],
    ["fst st1", [0xdd, 0xd1]],
    ["fstp st1", [0xdd, 0xd9]],
    ["fstp st0", [0xdd, 0xd8]],
    ["fxch", [0xd9, 0xc9]],
    ["fcmovb", [0xda, 0xc1]],
    ["fcmovne", [0xdb, 0xc9]],
    ["fldcw", [0xd9, 0x2e]],
    ["fnstcw", [0xd9, 0x3e]],
  ];
  it.each(cases)("%s does as the general handler does", (name, code) => {
    fc.assert(
      fc.property(number, number, memoryOperand, tagWord, control, (a, b, memory, tags, word) => {
        const fast = state(code, [a, b], memory, tags, word);
        const general = state(code, [a, b], memory, tags, word | INFINITY_CONTROL);
        if (name === "fnstcw") expect(general.replace(/ (..)1/, " $10")).toBe(fast);
        else expect(fast).toBe(general);
      }),
      { numRuns: 500 },
    );
  });
});
