import { type FunctionBuilder, I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import { JUMP_CACHE, MISS_RECORD, RIP } from "../state.ts";
import type { ImportIndices } from "./shared-functions.ts";

/** Entries whose numbers differ in the low three bits serve each other as further places. */
export const JUMP_CACHE_PLACES = 8;
const ENTRY_BYTES = 16;
/** Offsets in an entry, whose first 8 bytes are the address. */
export const ENTRY_RECORD = 8;
export const ENTRY_WORD = 12;
/** Entries of a cache, less 1: see @xen-node/mmu. A kernel at work jumps to some thousands of places. */
export const JUMP_CACHE_MASK = 0x7fff;

/** Pushes the host address of the first place for an address, which is in a local. */
export function firstPlace(f: FunctionBuilder, address: number): void {
  f.get(address).get(address).i64_const(10).i64_shr_u().i64_xor().i32_wrap_i64();
  f.i32_const(JUMP_CACHE_MASK).i32_and().i32_const(4).i32_shl();
  f.i32_const(0).i32_load(JUMP_CACHE).i32_add();
}

/** Pushes the record that the first place for an address has, or the miss record; `entry` is a local to work with. */
export function probeJumpCache(f: FunctionBuilder, target: number, entry: number): void {
  firstPlace(f, target);
  f.tee(entry).i32_load(ENTRY_RECORD).i32_const(MISS_RECORD);
  f.get(entry).i64_load(0).get(target).i64_eq().select();
}

/**
 * (jump record or 0) → the record at RIP, which its first place in the jump cache does not have, or 0 after a fault. It is
 * in its first place afterwards: blocks that share one would otherwise be looked up in TypeScript turn by turn.
 */
export function emitLookup(module: ModuleBuilder, imports: ImportIndices): number {
  const { index, body: f } = module.function(module.type([I32], [I32]));
  const rip = f.local(I64);
  const first = f.local(I32);
  const other = f.local(I32);
  const before = f.local(I64);
  f.i32_const(0).i64_load(RIP).set(rip);
  firstPlace(f, rip);
  f.set(first);
  const found = f.block();
  // Empty entries look like ones for address 0, where some guests begin.
  const elsewhere = f.block();
  f.get(rip).i64_eqz().br_if(elsewhere);
  for (let place = 1; place < JUMP_CACHE_PLACES; place++) {
    f.get(first)
      .i32_const(place * ENTRY_BYTES)
      .i32_xor()
      .tee(other);
    f.i64_load(0).get(rip).i64_eq().br_if(found);
  }
  f.end();
  f.get(0).call(imports.lookup).return_().end();
  for (const half of [0, ENTRY_RECORD]) {
    f.get(first).i64_load(half).set(before);
    f.get(first).get(other).i64_load(half).i64_store(half);
    f.get(other).get(before).i64_store(half);
  }
  f.get(first).i32_load(ENTRY_RECORD);
  return index;
}
