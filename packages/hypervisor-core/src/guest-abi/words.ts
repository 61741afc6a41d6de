import { u64Number, vaOf } from "../address.ts";
import { putU64 } from "../runstate.ts";

/** How a guest's structures hold its machine words: numbers, frame numbers and pointers. Offsets are in bytes, whole words. */
export interface WordFormat {
  readonly bytes: 4 | 8;
  /** An unsigned number; exact below 2^53. */
  read(u32: Uint32Array, offset: number): number;
  /** A pointer; NaN if it is not canonical. */
  readVa(u32: Uint32Array, offset: number): number;
  /** A number or pointer, negative ones sign-extended; what a 32-bit guest cannot hold is cut. */
  write(view: DataView, offset: number, value: number): void;
}

export const words64: WordFormat = {
  bytes: 8,
  read: (u32, offset) => u64Number(u32[offset >>> 2], u32[(offset >>> 2) + 1]),
  readVa: (u32, offset) => vaOf(u32[offset >>> 2], u32[(offset >>> 2) + 1]),
  write: putU64,
};

export const words32: WordFormat = {
  bytes: 4,
  read: (u32, offset) => u32[offset >>> 2],
  readVa: (u32, offset) => u32[offset >>> 2],
  write: (view, offset, value) => view.setUint32(offset, value, true),
};
