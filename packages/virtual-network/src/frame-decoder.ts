// Frames on a byte stream, each behind its length in four big-endian bytes: what QEMU's -netdev stream and passt speak.

const HEADER_BYTES = 4;

/** A frame must at least be an Ethernet header. */
const LEAST_BYTES = 14;

/** Takes a stream apart into frames. Holds at most one frame of `mostBytes`. */
export class FrameDecoder {
  readonly #mostBytes: number;
  readonly #onFrame: (frame: Uint8Array) => void;
  #header = 0;
  #headerBytes = 0;
  #body: Uint8Array | undefined;
  #filled = 0;

  /** Frames are handed out as views of the chunks where they lie in one. */
  constructor(mostBytes: number, onFrame: (frame: Uint8Array) => void) {
    this.#mostBytes = mostBytes;
    this.#onFrame = onFrame;
  }

  /** Returns what is wrong with the stream, after which it cannot be read on; undefined: nothing. */
  push(chunk: Uint8Array): string | undefined {
    let at = 0;
    while (at < chunk.length) {
      if (this.#body === undefined) {
        while (this.#headerBytes < HEADER_BYTES && at < chunk.length) {
          this.#header = ((this.#header << 8) | chunk[at++]) >>> 0;
          this.#headerBytes++;
        }
        if (this.#headerBytes < HEADER_BYTES) return undefined;
        const length = this.#header;
        if (length < LEAST_BYTES || length > this.#mostBytes)
          return `the peer announces a frame of ${length} bytes, which is not between ${LEAST_BYTES} and ${this.#mostBytes}`;
        this.#header = 0;
        this.#headerBytes = 0;
        if (chunk.length - at >= length) {
          // A plain view: slices of Node's Buffer are no copies, which those who keep packets would not expect.
          this.#onFrame(new Uint8Array(chunk.buffer, chunk.byteOffset + at, length));
          at += length;
          continue;
        }
        this.#body = new Uint8Array(length);
        this.#filled = 0;
      }
      const body = this.#body;
      const part = chunk.subarray(at, at + body.length - this.#filled);
      body.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === body.length) {
        this.#body = undefined;
        this.#onFrame(body);
      }
    }
    return undefined;
  }
}

/** Frames with their lengths in front of them, as one piece with bytes of its own. */
export function encodeFrames(frames: readonly Uint8Array[]): Uint8Array {
  let total = 0;
  for (const frame of frames) total += HEADER_BYTES + frame.length;
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const frame of frames) {
    view.setUint32(at, frame.length);
    bytes.set(frame, at + HEADER_BYTES);
    at += HEADER_BYTES + frame.length;
  }
  return bytes;
}
