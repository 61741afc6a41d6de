/** Blocks that are being allocated or copied on write; a second writer of such a block waits for the first. */
export class PendingBlocks {
  #pending = new Map<number, Promise<void>>();

  /** Undefined if nobody works on the block. The promise never rejects. */
  get(block: number): Promise<void> | undefined {
    return this.#pending.get(block);
  }

  /** Claims `count` blocks, none of them pending, until the returned function is called. */
  claim(first: number, count: number): () => void {
    let release: () => void = () => {};
    const done = new Promise<void>((resolve) => (release = resolve));
    for (let block = first; block < first + count; block++) this.#pending.set(block, done);
    return () => {
      for (let block = first; block < first + count; block++) this.#pending.delete(block);
      release();
    };
  }
}
