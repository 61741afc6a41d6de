import type { VectorCase } from "./case-format.ts";
import { CODE, regionOf } from "./memory-map.ts";
import type { Random } from "./random.ts";
import { directed, toBytes } from "./values.ts";

/** Puts an operand with a directed value where the instruction will find it. */
export function patchMemory({ c, random }: { c: VectorCase; random: Random }, address: bigint, size: number): void {
  if (size <= 0 || address > 0x7fffffffffffn) return;
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 8) {
    const length = Math.min(8, size - at);
    bytes.set(toBytes(directed(random, length), length), at);
  }
  addPatch(c, Number(address), bytes);
}

/** Adds a patch in parts that lie in one region each; bytes outside of all writable regions are dropped. */
export function addPatch(c: VectorCase, address: number, bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; ) {
    const region = regionOf(address + i);
    if (region === undefined || !region.writable) {
      i++;
      continue;
    }
    const end = Math.min(bytes.length, region.address + region.pages * 4096 - address, i + 64);
    // The code's own bytes stay.
    const at = address + i;
    const clash = at < CODE + c.entry + Math.max(16, c.code.length) && at + end - i > CODE + c.entry - 48;
    if (!clash) c.patches.push({ address: at, bytes: bytes.subarray(i, end) });
    i = end;
  }
}
