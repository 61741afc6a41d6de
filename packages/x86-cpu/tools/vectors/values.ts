import type { Random } from "./random.ts";

const MASK64 = (1n << 64n) - 1n;

/** An operand of `bytes` bytes (1 to 8), often one where something changes sign, carries or overflows. */
export function directed(random: Random, bytes: number): bigint {
  const bits = BigInt(bytes * 8);
  const mask = (1n << bits) - 1n;
  const top = 1n << (bits - 1n);
  switch (random.below(12)) {
    case 0:
      return 0n;
    case 1:
      return 1n;
    case 2:
      return mask;
    case 3:
      return top;
    case 4:
      return top - 1n;
    case 5:
      return BigInt.asUintN(Number(bits), top + BigInt(random.between(-3, 3)));
    case 6:
      return BigInt.asUintN(Number(bits), BigInt(random.between(-20, 20)));
    case 7:
      return 1n << BigInt(random.below(Number(bits)));
    case 8:
      return BigInt.asUintN(Number(bits), BigInt(random.below(256)) * 0x0101010101010101n);
    case 9:
      // A border of a narrower operand.
      return BigInt.asUintN(
        Number(bits),
        (1n << BigInt(random.pick([7, 8, 15, 16, 31, 32, 63]))) + BigInt(random.between(-2, 1)),
      );
    default:
      return random.u64() & mask;
  }
}

/** The same as the content of a 64-bit register, with something or nothing above the operand. */
export function directedRegister(random: Random, bytes: number): bigint {
  const value = directed(random, bytes);
  if (bytes === 8) return value;
  const shift = BigInt(bytes * 8);
  switch (random.below(4)) {
    case 0:
      return value;
    case 1:
      return BigInt.asUintN(64, BigInt.asIntN(Number(shift), value));
    default:
      return ((random.u64() << shift) & MASK64) | value;
  }
}

/** Counts of shifts and rotates: around 0 and the operand sizes. */
export function shiftCount(random: Random): number {
  if (random.chance(0.4)) return random.below(70);
  return random.pick([0, 1, 2, 7, 8, 9, 15, 16, 17, 18, 31, 32, 33, 34, 63, 64, 65, 127, 128, 255, 0x80, 0xe1]);
}

export function toBytes(value: bigint, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let rest = BigInt.asUintN(64, value);
  for (let i = 0; i < length && i < 8; i++) {
    out[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}
