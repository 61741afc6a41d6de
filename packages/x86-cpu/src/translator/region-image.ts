import { CPU_STATE_BYTES, type MachineMemory } from "@xen-node/mmu";

/** Room for what translated code reads besides the guest's memory: records of called handlers, tables of entries. */
const DATA_BYTES = 8 << 20;
/** More than any one region takes. */
const MOST_DATA_OF_REGION = 256 << 10;
/** Records begin at multiples of this. */
export const DATA_ALIGNMENT = 32;
/** Where offsets of data begin: loads at smaller ones are of the state block, and become locals. */
export const FIRST_DATA = CPU_STATE_BYTES;

export type RegionFunction = (word: number, budget: number) => number;

/** A region's code and data, good in any machine with the same interpreter and as much memory. */
export interface RegionImage {
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly data: Uint8Array;
  /** The module, once it is compiled. */
  module?: WebAssembly.Module;
  /** What the engine has made of it before, as EngineCode gave it. */
  native?: Uint8Array<ArrayBuffer>;
}

/** Engines that give away what they have compiled, and take it back: no part of WebAssembly. */
export interface EngineCode {
  /** The code that optimizing compilers have made of a region's module so far; undefined if there is none. */
  save(module: WebAssembly.Module, run: RegionFunction): Uint8Array<ArrayBuffer> | undefined;
  /** A module with code that was saved; undefined if it is of another engine. */
  restore(native: Uint8Array<ArrayBuffer>, wasm: Uint8Array<ArrayBuffer>): WebAssembly.Module | undefined;
}

/** Where the data of regions lies in machine memory. */
export class RegionMemory {
  private readonly start: number;
  private cursor: number;

  constructor(readonly machine: MachineMemory) {
    this.start = this.cursor = machine.reserve(DATA_BYTES, DATA_ALIGNMENT, "data of translated code");
  }

  get isFull(): boolean {
    return this.cursor + MOST_DATA_OF_REGION > this.start + DATA_BYTES;
  }

  clear(): void {
    this.cursor = this.start;
  }

  /** Copies a region's data; answers its host address. */
  place(data: Uint8Array): number {
    const at = this.cursor;
    if (at + data.length > this.start + DATA_BYTES) throw new Error("a region's data does not end");
    this.machine.u8.set(data, at);
    this.cursor = (at + data.length + DATA_ALIGNMENT - 1) & -DATA_ALIGNMENT;
    return at;
  }
}

/** A region's function over a machine's memory. */
export function instantiate(
  image: RegionImage,
  memory: RegionMemory,
  helpers: WebAssembly.ModuleImports,
  engine: EngineCode | undefined,
): RegionFunction {
  image.module ??= (image.native && engine?.restore(image.native, image.wasm)) ?? new WebAssembly.Module(image.wasm);
  const instance = new WebAssembly.Instance(image.module, {
    cpu: { memory: memory.machine.memory, data: memory.place(image.data) - FIRST_DATA },
    helpers,
  });
  return instance.exports.run as RegionFunction;
}
