import type { Mmu } from "@xen-node/mmu";
import type { CodeReader } from "./code-reader.ts";
import type { Translation } from "./compiler.ts";
import type { Place } from "./flow-graph.ts";
import { readTranslations, writeTranslations } from "./kept-translations.ts";
import type { EngineCode } from "./region-image.ts";

const PAGE = 4096;
/**
 * Translations that can be entered at one offset: each is compared with what is there, and a guest can make any number. Linux
 * has come to some hundreds at multiples of 16, where functions begin.
 */
const MOST_AT_OFFSET = 1024;

/** Where a translation could be entered, wherever its code lies. */
export interface KnownEntry {
  readonly translation: Translation;
  readonly place: Place;
  /** The first bytes of code there: most of what only lies at the same offset in its page differs in them. */
  readonly begins: Uint8Array;
}

const NONE: readonly KnownEntry[] = [];

/** All translations that there are, in use or for whoever comes upon the same code again: found by that code. */
export class KnownTranslations {
  /** By mode and offset in its page of each of their entries. */
  private readonly byOffset = new Map<number, KnownEntry[]>();
  /** Those that were kept by another machine, and how many had no use for them since. */
  private readonly idle = new Map<Translation, number>();
  private count = 0;
  /** Of their WebAssembly. */
  wasmBytes = 0;

  /**
   * @param maxBytes of WebAssembly, and `maxCount` of them: more are too many
   * @param isUsed whether a translation is in use
   */
  constructor(
    private readonly mmu: Mmu,
    private readonly maxBytes: number,
    private readonly maxCount: number,
    private readonly isUsed: (translation: Translation) => boolean,
  ) {}

  /** Adds what `write` gave. */
  read(kept: Uint8Array): void {
    for (const { translation, idle } of readTranslations(kept, this.mmu.memory.byteLength)) {
      this.idle.set(translation, idle);
      this.add(translation);
    }
  }

  /** All of them, for another machine, as far as they fit: see writeTranslations. */
  write(maxBytes: number, engine: EngineCode | undefined): Uint8Array {
    const all = new Set<Translation>();
    for (const list of this.byOffset.values()) for (const { translation } of list) all.add(translation);
    const kept = [...all].map((translation) => {
      const idle = translation.run === undefined ? (this.idle.get(translation) ?? 0) + 1 : 0;
      return { translation, idle };
    });
    return writeTranslations(kept, this.mmu.memory.byteLength, maxBytes, engine);
  }

  get areTooMany(): boolean {
    return (this.wasmBytes > this.maxBytes || this.count > this.maxCount) && this.byOffset.size > 1;
  }

  add(translation: Translation): void {
    this.wasmBytes += translation.image.wasm.length;
    this.count++;
    for (const place of translation.entries) {
      const key = keyOf(place, translation.mode);
      const entry = { translation, place, begins: firstBytes(translation, place) };
      const list = this.byOffset.get(key);
      if (list === undefined) this.byOffset.set(key, [entry]);
      else {
        list.push(entry);
        if (list.length > MOST_AT_OFFSET) this.forgetOldest(list, translation);
      }
    }
  }

  /** Whether any can be entered at the offset of an address in its page. */
  hasAtOffset(va: number, mode: number): boolean {
    return this.byOffset.has(keyOf(va, mode));
  }

  /** Those that can be entered at an address as far as its first bytes tell, what is best to be entered there first. */
  beginningAt(va: number, l4Mfn: number, mode: number): readonly KnownEntry[] {
    const candidates = this.byOffset.get(keyOf(va, mode));
    if (candidates === undefined) return NONE;
    const mfn = this.mmu.walker.executedFrame(l4Mfn, va | 0, Math.floor(va / 2 ** 32) | 0);
    if (mfn < 0) return NONE;
    const at = this.mmu.frames.readAddress(mfn) + (va & (PAGE - 1));
    const alike = candidates.filter(({ begins }) => this.startsWith(at, begins));
    // Programs have left translations of other ways through the same code: what has more of it is entered and left less often.
    if (alike.length > 1) alike.sort((a, b) => b.translation.instructions - a.translation.instructions);
    return alike;
  }

  /** Whether a translation's bytes are what lies around a reader's anchor. */
  matches({ ranges }: Translation, reader: CodeReader): boolean {
    return ranges.every(({ page, start: from, bytes }) => {
      const mfn = reader.frameOf(page);
      if (mfn < 0) return false;
      return this.startsWith(this.mmu.frames.readAddress(mfn) + from, bytes);
    });
  }

  private startsWith(at: number, bytes: Uint8Array): boolean {
    const { u8 } = this.mmu.memory;
    for (let i = 0; i < bytes.length; i++) if (u8[at + i] !== bytes[i]) return false;
    return true;
  }

  /** Forgets all that nobody uses; false if there are none. */
  forgetUnused(): boolean {
    const unused = new Set<Translation>();
    for (const [key, list] of this.byOffset) {
      for (const { translation } of list) if (!this.isUsed(translation)) unused.add(translation);
      const kept = list.filter(({ translation }) => this.isUsed(translation));
      if (kept.length === 0) this.byOffset.delete(key);
      else this.byOffset.set(key, kept);
    }
    for (const translation of unused) this.noteForgotten(translation);
    return unused.size > 0;
  }

  /** Forgets all. */
  clear(): void {
    this.byOffset.clear();
    this.idle.clear();
    this.wasmBytes = 0;
    this.count = 0;
  }

  /** Of those that can be entered at one offset: the first that nobody uses, but not the one that has just come. */
  private forgetOldest(list: readonly KnownEntry[], latest: Translation): void {
    const isUnused = ({ translation }: KnownEntry) => translation !== latest && !this.isUsed(translation);
    const oldest = list.find(isUnused)?.translation;
    if (oldest === undefined) return;
    for (const place of oldest.entries) {
      const key = keyOf(place, oldest.mode);
      const kept = this.byOffset.get(key)?.filter(({ translation }) => translation !== oldest) ?? [];
      if (kept.length === 0) this.byOffset.delete(key);
      else this.byOffset.set(key, kept);
    }
    this.noteForgotten(oldest);
  }

  private noteForgotten(translation: Translation): void {
    this.wasmBytes -= translation.image.wasm.length;
    this.count--;
    this.idle.delete(translation);
  }
}

/** @param at a place or an address */
function keyOf(at: number, mode: number): number {
  return (at & (PAGE - 1)) | (mode << 12);
}

/** Up to 16 bytes of a translation's code at one of its entries, within its page. */
function firstBytes({ ranges }: Translation, place: Place): Uint8Array {
  const page = Math.floor(place / PAGE);
  const offset = place - page * PAGE;
  const range = ranges.find(({ page: p, start, end }) => p === page && start <= offset && offset < end);
  return range === undefined ? new Uint8Array() : range.bytes.subarray(offset - range.start, offset - range.start + 16);
}
