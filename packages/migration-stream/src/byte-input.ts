import { StreamError } from "./stream-error.ts";

/** Bytes in pieces of any size: a file's or a socket's stream of Node fits. */
export type ByteChunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Reads a stream piece by piece; no more than was asked for is held, beside the chunk that came last. */
export class ByteInput {
  /** Bytes read so far. */
  offset = 0;
  private readonly chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  private chunk: Uint8Array = new Uint8Array(0);
  private used = 0;

  constructor(chunks: ByteChunks) {
    this.chunks = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
  }

  /**
   * The next `length` bytes, the caller's to keep.
   * @param what is being read, for the message
   * @throws StreamError `truncated`
   */
  async read(length: number, what: string): Promise<Uint8Array> {
    const start = this.offset;
    const pieces: Uint8Array[] = [];
    // Room is made for what has come, not for what a length promises.
    for (let missing = length; missing > 0; ) {
      if (this.used === this.chunk.length && !(await this.next()))
        throw new StreamError("truncated", what, start, `is cut short: ${missing} of ${length} bytes are missing`);
      const piece = this.chunk.subarray(this.used, this.used + missing);
      pieces.push(piece);
      this.used += piece.length;
      this.offset += piece.length;
      missing -= piece.length;
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }

  /** The next `length` bytes, which stay to be read. @throws StreamError `truncated` */
  async peek(length: number, what: string): Promise<Uint8Array> {
    const { offset } = this;
    const bytes = await this.read(length, what);
    const rest = this.chunk.subarray(this.used);
    this.chunk = new Uint8Array(length + rest.length);
    this.chunk.set(bytes);
    this.chunk.set(rest, length);
    this.used = 0;
    this.offset = offset;
    return bytes;
  }

  /** Lets go of the rest. */
  async close(): Promise<void> {
    await this.chunks.return?.();
  }

  private async next(): Promise<boolean> {
    const { done, value } = await this.chunks.next();
    if (done === true) return false;
    this.chunk = value;
    this.used = 0;
    return true;
  }
}

/** Where a stream is written; resolves when there is room for more. The bytes may be used again by then. */
export interface ByteOutput {
  write(bytes: Uint8Array): Promise<void>;
}

/** A view of all of an array's bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
