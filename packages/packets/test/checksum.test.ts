import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checksumOf, foldSum, pseudoHeaderSum4, pseudoHeaderSum6, sumBytes } from "../src/index.ts";

/** RFC 1071 as it reads: 16-bit words added one by one, with end-around carry. */
function naiveSum(bytes: Uint8Array, offset: number, length: number, initial = 0): number {
  let sum = initial;
  for (let i = 0; i < length; i += 2) {
    sum += bytes[offset + i] * 256 + (i + 1 < length ? bytes[offset + i + 1] : 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  while (sum > 0xffff) sum -= 0xffff;
  return sum;
}

/** 0 and 0xffff are the same number in one's complement. */
const same = (a: number, b: number): boolean => a % 0xffff === b % 0xffff;

describe("sumBytes", () => {
  it("is the naive sum at every alignment and length", () => {
    const buffer = new ArrayBuffer(400);
    const all = new Uint8Array(buffer);
    for (let i = 0; i < all.length; i++) all[i] = (i * 151 + (i >> 3) * 37) & 255;
    for (let base = 0; base < 8; base++) {
      const view = new Uint8Array(buffer, base, 380);
      for (let offset = 0; offset < 8; offset++)
        for (let length = 0; length <= 200; length++)
          if (sumBytes(view, offset, length) !== naiveSum(view, offset, length))
            expect(`${base} ${offset} ${length}`).toBe("the naive sum");
    }
  });

  it("carries the initial sum, for random bytes up to 64 KiB", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.integer({ min: 0, max: 65535 }),
        fc.integer({ min: 0, max: 7 }),
        fc.nat(0x20000),
        (pattern, length, base, initial) => {
          const bytes = new Uint8Array(new ArrayBuffer(65535 + 8), base, length);
          for (let i = 0; i < length; i++) bytes[i] = pattern[i % pattern.length];
          return same(sumBytes(bytes, 0, length, initial), naiveSum(bytes, 0, length, initial));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("holds 64 KiB of ones without losing a carry", () => {
    const bytes = new Uint8Array(65535).fill(255);
    expect(sumBytes(bytes, 0, 65535)).toBe(naiveSum(bytes, 0, 65535));
  });

  it("agrees with the example of RFC 1071, section 3", () => {
    const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(sumBytes(bytes, 0, 8)).toBe(0xddf2);
    expect(checksumOf(0xddf2)).toBe(0x220d);
  });
});

it("foldSum folds sums beyond 32 bits", () => {
  fc.assert(fc.property(fc.nat(2 ** 50), (sum) => foldSum(sum) <= 0xffff && same(foldSum(sum), sum)));
});

it("the pseudo-headers are addresses, protocol and length", () => {
  const bytes = Uint8Array.from({ length: 60 }, (_, i) => i * 3);
  expect(pseudoHeaderSum4(bytes, 2, 6, 1000)).toBe(naiveSum(bytes, 14, 8, 1006));
  expect(pseudoHeaderSum6(bytes, 2, 17, 1000)).toBe(naiveSum(bytes, 10, 32, 1017));
});
