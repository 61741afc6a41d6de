// Scatter-gather lists: a request's bytes lie in several buffers, and a disk serves them in pieces of its own.

/** Hands out a list's bytes from the front, as views. */
export class BufferCursor {
  #buffers: readonly Uint8Array[];
  #index = 0;
  #skip = 0;

  constructor(buffers: readonly Uint8Array[]) {
    this.#buffers = buffers;
  }

  /** The next `lengthBytes` bytes. The caller never asks for more than is left. */
  take(lengthBytes: number): Uint8Array[] {
    const views: Uint8Array[] = [];
    let left = lengthBytes;
    while (left > 0) {
      const buffer = this.#buffers[this.#index];
      const size = Math.min(left, buffer.byteLength - this.#skip);
      if (size > 0) {
        views.push(size === buffer.byteLength ? buffer : buffer.subarray(this.#skip, this.#skip + size));
      }
      left -= size;
      this.#skip += size;
      if (this.#skip === buffer.byteLength) {
        this.#index++;
        this.#skip = 0;
      }
    }
    return views;
  }
}

/** The list without its first `skipBytes` bytes. */
export function dropBytes(buffers: readonly Uint8Array[], skipBytes: number): Uint8Array[] {
  let index = 0;
  let skip = skipBytes;
  while (index < buffers.length && skip >= buffers[index].byteLength) skip -= buffers[index++].byteLength;
  const rest = buffers.slice(index);
  if (skip > 0 && rest.length > 0) rest[0] = rest[0].subarray(skip);
  return rest;
}

export function listBytes(buffers: readonly Uint8Array[]): number {
  let bytes = 0;
  for (let i = 0; i < buffers.length; i++) bytes += buffers[i].byteLength;
  return bytes;
}

export function fillZero(buffers: readonly Uint8Array[]): void {
  for (let i = 0; i < buffers.length; i++) buffers[i].fill(0);
}

/** Copies `source` over the list's first bytes. */
export function scatter(source: Uint8Array, buffers: readonly Uint8Array[]): void {
  let at = 0;
  for (const buffer of buffers) {
    buffer.set(source.subarray(at, at + buffer.byteLength));
    at += buffer.byteLength;
  }
}

/** Copies the list's bytes into `target`. */
export function gather(buffers: readonly Uint8Array[], target: Uint8Array): void {
  let at = 0;
  for (const buffer of buffers) {
    target.set(buffer, at);
    at += buffer.byteLength;
  }
}

const ZEROS = new Uint8Array(1 << 18);

/** Buffers of `lengthBytes` zeros in all; they are shared, so nobody writes to them. */
export function zeroBuffers(lengthBytes: number): Uint8Array[] {
  const buffers: Uint8Array[] = [];
  for (let left = lengthBytes; left > 0; left -= ZEROS.byteLength) {
    buffers.push(left >= ZEROS.byteLength ? ZEROS : ZEROS.subarray(0, left));
  }
  return buffers;
}
