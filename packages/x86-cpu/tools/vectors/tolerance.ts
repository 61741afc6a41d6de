/** Whether two 80-bit values differ in the last places alone. */
export function closeExtended(a: Uint8Array, b: Uint8Array): boolean {
  const position = (bytes: Uint8Array) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, 10);
    return (BigInt(view.getUint16(8, true) & 0x7fff) << 63n) + (view.getBigUint64(0, true) & ((1n << 63n) - 1n));
  };
  const distance = position(a) - position(b);
  return (a[9] & 0x80) === (b[9] & 0x80) && distance <= 2n && distance >= -2n;
}

/** Whether all lanes of single precision agree as far as two approximations to 1.5 x 2^-12 must. */
export function closeFloats(a: Uint8Array, b: Uint8Array): boolean {
  const [x, y] = [a, b].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, 16));
  for (let lane = 0; lane < 16; lane += 4) {
    if (x.getUint32(lane, true) === y.getUint32(lane, true)) continue;
    const [p, q] = [x.getFloat32(lane, true), y.getFloat32(lane, true)];
    if (!(Math.abs(p - q) <= Math.abs(q) * 3 * 2 ** -12)) return false;
  }
  return true;
}

export function tagOf(value: Uint8Array, present: number): number {
  if (present === 0) return 3;
  const view = new DataView(value.buffer, value.byteOffset, 10);
  const exponent = view.getUint16(8, true) & 0x7fff;
  const significand = view.getBigUint64(0, true);
  if (exponent === 0 && significand === 0n) return 1;
  return exponent !== 0 && exponent !== 0x7fff && significand >> 63n === 1n ? 0 : 2;
}
