import * as zlib from "node:zlib";

// CRC-32 and CRC-64 as the .xz file format uses them (both reflected, initial value and final XOR all ones).

const CRC32_POLYNOMIAL = 0xedb88320;
const SLICES = 8;

// Slicing by eight: table k advances a byte by k further zero bytes, so that eight bytes take eight independent look-ups.
const crc32Tables = (() => {
  const tables = new Uint32Array(256 * SLICES);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) {
      value = value & 1 ? (value >>> 1) ^ CRC32_POLYNOMIAL : value >>> 1;
    }
    tables[byte] = value;
  }
  for (let index = 256; index < tables.length; index++) {
    const previous = tables[index - 256];
    tables[index] = (previous >>> 8) ^ tables[previous & 0xff];
  }
  return tables;
})();

/** Node's own, which is many times faster; there is none before 20.15. */
const nativeCrc32: ((bytes: Uint8Array, before: number) => number) | undefined = zlib.crc32;

/** CRC-32 (IEEE 802.3) of the bytes, as an unsigned number; `before`, that of bytes in front of them, is gone on from. */
export function crc32(bytes: Uint8Array, before = 0): number {
  return nativeCrc32 === undefined ? slicedCrc32(bytes, before) : nativeCrc32(bytes, before);
}

/** {@link crc32} without Node's help. */
export function slicedCrc32(bytes: Uint8Array, before: number): number {
  const t = crc32Tables;
  let crc = ~before;
  let at = 0;
  for (const end = bytes.length - 7; at < end; at += 8) {
    crc =
      t[0x700 | ((crc ^ bytes[at]) & 0xff)] ^
      t[0x600 | (((crc >>> 8) ^ bytes[at + 1]) & 0xff)] ^
      t[0x500 | (((crc >>> 16) ^ bytes[at + 2]) & 0xff)] ^
      t[0x400 | ((crc >>> 24) ^ bytes[at + 3])] ^
      t[0x300 | bytes[at + 4]] ^
      t[0x200 | bytes[at + 5]] ^
      t[0x100 | bytes[at + 6]] ^
      t[bytes[at + 7]];
  }
  for (; at < bytes.length; at++) {
    crc = (crc >>> 8) ^ t[(crc ^ bytes[at]) & 0xff];
  }
  return ~crc >>> 0;
}

// The ECMA-182 polynomial, reflected, as two halves: JavaScript has no fast 64-bit integers.
const CRC64_LOW = 0xd7870f42;
const CRC64_HIGH = 0xc96c5795;

const crc64Tables = (() => {
  const low = new Int32Array(256);
  const high = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let lo = byte;
    let hi = 0;
    for (let bit = 0; bit < 8; bit++) {
      const carry = lo & 1;
      lo = (lo >>> 1) | (hi << 31);
      hi >>>= 1;
      if (carry) {
        lo ^= CRC64_LOW;
        hi ^= CRC64_HIGH;
      }
    }
    low[byte] = lo;
    high[byte] = hi;
  }
  return { low, high };
})();

/** CRC-64 (ECMA-182) of the bytes, as two unsigned halves. */
export function crc64(bytes: Uint8Array): { low: number; high: number } {
  const { low, high } = crc64Tables;
  let lo = -1;
  let hi = -1;
  for (let at = 0; at < bytes.length; at++) {
    const index = (lo ^ bytes[at]) & 0xff;
    lo = ((lo >>> 8) | (hi << 24)) ^ low[index];
    hi = (hi >>> 8) ^ high[index];
  }
  return { low: ~lo >>> 0, high: ~hi >>> 0 };
}
