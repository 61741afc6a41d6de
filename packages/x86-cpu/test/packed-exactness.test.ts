import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExitReason, MXCSR, XMM } from "../src/index.ts";
import { CODE, TestMachine } from "./machine.ts";

const NEW_MXCSR = 0x1f80;
const FLAGS = 0x3f;
const OPCODES = { add: 0x58, mul: 0x59, sub: 0x5c, div: 0x5e } as const;
/** Prefixes of the packed and the scalar forms, bytes of a lane. */
const FORMATS = [
  ["doubles", [0x66], [0xf2], 8],
  ["singles", [], [0xf3], 4],
] as const;

const number = fc.oneof(
  fc.integer({ min: -8, max: 8 }).map((exponent) => 2 ** exponent),
  fc.integer({ min: -300, max: 300 }),
  fc
    .tuple(fc.integer({ min: -(2 ** 25), max: 2 ** 25 }), fc.integer({ min: -30, max: 30 }))
    .map(([n, e]) => n * 2 ** e),
  fc.double(),
);
const vectorOf = (lanes: number) => fc.array(number, { minLength: lanes, maxLength: lanes });

describe("packed arithmetic while nothing was inexact yet", () => {
  const machine = new TestMachine();
  const { view, u8 } = machine.mmu.memory;
  machine.map(CODE);

  /** op xmm0, xmm1; syscall. */
  function operate(prefix: readonly number[], opcode: number, a: Uint8Array, b: Uint8Array): [Uint8Array, number] {
    machine.program([...prefix, 0x0f, opcode, 0xc1, 0x0f, 0x05]);
    u8.set(a, XMM(0));
    u8.set(b, XMM(1));
    view.setUint32(MXCSR, NEW_MXCSR, true);
    expect(machine.cpu.run(1000)).toBe(ExitReason.SYSCALL);
    return [u8.slice(XMM(0), XMM(0) + 16), view.getUint32(MXCSR, true) & FLAGS];
  }

  it.each(
    FORMATS.flatMap((format) => Object.entries(OPCODES).map(([name, opcode]) => [name, ...format, opcode] as const)),
  )("%s of %s gives and notes what it does lane by lane", (_name, _format, packed, scalar, bytes, opcode) => {
    const lanes = 16 / bytes;
    const toBytes = (values: number[]) =>
      new Uint8Array(bytes === 8 ? new Float64Array(values).buffer : new Float32Array(values).buffer);
    let exact = 0;
    fc.assert(
      fc.property(vectorOf(lanes), vectorOf(lanes), (x, y) => {
        const [a, b] = [toBytes(x), toBytes(y)];
        const [result, flags] = operate(packed, opcode, a, b);
        const wanted = new Uint8Array(16);
        let noted = 0;
        for (let at = 0; at < 16; at += bytes) {
          const rotated = (from: Uint8Array) => new Uint8Array([...from.subarray(at), ...from.subarray(0, at)]);
          const [lane, more] = operate(scalar, opcode, rotated(a), rotated(b));
          wanted.set(lane.subarray(0, bytes), at);
          noted |= more;
        }
        expect(result).toEqual(wanted);
        expect(flags).toBe(noted);
        if (flags === 0) exact++;
      }),
      { numRuns: 300 },
    );
    expect(exact).toBeGreaterThan(5);
  });
});
