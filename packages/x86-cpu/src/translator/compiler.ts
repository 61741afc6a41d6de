import type { Mmu } from "@xen-node/mmu";
import { ByteWriter, I32, ModuleBuilder } from "@xen-node/wasm-emit";
import { CodeMode } from "../code-mode.ts";
import type { CompiledInterpreter, InterpreterExports } from "../interpreter/compiled.ts";
import type { CodeReader } from "./code-reader.ts";
import type { FlowGraph, Place } from "./flow-graph.ts";
import type { InstructionSet } from "./instruction-set.ts";
import type { RegionSource } from "./listing.ts";
import type { RegionData } from "./region-data.ts";
import { RegionEmitter } from "./region-emitter.ts";
import {
  DATA_ALIGNMENT,
  type EngineCode,
  FIRST_DATA,
  instantiate,
  type RegionFunction,
  type RegionImage,
  RegionMemory,
} from "./region-image.ts";
import { RegionCode } from "./state-locals.ts";

const PAGE = 4096;
const WASM_PAGE = 0x10000;

/** Bytes of a page that a region was made from. */
interface CodeRange {
  readonly page: number;
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

/** A region's function, good wherever the same bytes lie in the same order of pages. */
export interface Translation {
  readonly image: RegionImage;
  /** Not there before `RegionCompiler.functionOf` has made it. */
  run: RegionFunction | undefined;
  readonly start: Place;
  readonly mode: number;
  readonly entries: readonly Place[];
  readonly ranges: readonly CodeRange[];
  readonly pages: readonly number[];
  readonly threshold: number;
  readonly instructions: number;
}

/** Makes functions of flow graphs. */
export class RegionCompiler {
  /** Told of every region that is made; costs nothing while it is not set. */
  onCompiled: ((source: RegionSource) => void) | undefined;
  /** Time spent in the engine's synchronous part, ms. */
  engineMs = 0;
  private readonly memory: RegionMemory;
  /** What regions import, by number. */
  private readonly helpers: WebAssembly.ModuleImports;

  constructor(
    private readonly mmu: Mmu,
    private readonly interpreter: CompiledInterpreter,
    exports: InterpreterExports,
    private readonly instructions: InstructionSet,
    /** Regions go on within themselves by calls, returns and indirect jumps. */
    private readonly linked: boolean,
    private readonly engine: EngineCode | undefined,
  ) {
    this.memory = new RegionMemory(mmu.memory);
    const { signatures } = interpreter.helpers;
    this.helpers = Object.fromEntries(signatures.map((_, number) => [number, exports.helpers.get(number)]));
  }

  /** There is no room for another region's data: all translations must be given up. */
  get isFull(): boolean {
    return this.memory.isFull;
  }

  /** No translation is in use any more. */
  reset(): void {
    this.memory.clear();
  }

  /** The function of a translation, over this machine's memory. */
  functionOf(translation: Translation): RegionFunction {
    if (translation.run === undefined) {
      const began = performance.now();
      translation.run = instantiate(translation.image, this.memory, this.helpers, this.engine);
      this.engineMs += performance.now() - began;
    }
    return translation.run;
  }

  compile(graph: FlowGraph, start: Place, mode: number, reader: CodeReader): Translation {
    const { helpers } = this.interpreter;
    const module = new ModuleBuilder();
    // Its exact size: code over a memory that might grow looks up where it lies after every call, a fifth of all time.
    const pages = this.mmu.memory.byteLength / WASM_PAGE;
    module.importMemory("cpu", "memory", pages, pages);
    module.importGlobal("cpu", "data", I32);
    // Each by itself: a call through the table takes 80 bytes and two checks wherever it stands.
    const functions = new Map<number, number>();
    const functionOf = (helper: number): number => {
      let index = functions.get(helper);
      if (index === undefined) {
        const { parameters, results } = helpers.signatures[helper];
        index = module.importFunction("helpers", String(helper), module.type(parameters, results));
        functions.set(helper, index);
      }
      return index;
    };
    const kept = new ByteWriter(1024);
    const keep = (bytes: Uint8Array): number => {
      const at = kept.length;
      kept.append(bytes);
      while (kept.length % DATA_ALIGNMENT !== 0) kept.byte(0);
      return FIRST_DATA + at;
    };
    const data: RegionData = {
      keepRecord: ({ bytes }) => keep(bytes),
      keepTable: (numbers) => keep(new Uint8Array(numbers.buffer)),
    };
    let emitter = new RegionEmitter(graph, helpers, functionOf, this.instructions, data, this.linked);
    let whole = emitter.emit(functionOf, helpers);
    while (!(whole instanceof RegionCode)) {
      kept.length = 0;
      emitter = new RegionEmitter(graph, helpers, functionOf, this.instructions, data, this.linked, whole);
      whole = emitter.emit(functionOf, helpers);
    }
    const { index } = module.functionFrom(module.type([I32, I32], [I32]), whole);
    module.exportFunction("run", index);
    const image: RegionImage = { wasm: module.toUint8Array(), data: kept.toUint8Array() };
    this.onCompiled?.({
      anchor: reader.anchor,
      long: (mode & CodeMode.LONG) !== 0,
      entries: graph.entries,
      instructionCount: graph.instructionCount,
      threshold: emitter.threshold,
      body: emitter.f.bytes.slice(0, emitter.f.length),
      marks: emitter.marks,
      code: (place) => reader.bytesAt(place),
    });
    const ranges = this.rangesOf(graph, reader);
    return {
      image,
      run: undefined,
      start,
      mode,
      entries: graph.entries,
      ranges,
      pages: [...new Set(ranges.map(({ page }) => page))],
      threshold: emitter.threshold,
      instructions: graph.instructionCount,
    };
  }

  /** The bytes of the region's instructions, in runs within pages. */
  private rangesOf(graph: FlowGraph, reader: CodeReader): CodeRange[] {
    const runs: { start: Place; end: Place }[] = [];
    for (const { instructions } of graph.blocks.values()) {
      for (const { place, length } of instructions) {
        const last = runs.at(-1);
        if (last && last.end === place) last.end = place + length;
        else runs.push({ start: place, end: place + length });
      }
    }
    const { u8 } = this.mmu.memory;
    const ranges: CodeRange[] = [];
    for (const { start, end } of runs) {
      for (let at = start; at < end; ) {
        const page = Math.floor(at / PAGE);
        const to = Math.min(end, (page + 1) * PAGE);
        const from = at - page * PAGE;
        const host = this.mmu.frames.readAddress(reader.frameOf(page)) + from;
        ranges.push({ page, start: from, end: to - page * PAGE, bytes: u8.slice(host, host + to - at) });
        at = to;
      }
    }
    return ranges;
  }
}
