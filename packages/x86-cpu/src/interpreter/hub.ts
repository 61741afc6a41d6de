import { type FunctionBuilder, I32, I64, type ModuleBuilder, VOID } from "@xen-node/wasm-emit";
import { ExitReason } from "../exit.ts";
import { MAX_BLOCK_INSTRUCTIONS, R_HANDLER, R_PLAIN, REGION_HANDLER } from "../records.ts";
import {
  BLOCK_COUNT_MASK,
  BLOCK_COUNTS,
  BUDGET_BEYOND,
  EXIT_REASON,
  EXIT_RECORD,
  PAGE_VA,
  REGION_ENTRIES,
  RIP,
  SAMPLE_LEFT,
  SYSTEM_FLAGS,
} from "../state.ts";
import { ENTRY_RECORD, ENTRY_WORD, firstPlace } from "./jump-cache.ts";
import type { ImportIndices } from "./shared-functions.ts";

/** Times that a block which no region begins with is interpreted from the hub before TypeScript is told. */
export const COUNTED_ENTRIES = 256;
/** Regions at a time; their table's size. */
export const REGION_SLOTS = 8192;
/** A jump cache's word for a region is its slot and, in these low bits, where in it to enter. */
export const ENTRY_BITS = 9;

/**
 * Samples find pages that the interpreter spends its time in. What it only does for a few instructions at a time, on the way
 * from one region to another, is found by how often that happens: going there and back is what takes the time.
 */
function countEntry(f: FunctionBuilder, record: number, at: number, count: number, interpretedOften: number): void {
  f.get(record).i32_const(5).i32_shr_u().i32_const(BLOCK_COUNT_MASK).i32_and().i32_const(1).i32_shl().tee(at);
  f.get(at)
    .i32_load16_u(BLOCK_COUNTS)
    .i32_const(1)
    .i32_add()
    .i32_const(COUNTED_ENTRIES - 1)
    .i32_and()
    .tee(count);
  f.i32_store16(BLOCK_COUNTS).get(count).i32_eqz().if_(VOID, false).call(interpretedOften).end();
}

/**
 * `run(budget)`: looks RIP up in the jump cache and goes on in the region there, or in the interpreter where there is
 * none; a region that leads out of itself comes back here. Every so often the interpreter is sampled for what is hot.
 */
export function emitHub(
  module: ModuleBuilder,
  imports: ImportIndices,
  interpret: number,
  lookUp: number,
  arithmeticFlags: number,
): void {
  const regionType = module.type([I32, I32], [I32]);
  const regions = module.table(REGION_SLOTS);
  module.exportTable("regions", regions);
  const hub = module.function(module.type([I32], [I32]));
  const f = hub.body;
  const count = 0;
  const rip = f.local(I64);
  const entry = f.local(I32);
  const word = f.local(I32);
  const slot = f.local(I32);
  const record = f.local(I32);
  const share = f.local(I32);
  const done = f.local(I32);
  const reason = f.local(I32);
  const left = f.local(I32);
  /** RIP is at what a region could not do: one block at least must be interpreted. */
  const plain = f.local(I32);
  /** The interpreter has come to a region's entry, of which the jump cache may not know yet. */
  const met = f.local(I32);
  /** Leaves the run with its exit, unless that can be dealt with at once. */
  const exit = () => {
    f.get(reason).i32_const(ExitReason.SYSCALL).i32_eq().if_();
    f.get(count).call(arithmeticFlags).i32_const(0).i32_load(SYSTEM_FLAGS).i32_or().call(imports.systemCall).tee(left);
    f.i32_const(0).i32_ge_s().if_().get(left).set(count).br(again).end().end();
    f.get(count).call(imports.exit).set(count);
    f.i32_const(0).i32_load(EXIT_REASON).i32_eqz().br_if(again).get(count).return_();
  };

  const again = f.loop();
  f.i32_const(0).i64_load(RIP).set(rip);
  firstPlace(f, rip);
  f.tee(entry).i64_load(0).get(rip).i64_eq().if_();
  f.get(entry).i32_load(ENTRY_WORD).set(word);
  // The usual way looks at the cache and nothing else: what the record says would have to come from memory that nobody uses.
  f.i32_const(0).get(word).get(plain).select().if_();
  f.i32_const(0).set(met);
  f.i32_const(0).i32_const(0).i32_store(EXIT_REASON);
  f.get(word).i32_const(ENTRY_BITS).i32_shr_u().tee(slot).i32_const(2).i32_shl().tee(entry);
  f.get(entry).i32_load(REGION_ENTRIES).i32_const(1).i32_add().i32_store(REGION_ENTRIES);
  f.get(word).get(count).get(slot).call_indirect(regionType, regions).set(count);
  f.i32_const(0).i32_load(EXIT_REASON).tee(reason).i32_eqz().br_if(again);
  f.get(reason).i32_const(ExitReason.INTERPRET).i32_ne().if_();
  exit();
  f.end();
  f.i32_const(1).set(plain).br(again);
  f.end();
  f.get(entry).i32_load(ENTRY_RECORD).set(record);
  f.get(word).i32_eqz().get(met).i32_and().if_();
  // Unless it was found that the region is none for this address space: then the records are there that the interpreter can execute.
  f.get(record).i32_load16_u(R_HANDLER).i32_const(REGION_HANDLER).i32_eq().if_();
  f.i32_const(0).call(imports.lookup).tee(record).i32_eqz().if_().get(count).return_().end();
  f.get(entry).i32_load(ENTRY_WORD).tee(word).i32_eqz().set(plain);
  f.get(word).br_if(again);
  f.end().end();
  f.i32_const(0).set(met);
  f.else_();
  f.i32_const(0).call(lookUp).tee(record).i32_eqz().if_().get(count).return_().end();
  // The cache now says whether there is a region.
  f.get(plain).i32_eqz().br_if(again);
  f.end();

  // Not enough budget for the region, or none.
  f.get(count).i32_const(MAX_BLOCK_INSTRUCTIONS).i32_le_s().if_();
  f.i32_const(0).i32_const(ExitReason.BUDGET).i32_store(EXIT_REASON).get(count).return_().end();
  f.get(plain).get(record).i32_load16_u(R_HANDLER).i32_const(REGION_HANDLER).i32_eq().i32_and().if_();
  f.get(record).i32_load(R_PLAIN).set(record).end();
  f.get(plain).i32_eqz().if_();
  countEntry(f, record, entry, done, imports.interpretedOften);
  f.end();
  f.i32_const(0).set(plain);
  f.i32_const(0).get(rip).i64_const(-4096).i64_and().i64_store(PAGE_VA);
  // What is left to the next sample, and the least that the interpreter starts with.
  f.i32_const(0).i32_load(SAMPLE_LEFT).i32_const(MAX_BLOCK_INSTRUCTIONS).i32_add().tee(share);
  f.get(count).get(share).get(count).i32_lt_s().select().set(share);
  f.i32_const(0).get(count).get(share).i32_sub().i32_store(BUDGET_BEYOND);
  // Code at address 0 begins at the miss record where the cache has nothing of it: no jump has led there.
  f.i32_const(0).i32_const(0).i32_store(EXIT_RECORD);
  f.get(share).get(record).get(share).call(interpret).i32_sub().set(done);
  f.get(count).get(done).i32_sub().set(count);
  f.i32_const(0).i32_const(0).i32_load(SAMPLE_LEFT).get(done).i32_sub().i32_store(SAMPLE_LEFT);
  f.i32_const(0).i32_load(EXIT_REASON).tee(reason).i32_const(ExitReason.REGION).i32_eq().tee(met).br_if(again);
  f.get(reason).i32_const(ExitReason.BUDGET).i32_ne().if_();
  exit();
  f.end();
  f.get(count).i32_const(MAX_BLOCK_INSTRUCTIONS).i32_le_s().if_().get(count).return_().end();
  f.call(imports.sample).i32_eqz().br_if(again);
  f.get(count).return_();
  f.end();
  f.unreachable();
  module.exportFunction("run", hub.index);
}
