import type { FrameTable } from "./frames.ts";
import { type MachineMemory, PAGE_SIZE } from "./memory.ts";

const WORDS = PAGE_SIZE / 4;
/** In `next`: a place that nobody knows, and the end of a chain. Neither is the number of a place for frames. */
const UNKNOWN = 0;
const END = 1;
/** Known places whose hashes fall together, at most: a guest can make pages for that. */
const LONGEST_CHAIN = 16;
/** Places for each chain. */
const PLACES_PER_CHAIN = 2;

/**
 * Pages that several frames have, such as those of one kernel in several domains, known by a hash of their bytes: who comes
 * with the same bytes shares the place of the frames that have them and were not written since. Nothing is kept for later: with
 * its last frame a page is forgotten.
 */
export class SharedContents {
  /** By the low bits of the hash: a known place, which leads on to others by `next`. */
  private readonly heads: Uint32Array;
  private readonly mask: number;
  /** By place. */
  private readonly next: Uint32Array;
  private readonly hashOf: Int32Array;

  constructor(
    private readonly memory: MachineMemory,
    private readonly frames: FrameTable,
  ) {
    const { places } = frames;
    const chains = 2 ** Math.ceil(Math.log2(1 + places.total / PLACES_PER_CHAIN));
    this.mask = chains - 1;
    this.heads = new Uint32Array(chains).fill(END);
    this.next = new Uint32Array(places.end);
    this.hashOf = new Int32Array(places.end);
    places.onUnlent = (place) => this.forget(place);
  }

  /**
   * Fills a frame. Nobody may have translations or pointers to it.
   * @param bytes 4096
   * @throws Error if the frame is not shareable
   */
  fill(mfn: number, bytes: Uint8Array): void {
    const { frames, memory } = this;
    const host = frames.hostAddress(mfn);
    memory.u8.set(bytes, host);
    // There was no place left, and its domain has been given up.
    if (frames.readAddress(mfn) !== host) return;
    const hash = this.hash(host / PAGE_SIZE);
    this.merge(mfn, hash, this.find(host / PAGE_SIZE, hash));
  }

  /**
   * A frame with a place of its own shares a known one from now on, or lends its own to those that come later. Nobody may have
   * translations or pointers to it.
   * @param hash of its bytes
   * @param same what `find` said
   * @throws Error if the frame is not shareable
   */
  merge(mfn: number, hash: number, same: number): void {
    const { frames } = this;
    if (same !== 0) frames.borrow(mfn, same);
    else if (this.hasRoom(hash)) {
      frames.lend(mfn);
      this.know(frames.place[mfn], hash);
    }
  }

  /** The known place with the same bytes as another place, or 0. */
  find(place: number, hash: number): number {
    const same = this.withHash(hash);
    return same !== 0 && this.areEqual(same, place) ? same : 0;
  }

  /** Of the bytes of a place. */
  hash(place: number): number {
    const { u32 } = this.memory;
    let hash = 0;
    for (let word = place * WORDS, end = word + WORDS; word < end; word++) {
      hash = Math.imul(hash ^ u32[word], 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return hash;
  }

  areEqual(a: number, b: number): boolean {
    const { u32 } = this.memory;
    for (let i = 0; i < WORDS; i++) if (u32[a * WORDS + i] !== u32[b * WORDS + i]) return false;
    return true;
  }

  private withHash(hash: number): number {
    const { next, hashOf } = this;
    for (let place = this.heads[hash & this.mask]; place !== END; place = next[place])
      if (hashOf[place] === hash) return place;
    return 0;
  }

  /** May a page be known by this hash? One alone may: others that have it are not looked for among many. */
  private hasRoom(hash: number): boolean {
    const { next, hashOf } = this;
    let length = 0;
    for (let place = this.heads[hash & this.mask]; place !== END; place = next[place]) {
      if (hashOf[place] === hash || ++length === LONGEST_CHAIN) return false;
    }
    return true;
  }

  private know(place: number, hash: number): void {
    this.hashOf[place] = hash;
    this.next[place] = this.heads[hash & this.mask];
    this.heads[hash & this.mask] = place;
  }

  private forget(place: number): void {
    const { heads, next, mask } = this;
    const after = next[place];
    if (after === UNKNOWN) return;
    next[place] = UNKNOWN;
    const chain = this.hashOf[place] & mask;
    if (heads[chain] === place) {
      heads[chain] = after;
      return;
    }
    let before = heads[chain];
    while (next[before] !== place) before = next[before];
    next[before] = after;
  }

  /** Violations in words; empty = every page that is known is lent, and what it was. */
  audit(): string[] {
    const problems: string[] = [];
    for (let place = 0; place < this.next.length; place++) {
      if (this.next[place] === UNKNOWN) continue;
      const name = `place 0x${place.toString(16)}`;
      if (this.frames.places.borrowersOf(place) === 0) problems.push(`${name} is known by its contents, but not lent`);
      if (this.hash(place) !== this.hashOf[place]) problems.push(`${name} is lent, and was written`);
      if (this.withHash(this.hashOf[place]) !== place) problems.push(`${name} is known, but not found`);
    }
    return problems;
  }
}
