import type { Mmu } from "@xen-node/mmu";
import type { Block } from "../block.ts";
import type { CodeCache } from "../code-cache.ts";
import type { CompiledInterpreter, InterpreterExports } from "../interpreter/compiled.ts";
import { COUNTED_ENTRIES, REGION_SLOTS } from "../interpreter/hub.ts";
import { REGION_ENTRIES } from "../state.ts";
import { BoundRegions } from "./bound-regions.ts";
import { CodeReader } from "./code-reader.ts";
import { RegionCompiler, type Translation } from "./compiler.ts";
import { discover } from "./flow-graph.ts";
import { InstructionSet } from "./instruction-set.ts";
import { type KnownEntry, KnownTranslations } from "./known-translations.ts";
import type { RegionSource } from "./listing.ts";
import { RecordedCode } from "./recorded-code.ts";
import { Recording } from "./recording.ts";
import type { EngineCode } from "./region-image.ts";

const PAGE = 4096;
const DEFAULT_HEAT = 160;
/** Beside kept translations, which hold most of what is hot: the rest will not cost this again. */
const HEAT_BESIDE_KEPT = 40;
/** Samples of a page before a look at whether its code is known from elsewhere: that costs little. */
const TAKE_HEAT = 2;
/** Of a recorded way at most: to translate one takes some 10 ms. */
const REGIONS_OF_WAY = 4;
/**
 * Times that the hub has a block interpreted before it is translated: going there takes some 0.1 us more than entering a region,
 * a small region 1 ms. Beside kept translations see HEAT_BESIDE_KEPT.
 */
const DEFAULT_OFTEN = 8192;
const OFTEN_BESIDE_KEPT = 2048;
/** Of a region that only leads from others to others, at most. */
const INSTRUCTIONS_BETWEEN = 80;
const DEFAULT_REGIONS = 4000;
const DEFAULT_WASM_BYTES = 96 << 20;
/**
 * Translations that are known, for each region there can be: an engine maps the code of each by itself, and a process has some
 * 65,000 mappings. However small a guest's are, they must not be all of those.
 */
const TRANSLATIONS_PER_REGION = 4;

export interface TranslatorOptions {
  /** Samples of a page before what is hot in it is translated. */
  heat?: number;
  /** Times that a block is interpreted on the way between regions before it is translated. */
  often?: number;
  /** Every block is translated when it is first executed: for tests. */
  eager?: boolean;
  /** Instructions of the interpreter's between two samples. */
  interval?: number;
  /** Regions at a time, at most 8,191; the oldest are given up for new ones. Default 4,000: an engine maps each by itself. */
  maxRegions?: number;
  /** Bytes of WebAssembly of all translations that are kept, in use or for the next domain. Default 96 MiB. */
  maxWasmBytes?: number;
  /** Regions go on in themselves by calls and returns, without the hub. Default true. */
  linked?: boolean;
  /**
   * What `Regions.keep` of another machine gave, with the same build of this package, size of memory and setting of `linked`: such
   * code need not be found hot and translated again. Whoever wrote it is trusted: code in it runs as it is.
   */
  kept?: Uint8Array;
  /** Keeps what the engine has made of translations, too. */
  engine?: EngineCode;
}

/** What the translator has done, for reports. */
export interface TranslatorCounters {
  /** Regions compiled, and regions taken from what was compiled before. */
  compiled: number;
  shared: number;
  /** Regions given up because their code changed, and for lack of room. */
  invalidated: number;
  evicted: number;
  /** Of all that was compiled. */
  instructions: number;
  /** WebAssembly of the translations that are kept now, bytes. */
  wasmBytes: number;
  regions: number;
  /** Times that the hub entered a region. */
  entries: number;
  /** Samples of the interpreter, each of `interval` instructions. */
  samples: number;
  /** Time of our part of compiling and of the engine's synchronous part, ms. */
  emitMs: number;
  engineMs: number;
}

/** Finds hot code, and translates it or takes what is known of such code. */
export class Regions {
  private readonly reader: CodeReader;
  private readonly compiler: RegionCompiler;
  private readonly recorded: RecordedCode;
  private readonly bound: BoundRegions;
  private readonly known: KnownTranslations;
  private readonly heat: number;
  private readonly often: number;
  readonly eager: boolean;
  /** While it is there, blocks are to be executed one by one and noted in it. */
  recording: Recording | undefined;
  private readonly engine: EngineCode | undefined;
  private compiled = 0;
  private shared = 0;
  private instructionCount = 0;
  private samples = 0;
  private emitMs = 0;

  constructor(
    private readonly mmu: Mmu,
    private readonly code: CodeCache,
    interpreter: CompiledInterpreter,
    exports: InterpreterExports,
    options: TranslatorOptions = {},
  ) {
    const instructions = new InstructionSet(interpreter);
    this.reader = new CodeReader(mmu, code, instructions, interpreter.handlers);
    this.compiler = new RegionCompiler(mmu, interpreter, exports, instructions, options.linked ?? true, options.engine);
    this.recorded = new RecordedCode(mmu, code);
    this.heat = options.heat ?? (options.kept === undefined ? DEFAULT_HEAT : HEAT_BESIDE_KEPT);
    this.often = options.often ?? (options.kept === undefined ? DEFAULT_OFTEN : OFTEN_BESIDE_KEPT);
    const maxRegions = Math.min(options.maxRegions ?? DEFAULT_REGIONS, REGION_SLOTS - 1);
    this.bound = new BoundRegions(mmu, code, this.reader, this.compiler, exports.regions, maxRegions);
    this.known = new KnownTranslations(
      mmu,
      options.maxWasmBytes ?? DEFAULT_WASM_BYTES,
      TRANSLATIONS_PER_REGION * maxRegions,
      (translation) => this.bound.isBound(translation),
    );
    this.eager = options.eager ?? false;
    this.engine = options.engine;
    if (options.kept !== undefined) this.known.read(options.kept);
  }

  get counters(): TranslatorCounters {
    const { compiled, shared, samples } = this;
    const { invalidated, evicted } = this.bound;
    const { engineMs } = this.compiler;
    return {
      compiled,
      shared,
      invalidated,
      evicted,
      instructions: this.instructionCount,
      wasmBytes: this.known.wasmBytes,
      regions: this.bound.count,
      entries: this.mmu.memory.u32
        .subarray(REGION_ENTRIES >> 2, (REGION_ENTRIES >> 2) + REGION_SLOTS)
        .reduce((sum, count) => sum + count, 0),
      samples,
      emitMs: this.emitMs,
      engineMs,
    };
  }

  /** Calls a listener with every region that is compiled from now on. */
  set onCompiled(listener: ((source: RegionSource) => void) | undefined) {
    this.compiler.onCompiled = listener;
  }

  /** The interpreter was met at a block; a recording of what it does next is wanted if there is one after this. */
  sample(block: Block, mfn: number, va: number, l4Mfn: number, mode: number): void {
    this.samples++;
    if (block.regionWord !== 0) return;
    const heat = this.code.heatOf(mfn);
    if (heat >= Math.min(TAKE_HEAT, this.heat) && this.take(va, l4Mfn, mode)) return;
    if (heat < this.heat) return;
    this.code.coolDown(mfn, 0);
    this.recording = new Recording(l4Mfn, mode, va);
  }

  /**
   * A block that no region begins with has been interpreted COUNTED_ENTRIES times more, most likely for a few instructions on
   * the way from a region to the next: these get a small region of their own once that pays.
   */
  interpretedOften(block: Block, va: number, l4Mfn: number, mode: number): void {
    block.interpreted += COUNTED_ENTRIES;
    if (block.interpreted < this.often) return;
    block.interpreted = 0;
    this.translate(va, l4Mfn, mode, "between regions");
  }

  /** Translates what was recorded, or takes what was translated before of the same code. */
  finishRecording(recording: Recording): void {
    this.recording = undefined;
    if (this.takeRecorded(recording)) return;
    const { l4Mfn, mode } = recording;
    if (!recording.isWay) {
      const start = this.recorded.hottestOf(recording);
      if (start !== undefined) this.translate(start, l4Mfn, mode, recording);
      return;
    }
    for (let i = 0; i < REGIONS_OF_WAY; i++) {
      const start = this.recorded.longestStretchOf(recording);
      if (start === undefined) return;
      this.translate(start, l4Mfn, mode, recording);
    }
  }

  /** Takes all that there is of recorded code without a region; false if that is nothing. */
  private takeRecorded(recording: Recording): boolean {
    let taken = false;
    for (const [va, count] of recording.counts) {
      if (count < recording.leastCount || this.recorded.blockAt(va, recording)?.regionWord !== 0) continue;
      if (this.take(va, recording.l4Mfn, recording.mode)) taken = true;
    }
    return taken;
  }

  /**
   * Jump-cache word for a block's region, or 0 where it is not to be entered by this address space.
   * @param bank the address space's soft-TLB bank
   * @param entry word index of the jump-cache entry that will hold it
   */
  wordFor(block: Block, va: number, l4Mfn: number, bank: number, entry: number): number {
    return this.bound.wordFor(block, va, l4Mfn, bank, entry);
  }

  /**
   * What is known of a block that was looked up is used at once: it need not be hot again. What fits no block of many address
   * spaces is looked for less and less often.
   */
  meet(block: Block, va: number, l4Mfn: number, mode: number): void {
    if (block.regionWord !== 0 || !this.known.hasAtOffset(va, mode)) return;
    block.met++;
    if ((block.met & (block.met - 1)) === 0) this.take(va, l4Mfn, mode);
  }

  /**
   * All that is known, for another machine: see TranslatorOptions.kept.
   * @param maxBytes what does not fit is left out
   */
  keep(maxBytes: number): Uint8Array {
    return this.known.write(maxBytes, this.engine);
  }

  /** Binds a translation that can be entered at an address, if there is one of the code there; true if that is done, or will be. */
  private take(va: number, l4Mfn: number, mode: number): boolean {
    for (const entry of this.known.beginningAt(va, l4Mfn, mode)) {
      const taken = this.takeEntry(entry, va, l4Mfn, mode);
      if (taken !== undefined) return taken;
    }
    return false;
  }

  /** As `take`, one of those that there are; undefined if it is not for the code there. */
  private takeEntry({ translation, place }: KnownEntry, va: number, l4Mfn: number, mode: number): boolean | undefined {
    this.reader.begin(l4Mfn, va - place, mode);
    // Bound again and again would be what cannot be entered at the address.
    if (!this.known.matches(translation, this.reader) || this.bound.entryBlock(translation, place) === undefined)
      return undefined;
    if (this.sharePages(translation)) {
      this.reader.begin(l4Mfn, va - place, mode);
      // It is met again at its new place, once it is decoded there.
      if (this.bound.entryBlock(translation, place) === undefined) return true;
    }
    if (translation.run === undefined && this.compiler.isFull) {
      this.giveUpAll();
      return false;
    }
    if (this.bound.enterBound(translation, place)) return true;
    this.shared++;
    this.bound.bind(translation, va, false);
    return true;
  }

  /** Lets what lies around the reader's anchor share the places of others with the same bytes; whether something moved. */
  private sharePages({ pages }: Translation): boolean {
    let moved = false;
    for (const page of pages) moved = this.code.shareAgain(this.reader.frameOf(page)) || moved;
    return moved;
  }

  /** Translates the code at an address, or takes the translation that there is of such bytes. */
  translate(va: number, l4Mfn: number, mode: number, seen?: Recording | "between regions"): void {
    if (this.take(va, l4Mfn, mode)) return;
    const start = va & (PAGE - 1);
    const isBetween = seen === "between regions";
    this.reader.begin(l4Mfn, va - start, mode, isBetween ? undefined : seen, isBetween);
    const began = performance.now();
    if (this.compiler.isFull) this.giveUpAll();
    const graph = discover(this.reader, start, isBetween ? INSTRUCTIONS_BETWEEN : undefined);
    if (graph === undefined) return;
    const translation = this.compiler.compile(graph, start, mode, this.reader);
    this.emitMs += performance.now() - began;
    this.compiled++;
    this.instructionCount += translation.instructions;
    this.known.add(translation);
    if (!this.sharePages(translation)) this.bound.bind(translation, va, !isBetween);
    while (this.known.areTooMany) if (!this.known.forgetUnused()) this.bound.evict();
  }

  private giveUpAll(): void {
    this.bound.evictAll();
    this.known.clear();
    this.compiler.reset();
  }
}
