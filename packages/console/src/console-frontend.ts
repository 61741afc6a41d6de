import type { RingPage } from "./console-ring.ts";
import { IN_STREAM, OUT_STREAM, putBytes, takeBytes } from "./console-ring.ts";

/** The guest's side of the ring, for domains written in TypeScript and for tests. It doesn't wait: a full ring says so. */
export class ConsoleFrontend {
  readonly #ring: RingPage;

  constructor(ring: RingPage) {
    this.#ring = ring;
  }

  /** Prints what has room and returns how many bytes that was; the rest is for after the next event. -1: bad indices. */
  write(bytes: Uint8Array): number {
    const count = putBytes(this.#ring.bytes, OUT_STREAM, bytes);
    if (count > 0) this.#ring.notify();
    return count;
  }

  /** Takes all input that has come; undefined: bad indices. */
  read(): Uint8Array | undefined {
    const taken = takeBytes(this.#ring.bytes, IN_STREAM);
    if (taken && taken.length > 0) this.#ring.notify();
    return taken;
  }
}
