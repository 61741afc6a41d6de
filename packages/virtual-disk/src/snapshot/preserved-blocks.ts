/** The unit that is kept of what a disk held before a write. */
export const PRESERVED_BYTES = 4096;

const ZERO = new Uint8Array(PRESERVED_BYTES);

/** What blocks of a disk held at a moment, for those that were written since. Several moments may keep the same bytes. */
export class PreservedBlocks {
  readonly #blocks = new Map<number, Uint8Array>();
  readonly #limitBytes: number;
  #bytes = 0;
  #lost = false;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** More was to be kept than is allowed, or something could not be: nothing is any more. */
  get lost(): boolean {
    return this.#lost;
  }

  has(block: number): boolean {
    return this.#blocks.has(block);
  }

  get(block: number): Uint8Array | undefined {
    return this.#blocks.get(block);
  }

  /** The bytes are kept, not copied. Does nothing where older ones are kept. */
  add(block: number, bytes: Uint8Array): void {
    if (this.#lost || this.#blocks.has(block)) return;
    if (bytes !== ZERO) this.#bytes += bytes.byteLength;
    if (this.#bytes <= this.#limitBytes) {
      this.#blocks.set(block, bytes);
      return;
    }
    this.lose();
  }

  lose(): void {
    this.#lost = true;
    this.clear();
  }

  clear(): void {
    this.#blocks.clear();
    this.#bytes = 0;
  }
}

/** A block's bytes for keeping: all blocks of zeros are one. The last block of a disk may be shorter. */
export function keptBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === PRESERVED_BYTES && Buffer.compare(bytes, ZERO) === 0 ? ZERO : bytes.slice();
}
