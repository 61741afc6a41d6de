import type { Mmu } from "@xen-node/mmu";
import type { Block } from "../block.ts";
import type { CodeCache } from "../code-cache.ts";
import type { CodeUse } from "../code-page.ts";
import type { CompiledInterpreter, InterpreterExports } from "../interpreter/compiled.ts";
import { COUNTED_ENTRIES, ENTRY_BITS, REGION_SLOTS } from "../interpreter/hub.ts";
import { REGION_ENTRIES, REGION_STALE } from "../state.ts";
import { Binding, forgetCached } from "./binding.ts";
import { CodeReader } from "./code-reader.ts";
import { RegionCompiler, type Translation } from "./compiler.ts";
import { discover, type Place } from "./flow-graph.ts";
import { InstructionSet } from "./instruction-set.ts";
import { readTranslations, writeTranslations } from "./kept-translations.ts";
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
/**
 * Translations that can be entered at one offset: each is compared with what is there, and a guest can make any number. Linux
 * has come to some hundreds at multiples of 16, where functions begin.
 */
const MOST_AT_OFFSET = 1024;

/** Of how often a binding's pages were found elsewhere: bits that are not set when it is looked whether they might be in their places. */
const MISPLACED_AGAIN = 15;

/** Where a translation could be entered, wherever its code lies. */
interface KnownEntry {
  readonly translation: Translation;
  readonly place: Place;
  /** The first bytes of code there: most of what only lies at the same offset in its page differs in them. */
  readonly begins: Uint8Array;
}

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

/** Finds hot code, translates it, and keeps what is translated in step with memory. */
export class Regions {
  private readonly reader: CodeReader;
  private readonly compiler: RegionCompiler;
  private readonly recorded: RecordedCode;
  private readonly bySlot: (Binding | undefined)[] = [];
  /** Where each translation in use is bound. */
  private readonly bindings = new Map<Translation, Set<Binding>>();
  private readonly freeSlots: number[] = [];
  /** Translations by mode and offset in its page of each of their entries. */
  private readonly known = new Map<number, KnownEntry[]>();
  /** Translations that were kept by another machine, and how many had no use for them since. */
  private readonly idle = new Map<Translation, number>();
  private readonly heat: number;
  private readonly often: number;
  private readonly maxRegions: number;
  private readonly maxWasmBytes: number;
  readonly eager: boolean;
  /** While it is there, blocks are to be executed one by one and noted in it. */
  recording: Recording | undefined;
  private readonly engine: EngineCode | undefined;
  private oldest = 1;
  private compiled = 0;
  private shared = 0;
  private invalidated = 0;
  private evicted = 0;
  private instructionCount = 0;
  private wasmBytes = 0;
  private translations = 0;
  private samples = 0;
  private emitMs = 0;

  constructor(
    private readonly mmu: Mmu,
    private readonly code: CodeCache,
    interpreter: CompiledInterpreter,
    private readonly exports: InterpreterExports,
    options: TranslatorOptions = {},
  ) {
    const instructions = new InstructionSet(interpreter);
    this.reader = new CodeReader(mmu, code, instructions, interpreter.handlers);
    this.compiler = new RegionCompiler(mmu, interpreter, exports, instructions, options.linked ?? true, options.engine);
    this.recorded = new RecordedCode(mmu, code);
    this.heat = options.heat ?? (options.kept === undefined ? DEFAULT_HEAT : HEAT_BESIDE_KEPT);
    this.often = options.often ?? (options.kept === undefined ? DEFAULT_OFTEN : OFTEN_BESIDE_KEPT);
    this.maxRegions = Math.min(options.maxRegions ?? DEFAULT_REGIONS, REGION_SLOTS - 1);
    this.maxWasmBytes = options.maxWasmBytes ?? DEFAULT_WASM_BYTES;
    this.eager = options.eager ?? false;
    this.engine = options.engine;
    for (let slot = this.maxRegions; slot >= 1; slot--) this.freeSlots.push(slot);
    if (options.kept !== undefined) {
      for (const { translation, idle } of readTranslations(options.kept, mmu.memory.byteLength)) {
        this.idle.set(translation, idle);
        this.know(translation);
      }
    }
  }

  get counters(): TranslatorCounters {
    const { compiled, shared, invalidated, evicted, wasmBytes, samples } = this;
    const { engineMs } = this.compiler;
    return {
      compiled,
      shared,
      invalidated,
      evicted,
      instructions: this.instructionCount,
      wasmBytes,
      regions: this.maxRegions - this.freeSlots.length,
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
    const word = block.regionWord;
    if (word === 0) return 0;
    const binding = this.bySlot[word >>> ENTRY_BITS];
    if (binding === undefined) return 0;
    const { translation } = binding;
    if (translation.pages.length > 1) {
      const place = translation.entries[(word & ((1 << ENTRY_BITS) - 1)) - 1];
      if (!this.isInPlace(binding, va - place, l4Mfn, bank)) return 0;
    }
    binding.noteCached(entry);
    return word;
  }

  /** Whether the pages around an anchor are a binding's; the soft TLB is told that jump-cache entries depend on it. */
  private isInPlace(binding: Binding, anchor: number, l4Mfn: number, bank: number): boolean {
    const { frames, walker, tlb } = this.mmu;
    if (binding.isUnchanged(anchor, l4Mfn, bank, walker.generation, tlb.dependencies)) return true;
    for (const [page, place] of binding.places) {
      const at = anchor + page * PAGE;
      const high = Math.floor(at / 2 ** 32) | 0;
      const mfn = walker.executedFrame(l4Mfn, at | 0, high);
      if (mfn < 0 || (this.code.placeOf(mfn) !== place && !this.bringTo(place, mfn, binding))) {
        binding.noteMisplaced();
        return false;
      }
      frames.places.noteJump(place, high);
      frames.noteRead(mfn, at | 0);
      tlb.dependOn(bank, at | 0, high);
    }
    return true;
  }

  /**
   * A frame is not at the place that a binding is for: brings it there if it has the same bytes. Else each entry of the region by
   * this address space would be looked up again. What has others is looked at less and less often.
   */
  private bringTo(place: number, mfn: number, binding: Binding): boolean {
    const { misplaced } = binding;
    if ((misplaced & (misplaced - 1)) !== 0 && (misplaced & MISPLACED_AGAIN) !== 0) return false;
    return this.code.shareAgain(mfn) && this.code.placeOf(mfn) === place && this.bySlot[binding.slot] === binding;
  }

  /**
   * What is known of a block that was looked up is used at once: it need not be hot again. What fits no block of many address
   * spaces is looked for less and less often.
   */
  meet(block: Block, va: number, l4Mfn: number, mode: number): void {
    if (block.regionWord !== 0 || !this.known.has((va & (PAGE - 1)) | (mode << 12))) return;
    block.met++;
    if ((block.met & (block.met - 1)) === 0) this.take(va, l4Mfn, mode);
  }

  /**
   * All that is known, for another machine: see TranslatorOptions.kept.
   * @param maxBytes what does not fit is left out
   */
  keep(maxBytes: number): Uint8Array {
    const all = new Set<Translation>();
    for (const list of this.known.values()) for (const { translation } of list) all.add(translation);
    const kept = [...all].map((translation) => {
      const idle = translation.run === undefined ? (this.idle.get(translation) ?? 0) + 1 : 0;
      return { translation, idle };
    });
    return writeTranslations(kept, this.mmu.memory.byteLength, maxBytes, this.engine);
  }

  private get knowsTooMuch(): boolean {
    return this.wasmBytes > this.maxWasmBytes || this.translations > TRANSLATIONS_PER_REGION * this.maxRegions;
  }

  private know(translation: Translation): void {
    this.wasmBytes += translation.image.wasm.length;
    this.translations++;
    for (const place of translation.entries) {
      const key = (place & (PAGE - 1)) | (translation.mode << 12);
      const entry = { translation, place, begins: firstBytes(translation, place) };
      const list = this.known.get(key);
      if (list === undefined) this.known.set(key, [entry]);
      else {
        list.push(entry);
        if (list.length > MOST_AT_OFFSET) this.forgetOldest(list, translation);
      }
    }
  }

  /** Of those that can be entered at one offset: the first that nobody uses, but not the one that has just come. */
  private forgetOldest(list: readonly KnownEntry[], latest: Translation): void {
    const isUnused = ({ translation }: KnownEntry) => translation !== latest && !this.bindings.has(translation);
    const oldest = list.find(isUnused)?.translation;
    if (oldest === undefined) return;
    for (const place of oldest.entries) {
      const key = (place & (PAGE - 1)) | (oldest.mode << 12);
      const kept = this.known.get(key)?.filter(({ translation }) => translation !== oldest) ?? [];
      if (kept.length === 0) this.known.delete(key);
      else this.known.set(key, kept);
    }
    this.noteForgotten(oldest);
  }

  private noteForgotten(translation: Translation): void {
    this.wasmBytes -= translation.image.wasm.length;
    this.translations--;
    this.idle.delete(translation);
  }

  /** Binds a translation that can be entered at an address, if there is one of the code there; true if that is done, or will be. */
  private take(va: number, l4Mfn: number, mode: number): boolean {
    const candidates = this.known.get((va & (PAGE - 1)) | (mode << 12));
    if (candidates === undefined) return false;
    const mfn = this.mmu.walker.executedFrame(l4Mfn, va | 0, Math.floor(va / 2 ** 32) | 0);
    if (mfn < 0) return false;
    const at = this.mmu.frames.readAddress(mfn) + (va & (PAGE - 1));
    const alike = candidates.filter(({ begins }) => this.startsWith(at, begins));
    // Programs have left translations of other ways through the same code: what has more of it is entered and left less often.
    if (alike.length > 1) alike.sort((a, b) => b.translation.instructions - a.translation.instructions);
    for (const entry of alike) {
      const taken = this.takeEntry(entry, va, l4Mfn, mode);
      if (taken !== undefined) return taken;
    }
    return false;
  }

  /** As `take`, one of those that there are; undefined if it is not for the code there. */
  private takeEntry({ translation, place }: KnownEntry, va: number, l4Mfn: number, mode: number): boolean | undefined {
    this.reader.begin(l4Mfn, va - place, mode);
    // Bound again and again would be what cannot be entered at the address.
    if (!this.matches(translation) || this.entryBlock(translation, place) === undefined) return undefined;
    if (this.sharePages(translation)) {
      this.reader.begin(l4Mfn, va - place, mode);
      // It is met again at its new place, once it is decoded there.
      if (this.entryBlock(translation, place) === undefined) return true;
    }
    if (translation.run === undefined && this.compiler.isFull) {
      this.giveUpAll();
      return false;
    }
    if (this.enterBound(translation, place)) return true;
    this.shared++;
    this.bind(translation, va, false);
    return true;
  }

  /** Lets what lies around the reader's anchor share the places of others with the same bytes; whether something moved. */
  private sharePages({ pages }: Translation): boolean {
    let moved = false;
    for (const page of pages) moved = this.code.shareAgain(this.reader.frameOf(page)) || moved;
    return moved;
  }

  /** Makes a block that lies around the reader's anchor an entry of a region that is bound there already. */
  private enterBound(translation: Translation, place: Place): boolean {
    for (const binding of this.bindings.get(translation) ?? []) {
      const isHere = translation.pages.every((page) => binding.places.get(page) === this.reader.placeOf(page));
      if (isHere) return this.enterAt(binding, place);
    }
    return false;
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
    this.know(translation);
    if (!this.sharePages(translation)) this.bind(translation, va, !isBetween);
    while (this.knowsTooMuch && this.known.size > 1) this.forgetSome();
  }

  private startsWith(at: number, bytes: Uint8Array): boolean {
    const { u8 } = this.mmu.memory;
    for (let i = 0; i < bytes.length; i++) if (u8[at + i] !== bytes[i]) return false;
    return true;
  }

  /** Whether a translation's bytes are what lies around the reader's anchor. */
  private matches({ ranges }: Translation): boolean {
    return ranges.every(({ page, start: from, bytes }) => {
      const mfn = this.reader.frameOf(page);
      if (mfn < 0) return false;
      return this.startsWith(this.mmu.frames.readAddress(mfn) + from, bytes);
    });
  }

  // ---- binding ----

  /** @param isLatest it is of what was just recorded, and has seen more of what is executed together than any region before */
  private bind(translation: Translation, va: number, isLatest: boolean): void {
    if (this.freeSlots.length === 0) this.evict();
    const slot = this.freeSlots.pop();
    if (slot === undefined) return;
    const places = new Map(translation.pages.map((page) => [page, this.reader.placeOf(page)]));
    const binding = new Binding(translation, slot, places, va);
    for (const { page, start, end } of translation.ranges) {
      const use: CodeUse = { place: places.get(page)!, start, end, onChange: () => this.invalidate(binding) };
      binding.uses.push(use);
      this.code.watch(use, this.reader.frameOf(page));
    }
    const before = new Set<number>();
    for (const place of translation.entries) {
      const word = this.entryBlock(translation, place)?.regionWord ?? 0;
      if (!isLatest && this.isLarger(word, translation)) continue;
      if (word !== 0) before.add(word);
      this.enterAt(binding, place);
    }
    this.bySlot[slot] = binding;
    const bindings = this.bindings.get(translation);
    if (bindings) bindings.add(binding);
    else this.bindings.set(translation, new Set([binding]));
    this.exports.regions.set(slot, this.compiler.functionOf(translation));
    if (before.size > 0) forgetCached(this.mmu.memory.i32, this.bindingsOf(before), (word) => before.has(word));
  }

  /** Whether the region of a word goes on for longer than another one, most likely: it has more code. */
  private isLarger(word: number, translation: Translation): boolean {
    const there = word === 0 ? undefined : this.bySlot[word >>> ENTRY_BITS];
    return there !== undefined && there.translation.instructions > translation.instructions;
  }

  private enterAt(binding: Binding, place: Place): boolean {
    const { translation, slot, blocks } = binding;
    const block = this.entryBlock(translation, place);
    if (block === undefined) return false;
    const word = (slot << ENTRY_BITS) | (translation.entries.indexOf(place) + 1);
    if (!this.code.enterRegionAt(block, word, translation.threshold)) return false;
    blocks.push({ block, place });
    return true;
  }

  private bindingsOf(words: ReadonlySet<number>): Set<Binding> {
    const bindings = new Set<Binding>();
    for (const word of words) {
      const binding = this.bySlot[word >>> ENTRY_BITS];
      if (binding !== undefined) bindings.add(binding);
    }
    return bindings;
  }

  /** The block at an entry of a translation that matches what lies around the reader's anchor. */
  private entryBlock({ mode }: Translation, place: Place): Block | undefined {
    const page = Math.floor(place / PAGE);
    const mfn = this.reader.frameOf(page);
    const block = mfn < 0 ? undefined : this.code.blockAt(mfn, place & (PAGE - 1), mode);
    // Its first instruction may reach into the next page, which is another one for other address spaces.
    if (block === undefined || (block.secondPlace >= 0 && block.secondPlace !== this.reader.placeOf(page + 1)))
      return undefined;
    return block;
  }

  private invalidate(binding: Binding): void {
    this.invalidated++;
    this.unbind([binding]);
  }

  private unbind(bindings: readonly Binding[]): void {
    const bound = bindings.filter((binding) => this.bySlot[binding.slot] === binding);
    const slots = new Set(bound.map(({ slot }) => slot));
    for (const binding of bound) {
      const { slot, uses, blocks, translation } = binding;
      this.bySlot[slot] = undefined;
      for (const use of uses) this.code.unwatch(use);
      for (const { block } of blocks) if (block.regionWord >>> ENTRY_BITS === slot) this.code.leaveRegionAt(block);
      this.exports.regions.set(slot, null);
      this.freeSlots.push(slot);
      const bindings = this.bindings.get(translation);
      bindings?.delete(binding);
      if (bindings?.size === 0) this.bindings.delete(translation);
    }
    const { i32 } = this.mmu.memory;
    forgetCached(i32, bound, (word) => slots.has(word >>> ENTRY_BITS));
    i32[REGION_STALE >> 2] = 1;
  }

  /** Gives up the oldest eighth of the regions; their translations stay for those who come upon the same code again. */
  private evict(): void {
    const count = Math.max(1, this.maxRegions >> 3);
    const oldest: Binding[] = [];
    for (let i = 0; i < count; i++) {
      const binding = this.bySlot[this.oldest];
      this.oldest = this.oldest >= this.maxRegions ? 1 : this.oldest + 1;
      if (binding !== undefined) oldest.push(binding);
    }
    this.evicted += oldest.length;
    this.unbind(oldest);
  }

  /** Forgets translations that nobody uses, or else what was compiled first. */
  private forgetSome(): void {
    const unused = new Set<Translation>();
    for (const [key, list] of this.known) {
      for (const { translation } of list) if (!this.bindings.has(translation)) unused.add(translation);
      const kept = list.filter(({ translation }) => this.bindings.has(translation));
      if (kept.length === 0) this.known.delete(key);
      else this.known.set(key, kept);
    }
    for (const translation of unused) this.noteForgotten(translation);
    if (unused.size === 0) this.evict();
  }

  private giveUpAll(): void {
    const all = this.bySlot.filter((binding) => binding !== undefined);
    this.evicted += all.length;
    this.unbind(all);
    this.known.clear();
    this.wasmBytes = 0;
    this.translations = 0;
    this.compiler.reset();
  }
}

/** Up to 16 bytes of a translation's code at one of its entries, within its page. */
function firstBytes({ ranges }: Translation, place: Place): Uint8Array {
  const page = Math.floor(place / PAGE);
  const offset = place - page * PAGE;
  const range = ranges.find(({ page: p, start, end }) => p === page && start <= offset && offset < end);
  return range === undefined ? new Uint8Array() : range.bytes.subarray(offset - range.start, offset - range.start + 16);
}
