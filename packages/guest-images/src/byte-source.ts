import { close, closeSync, fstatSync, open, readSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { ImageError } from "./image-error.ts";

/** Where the bytes of an image are: in memory, or in a file of which only the parts that are wanted are read. */
export interface ByteSource {
  readonly size: number;
  /**
   * The bytes of a part.
   * @throws ImageError `truncated` if they are not all there, `corrupt` if the file was changed since it was opened
   */
  bytes(offset: number, length: number): Uint8Array;
  /**
   * A part in pieces, from its first to its last, each good until the next one is asked for.
   * @throws ImageError as `bytes` does
   */
  pieces(offset: number, length: number): Iterable<Uint8Array>;
}

/** Small enough for the processor's cache, which the bytes then need not leave on their way through the buffer. */
const PIECE_BYTES = 256 * 1024;

/** Setting a file's time of access, as caches do, may round that of its last change to milliseconds. */
const CLOCK_SLACK_MS = 2;

/** Bytes that are in memory. */
class MemorySource implements ByteSource {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  /** A view: nothing is copied. */
  bytes(offset: number, length: number): Uint8Array {
    if (offset + length > this.size) throw cutShort(this.size, offset + length);
    return this.#bytes.subarray(offset, offset + length);
  }

  pieces(offset: number, length: number): Iterable<Uint8Array> {
    return [this.bytes(offset, length)];
  }
}

// A source has no end of its own: whoever still holds an image may read from it, as guests do that start again.
const forgotten = new FinalizationRegistry<number>((descriptor) => close(descriptor));

/** An open file. It stays readable when it is removed or another one takes its name. */
class FileSource implements ByteSource {
  readonly size: number;
  readonly #descriptor: number;
  readonly #changedMs: number;

  constructor(descriptor: number, size: number, changedMs: number) {
    this.#descriptor = descriptor;
    this.size = size;
    this.#changedMs = changedMs;
    forgotten.register(this, descriptor);
  }

  bytes(offset: number, length: number): Uint8Array {
    if (offset + length > this.size) throw cutShort(this.size, offset + length);
    this.#checkUnchanged(offset + length);
    const target = new Uint8Array(length);
    this.#read(target, offset);
    return target;
  }

  *pieces(offset: number, length: number): Generator<Uint8Array> {
    if (offset + length > this.size) throw cutShort(this.size, offset + length);
    const buffer = new Uint8Array(Math.min(length, PIECE_BYTES));
    for (let done = 0; done < length; ) {
      this.#checkUnchanged(offset + length);
      const piece = buffer.subarray(0, Math.min(buffer.length, length - done));
      this.#read(piece, offset + done);
      done += piece.length;
      yield piece;
    }
  }

  /** Headers that were read before would be taken for those of other bytes. */
  #checkUnchanged(end: number): void {
    const { size, mtimeMs } = fstatSync(this.#descriptor);
    if (end > size) throw cutShort(size, end);
    if (size !== this.size || Math.abs(mtimeMs - this.#changedMs) > CLOCK_SLACK_MS) {
      throw new ImageError("corrupt", "the file was changed while it was in use: start again");
    }
  }

  #read(target: Uint8Array, offset: number): void {
    for (let done = 0; done < target.length; ) {
      let count: number;
      try {
        count = readSync(this.#descriptor, target, done, target.length - done, offset + done);
      } catch (cause) {
        const { message } = cause as Error;
        throw new ImageError("truncated", `the file cannot be read from byte ${offset + done} on (${message})`, {
          cause,
        });
      }
      if (count === 0) throw cutShort(offset + done, offset + target.length);
      done += count;
    }
  }
}

function cutShort(size: number, end: number): ImageError {
  return new ImageError("truncated", `the file has ${size} bytes, but what is read from it reaches to byte ${end}`);
}

/** Bytes themselves as a source, sources as they are. */
export function asByteSource(image: Uint8Array | ByteSource): ByteSource {
  return image instanceof Uint8Array ? new MemorySource(image) : image;
}

/**
 * Opens a file; what is no regular file, a pipe for one, is read to its end.
 * @throws the system's error if it cannot be opened or read
 */
export async function openByteSource(path: string): Promise<ByteSource> {
  if (!(await stat(path)).isFile()) return new MemorySource(await readFile(path));
  const descriptor = await promisify(open)(path, "r");
  try {
    const { size, mtimeMs } = fstatSync(descriptor);
    return new FileSource(descriptor, size, mtimeMs);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}
