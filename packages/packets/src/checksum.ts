// The Internet checksum, RFC 1071. Sums here are in network byte order, as 16-bit words, before the complement.

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Folds a sum of 16-bit words to 16 bits, with end-around carry. Exact for sums below 2^53. */
export function foldSum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000);
  return folded;
}

const swap = (word: number): number => ((word & 0xff) << 8) | (word >>> 8);

/**
 * Sum over `length` bytes from `offset`, folded to 16 bits, added to `initial`. An odd last byte counts as the high half
 * of a word. The start is taken as the start of a word, whatever its address.
 */
export function sumBytes(bytes: Uint8Array, offset: number, length: number, initial = 0): number {
  let at = offset;
  const end = offset + length;
  let sum = 0;
  // Words of the host's order add up to the swapped sum (RFC 1071, 2(B)), so whole machine words can be added.
  if (length >= 64 && littleEndian && ((bytes.byteOffset + at) & 1) === 0) {
    let swapped = 0;
    if (((bytes.byteOffset + at) & 2) !== 0) {
      swapped = bytes[at] | (bytes[at + 1] << 8);
      at += 2;
    }
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, (end - at) >>> 2);
    // Up to 2^16 words of 32 bits stay well below 2^53.
    for (let i = 0; i < words.length; i++) swapped += words[i];
    at += words.length * 4;
    sum = swap(foldSum(swapped));
  }
  for (; at + 1 < end; at += 2) sum += (bytes[at] << 8) | bytes[at + 1];
  if (at < end) sum += bytes[at] << 8;
  return foldSum(sum + initial);
}

/** The checksum field's value for a sum: its complement. */
export const checksumOf = (sum: number): number => ~foldSum(sum) & 0xffff;

/** Sum of the IPv4 pseudo-header (RFC 793): `ip` is where the IPv4 header begins. */
export function pseudoHeaderSum4(bytes: Uint8Array, ip: number, protocol: number, length: number): number {
  return sumBytes(bytes, ip + 12, 8, protocol + length);
}

/** Sum of the IPv6 pseudo-header (RFC 8200, 8.1): `ip` is where the IPv6 header begins; `length` below 65536. */
export function pseudoHeaderSum6(bytes: Uint8Array, ip: number, protocol: number, length: number): number {
  return sumBytes(bytes, ip + 8, 32, protocol + length);
}
