import type { FrameTable } from "./frames.ts";
import { type MachineMemory, PAGE_SIZE } from "./memory.ts";

const WORDS = PAGE_SIZE / 4;

/**
 * Pages that many frames begin with, as those of one kernel in several domains: who fills a frame here shares the place of
 * the frames that were filled with the same bytes and not written since. Nothing is kept for later: with its last frame a
 * page is forgotten.
 */
export class SharedContents {
  private readonly placeOf = new Map<number, number>();
  private readonly hashOf = new Map<number, number>();

  constructor(
    private readonly memory: MachineMemory,
    private readonly frames: FrameTable,
  ) {
    frames.places.onUnlent = (place) => this.forget(place);
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
    const place = host / PAGE_SIZE;
    const hash = this.hash(place);
    const same = this.placeOf.get(hash);
    if (same === undefined) {
      frames.lend(mfn);
      this.placeOf.set(hash, place);
      this.hashOf.set(place, hash);
    } else if (this.areEqual(same, place)) {
      frames.borrow(mfn, same);
    }
  }

  private forget(place: number): void {
    const hash = this.hashOf.get(place);
    if (hash === undefined) return;
    this.hashOf.delete(place);
    this.placeOf.delete(hash);
  }

  private hash(place: number): number {
    const { u32 } = this.memory;
    let hash = 0;
    for (let word = place * WORDS, end = word + WORDS; word < end; word++) {
      hash = Math.imul(hash ^ u32[word], 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return hash;
  }

  private areEqual(a: number, b: number): boolean {
    const { u32 } = this.memory;
    for (let i = 0; i < WORDS; i++) if (u32[a * WORDS + i] !== u32[b * WORDS + i]) return false;
    return true;
  }

  /** Violations in words; empty = every page that is known is lent, and what it was. */
  audit(): string[] {
    const problems: string[] = [];
    for (const [place, hash] of this.hashOf) {
      const name = `place 0x${place.toString(16)}`;
      if (this.frames.places.borrowersOf(place) === 0) problems.push(`${name} is known by its contents, but not lent`);
      if (this.hash(place) !== hash) problems.push(`${name} is lent, and was written`);
    }
    return problems;
  }
}
