/** Chunks by index, the longest unused leaving first; chunks still on their way count as whole. */
export class ChunkCache {
  readonly #limit: number;
  readonly #chunks = new Map<number, Promise<Uint8Array>>();

  /** At least two chunks are kept. */
  constructor(limitBytes: number, chunkBytes: number) {
    this.#limit = Math.max(2, Math.floor(limitBytes / chunkBytes));
  }

  get capacity(): number {
    return this.#limit;
  }

  has(index: number): boolean {
    return this.#chunks.has(index);
  }

  /** A chunk that fails to load is forgotten, so that the next reader tries again. */
  get(index: number, load: () => Promise<Uint8Array>): Promise<Uint8Array> {
    let chunk = this.#chunks.get(index);
    if (chunk) this.#chunks.delete(index);
    else {
      chunk = load();
      const loading = chunk;
      chunk.catch(() => {
        if (this.#chunks.get(index) === loading) this.#chunks.delete(index);
      });
    }
    this.#chunks.set(index, chunk);
    const [oldest] = this.#chunks.keys();
    if (this.#chunks.size > this.#limit) this.#chunks.delete(oldest);
    return chunk;
  }

  clear(): void {
    this.#chunks.clear();
  }
}
