import { setFlagsFromString } from "node:v8";
import type { EngineCode, RegionFunction } from "@xen-node/x86-cpu";

/** V8's own functions for this, meant for its tests: the module keeps to what they do in the Nodes that are supported. */
interface Natives {
  isOptimized(run: RegionFunction): boolean;
  save(module: WebAssembly.Module): ArrayBuffer;
  restore(native: ArrayBuffer, wasm: Uint8Array): WebAssembly.Module | undefined;
}

/**
 * Machine code that V8's optimizing compiler has made of WebAssembly modules, to be kept from process to process; undefined
 * where V8 does not give it away. V8 refuses code of other versions, flags and processors, but takes it at its word otherwise.
 */
export function nativeCode(): EngineCode | undefined {
  const natives = findNatives();
  if (natives === undefined) return undefined;
  return {
    save(module, run) {
      // A module without any optimized function would end the process.
      return natives.isOptimized(run) ? new Uint8Array(natives.save(module)) : undefined;
    },
    restore(native, wasm) {
      return natives.restore(ownBuffer(native), wasm);
    },
  };
}

function findNatives(): Natives | undefined {
  // It stays on: V8 forgets the bytecode of functions that were long not called, and reads them again.
  setFlagsFromString("--allow-natives-syntax");
  try {
    const make = (parameters: string, body: string): unknown => new Function(parameters, body);
    return {
      isOptimized: make("run", "return %IsTurboFanFunction(run)") as Natives["isOptimized"],
      save: make("module", "return %SerializeWasmModule(module)") as Natives["save"],
      restore: make("native, wasm", "return %DeserializeWasmModule(native, wasm)") as Natives["restore"],
    };
  } catch {
    // A Node that forbids code from strings, or a V8 without these functions.
    setFlagsFromString("--no-allow-natives-syntax");
    return undefined;
  }
}

function ownBuffer(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = bytes;
  return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
}
