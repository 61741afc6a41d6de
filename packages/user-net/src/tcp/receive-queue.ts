import { sequenceAdd, sequenceAfter } from "./sequence.ts";

/** Segments kept at once: each costs an object besides its bytes. */
const MOST_SEGMENTS = 128;

/** Segments from the guest that came before their turn. */
export class ReceiveQueue {
  /** Bytes held. */
  bytes = 0;
  readonly #segments: { sequence: number; bytes: Uint8Array }[] = [];

  /** Copies a segment, if there is room for it; what isn't kept comes again. */
  add(sequence: number, bytes: Uint8Array): void {
    const segments = this.#segments;
    if (segments.length >= MOST_SEGMENTS) return;
    let index = segments.length;
    while (index > 0 && sequenceAfter(segments[index - 1].sequence, sequence) >= 0) index--;
    const next = segments[index];
    if (next !== undefined && next.sequence === sequence && next.bytes.length >= bytes.length) return;
    segments.splice(index, 0, { sequence, bytes: bytes.slice() });
    this.bytes += bytes.length;
  }

  /** Takes the bytes that stand at `expected`, which may be none; called again until there are none. */
  take(expected: number): Uint8Array | undefined {
    const segments = this.#segments;
    while (segments.length > 0) {
      const first = segments[0];
      const known = sequenceAfter(expected, first.sequence);
      if (known < 0) return undefined;
      segments.shift();
      this.bytes -= first.bytes.length;
      if (known < first.bytes.length) return first.bytes.subarray(known);
    }
    return undefined;
  }

  /** End of the last segment, for tests of its bounds; undefined when empty. */
  get end(): number | undefined {
    const last = this.#segments.at(-1);
    return last === undefined ? undefined : sequenceAdd(last.sequence, last.bytes.length);
  }

  clear(): void {
    this.#segments.length = 0;
    this.bytes = 0;
  }
}
