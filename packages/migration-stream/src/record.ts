import { type ByteInput, type ByteOutput, viewOf } from "./byte-input.ts";
import { StreamError } from "./stream-error.ts";

// Records of libxc's and libxl's streams have the same frame: type, length, body, padding to eight bytes.

const HEADER_BYTES = 8;
const ALIGNMENT = 8;

export interface RawRecord {
  type: number;
  body: Uint8Array;
  /** Where it begins. */
  offset: number;
}

/** @throws StreamError if it is cut short, or longer than `limit` */
export async function readRecord(
  input: ByteInput,
  nameOf: (type: number) => string,
  limit: number,
): Promise<RawRecord> {
  const { offset } = input;
  const header = viewOf(await input.read(HEADER_BYTES, "a record"));
  const type = header.getUint32(0, true);
  const length = header.getUint32(4, true);
  const name = nameOf(type);
  if (length > limit) throw new StreamError("malformed", name, offset, `claims ${length} bytes: ${limit} are the most`);
  const body = await input.read(length, name);
  await input.read(padding(length), name);
  return { type, body, offset };
}

/** Writes a record whose body is made of some parts. */
export async function writeRecord(out: ByteOutput, type: number, ...parts: readonly Uint8Array[]): Promise<void> {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const header = new Uint8Array(HEADER_BYTES);
  viewOf(header).setUint32(0, type, true);
  viewOf(header).setUint32(4, length, true);
  await out.write(header);
  for (const part of parts) await out.write(part);
  if (padding(length) > 0) await out.write(new Uint8Array(padding(length)));
}

const padding = (length: number): number => (ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT;

/** A little-endian u64 that is a number of a page: below 2^52, so exact. */
export function readPfn(view: DataView, at: number): number {
  return view.getUint32(at, true) + (view.getUint32(at + 4, true) & 0xfffff) * 2 ** 32;
}

export function writeU64(view: DataView, at: number, value: number, top = 0): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, (Math.floor(value / 2 ** 32) | top) >>> 0, true);
}
