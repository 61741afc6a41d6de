import { ModuleBuilder } from "@xen-node/wasm-emit";
import { declareImports, emitSharedFunctions } from "../src/interpreter/shared-functions.ts";
import type { SharedFunctions } from "../src/semantics/context.ts";
import { CALL_EA, TLB_BANK } from "../src/state.ts";

/** The exported functions of a test module: i64 as bigint, several results as an array. */
export type Exports = Record<string, (...args: (number | bigint)[]) => number | bigint | (number | bigint)[]>;

const PAGES = 8;
const BANK = 0x20000;
/** Nothing below is memory of the program's: the soft TLB lies there. */
export const PROGRAM_MEMORY = 0x70000;

/** A module with the functions that floating point shares with the rest of the processor. */
export function createTestModule(): { module: ModuleBuilder; functions: SharedFunctions } {
  const module = new ModuleBuilder();
  module.importMemory("cpu", "memory", PAGES, PAGES);
  return { module, functions: emitSharedFunctions(module, declareImports(module)) };
}

/**
 * Instantiates it over memory in which addresses are their own host addresses: every access misses the empty TLB, and
 * faults if `faults` says so of its last byte.
 */
export function instantiate(
  module: ModuleBuilder,
  faults: (address: number) => boolean = () => false,
): { exports: Exports; memory: WebAssembly.Memory } {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  const view = new DataView(memory.buffer);
  view.setUint32(TLB_BANK, BANK, true);
  const miss = (size: number) => {
    const address = view.getUint32(CALL_EA, true);
    return faults(address + size - 1) ? 0 : address;
  };
  const refuse = () => {
    throw new Error("not expected in this test");
  };
  const cpu = {
    memory,
    missRead: miss,
    missWrite: miss,
    misaligned: refuse,
    commitSplit: refuse,
    system: refuse,
    lookup: refuse,
    missWriteRegion: refuse,
    sample: refuse,
    interpretedOften: refuse,
    timeStamp: refuse,
    systemCall: refuse,
    exit: refuse,
  };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.toUint8Array()), { cpu });
  return { exports: instance.exports as Exports, memory };
}
