/** Lower-case hex of bytes. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** Bytes of a hex string; undefined if it is none. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return undefined;
  return Buffer.from(text, "hex");
}

/** A hex number as gdb writes lengths and ids; undefined if it is none or too large to be exact. */
export function hexNumber(text: string): number | undefined {
  if (!/^[0-9a-f]{1,13}$/i.test(text)) return undefined;
  return Number.parseInt(text, 16);
}

/** A 64-bit address as a signed canonical number; undefined if it is no hex number or not canonical. */
export function hexAddress(text: string): number | undefined {
  if (!/^[0-9a-f]{1,16}$/i.test(text)) return undefined;
  const va = Number(BigInt.asIntN(64, BigInt(`0x${text}`)));
  return va >= -(2 ** 47) && va < 2 ** 47 ? va : undefined;
}
