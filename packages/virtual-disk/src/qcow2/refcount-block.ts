// Refcounts in a refcount block: 2^order bits each, the first one in the lowest bits where they are narrower than a byte.
import { writeU64 } from "./layout.ts";

export function readRefcount(bytes: Buffer, entry: number, order: number): number {
  switch (order) {
    case 3:
      return bytes[entry];
    case 4:
      return bytes.readUInt16BE(entry * 2);
    case 5:
      return bytes.readUInt32BE(entry * 4);
    case 6:
      return bytes.readUInt32BE(entry * 8) * 0x100000000 + bytes.readUInt32BE(entry * 8 + 4);
  }
  const perByte = 8 >> order;
  const width = 1 << order;
  return (bytes[Math.floor(entry / perByte)] >> ((entry % perByte) * width)) & ((1 << width) - 1);
}

export function writeRefcount(bytes: Buffer, entry: number, refcount: number, order: number): void {
  switch (order) {
    case 3:
      bytes[entry] = refcount;
      return;
    case 4:
      bytes.writeUInt16BE(refcount, entry * 2);
      return;
    case 5:
      bytes.writeUInt32BE(refcount, entry * 4);
      return;
    case 6:
      writeU64(bytes, refcount, entry * 8);
      return;
  }
  const perByte = 8 >> order;
  const width = 1 << order;
  const shift = (entry % perByte) * width;
  const at = Math.floor(entry / perByte);
  bytes[at] = (bytes[at] & ~(((1 << width) - 1) << shift)) | (refcount << shift);
}
