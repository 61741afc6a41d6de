/** Chunks smaller than this are put together, so that a host that sends single bytes doesn't fill memory with objects. */
const SMALL = 2048;
const BLOCK = 16384;

/** The bytes that a guest has not acknowledged yet, in the chunks that the host's socket gave. */
export class SendQueue {
  length = 0;
  #chunks: Uint8Array[] = [];
  /** Chunks before this one are gone; of this one, `#skip` bytes are. */
  #first = 0;
  #skip = 0;
  /** Where the last copy began: the chunk, and its first byte's position in the queue. */
  #cursor = 0;
  #cursorAt = 0;
  /** A block of our own that small chunks go into; its filled part is the last chunk. */
  #block: Uint8Array | undefined;
  #blockFill = 0;

  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.length += bytes.length;
    if (bytes.length >= SMALL) {
      this.#chunks.push(bytes);
      this.#block = undefined;
      return;
    }
    const block = this.#block;
    if (block !== undefined && this.#chunks.length > this.#first && this.#blockFill + bytes.length <= block.length) {
      block.set(bytes, this.#blockFill);
      this.#blockFill += bytes.length;
      const last = this.#chunks.length - 1;
      this.#chunks[last] = block.subarray(this.#chunks[last].byteOffset - block.byteOffset, this.#blockFill);
      return;
    }
    this.#block = new Uint8Array(BLOCK);
    this.#block.set(bytes);
    this.#blockFill = bytes.length;
    this.#chunks.push(this.#block.subarray(0, bytes.length));
  }

  /** Lets go of the first `count` bytes. */
  drop(count: number): void {
    let left = Math.min(count, this.length);
    this.length -= left;
    this.#cursorAt -= left;
    while (left > 0) {
      const here = this.#chunks[this.#first].length - this.#skip;
      if (left < here) {
        this.#skip += left;
        break;
      }
      left -= here;
      this.#chunks[this.#first] = EMPTY;
      this.#first++;
      this.#skip = 0;
    }
    if (this.#cursor < this.#first || this.#cursorAt < 0) this.#resetCursor();
    if (this.#first > 64 && this.#first * 2 > this.#chunks.length) {
      this.#chunks.splice(0, this.#first);
      this.#first = 0;
      this.#resetCursor();
    }
    if (this.length === 0) {
      this.#chunks = [];
      this.#first = 0;
      this.#skip = 0;
      this.#block = undefined;
      this.#resetCursor();
    }
  }

  /** Copies `length` bytes from position `from` on to `target`; they must be there. */
  copyTo(target: Uint8Array, at: number, from: number, length: number): void {
    if (from < this.#cursorAt) this.#resetCursor();
    let chunk = this.#cursor;
    let chunkAt = this.#cursorAt;
    let skip = chunk === this.#first ? this.#skip : 0;
    while (from >= chunkAt + this.#chunks[chunk].length - skip) {
      chunkAt += this.#chunks[chunk].length - skip;
      chunk++;
      skip = 0;
    }
    this.#cursor = chunk;
    this.#cursorAt = chunkAt;
    let done = 0;
    let start = skip + from - chunkAt;
    while (done < length) {
      const bytes = this.#chunks[chunk++];
      const count = Math.min(bytes.length - start, length - done);
      target.set(start === 0 && count === bytes.length ? bytes : bytes.subarray(start, start + count), at + done);
      done += count;
      start = 0;
    }
  }

  #resetCursor(): void {
    this.#cursor = this.#first;
    this.#cursorAt = 0;
  }
}

const EMPTY = new Uint8Array(0);
