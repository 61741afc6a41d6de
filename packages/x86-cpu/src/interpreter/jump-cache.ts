import { type FunctionBuilder, I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import { MISS_RECORD, RIP, TLB_BANK } from "../state.ts";
import { type ImportIndices, JUMP_CACHE } from "./shared-functions.ts";

/** Entries whose numbers differ in the low two bits serve each other as further places. */
export const JUMP_CACHE_PLACES = 4;
const ENTRY_BYTES = 16;
/** A bank's entries, less 1: see @xen-node/mmu. A kernel at work jumps to some thousands of places. */
export const JUMP_CACHE_MASK = 0x3fff;

/** Pushes the offset from a bank of the first place for an address, which is in a local. */
export function firstPlace(f: FunctionBuilder, address: number): void {
  f.get(address).get(address).i64_const(10).i64_shr_u().i64_xor().i32_wrap_i64();
  f.i32_const(JUMP_CACHE_MASK).i32_and().i32_const(4).i32_shl();
}

/** Pushes the record that the first place for an address has, or the miss record; `entry` is a local to work with. */
export function probeJumpCache(f: FunctionBuilder, target: number, bank: number, entry: number): void {
  firstPlace(f, target);
  f.get(bank)
    .i32_add()
    .tee(entry)
    .i32_load(JUMP_CACHE + 8)
    .i32_const(MISS_RECORD);
  f.get(entry).i64_load(JUMP_CACHE).get(target).i64_eq().select();
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
  f.i32_const(0).i32_load(TLB_BANK).i32_add().set(first);
  const found = f.block();
  // Empty entries look like ones for address 0, where some guests begin.
  const elsewhere = f.block();
  f.get(rip).i64_eqz().br_if(elsewhere);
  for (let place = 1; place < JUMP_CACHE_PLACES; place++) {
    f.get(first)
      .i32_const(place * ENTRY_BYTES)
      .i32_xor()
      .tee(other);
    f.i64_load(JUMP_CACHE).get(rip).i64_eq().br_if(found);
  }
  f.end();
  f.get(0).call(imports.lookup).return_().end();
  for (const half of [JUMP_CACHE, JUMP_CACHE + 8]) {
    f.get(first).i64_load(half).set(before);
    f.get(first).get(other).i64_load(half).i64_store(half);
    f.get(other).get(before).i64_store(half);
  }
  f.get(first).i32_load(JUMP_CACHE + 8);
  return index;
}
