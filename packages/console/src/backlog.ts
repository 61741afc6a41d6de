/** The last `capacity` bytes of a stream. */
export class Backlog {
  readonly capacity: number;
  readonly #bytes: Uint8Array;
  #end = 0; // where the next byte goes
  #length = 0;

  /** `capacity` in bytes; 0 keeps nothing. */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#bytes = new Uint8Array(capacity);
  }

  /** Bytes kept now. */
  get length(): number {
    return this.#length;
  }

  /** Adds `bytes`, forgetting the oldest ones beyond the capacity. */
  append(bytes: Uint8Array): void {
    if (this.capacity === 0) return;
    const kept = bytes.subarray(Math.max(0, bytes.length - this.capacity));
    const first = Math.min(kept.length, this.capacity - this.#end);
    this.#bytes.set(kept.subarray(0, first), this.#end);
    this.#bytes.set(kept.subarray(first), 0);
    this.#end = (this.#end + kept.length) % this.capacity;
    this.#length = Math.min(this.capacity, this.#length + kept.length);
  }

  /** A copy of what is kept, oldest byte first. */
  toBytes(): Uint8Array {
    const copy = new Uint8Array(this.#length);
    const start = (this.#end - this.#length + this.capacity) % (this.capacity || 1);
    const first = Math.min(this.#length, this.capacity - start);
    copy.set(this.#bytes.subarray(start, start + first));
    copy.set(this.#bytes.subarray(0, this.#length - first), first);
    return copy;
  }
}
