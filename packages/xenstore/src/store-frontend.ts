import { XENSTORE_CONNECTED, XENSTORE_RECONNECT } from "@xen-node/xen-abi";
import type { RingPage } from "./store-ring.ts";
import { CONNECTION_AT, putBytes, REQUESTS, RESPONSES, readWord, takeBytes, writeWord } from "./store-ring.ts";
import type { Message } from "./wire.ts";
import { encodeMessage, MessageReader } from "./wire.ts";

/** The domain's side of the ring, for domains written in TypeScript and for tests. It doesn't wait. */
export class StoreFrontend {
  readonly #ring: RingPage;
  readonly #reader = new MessageReader();
  #unsent: Uint8Array = new Uint8Array(0);

  constructor(ring: RingPage) {
    this.#ring = ring;
  }

  /** Whether part of a request still waits for room; `pump` sends it. */
  get sending(): boolean {
    return this.#unsent.length > 0;
  }

  /** Queues a request and sends what has room. */
  send(request: Message): void {
    const bytes = encodeMessage(request);
    const joined = new Uint8Array(this.#unsent.length + bytes.length);
    joined.set(this.#unsent);
    joined.set(bytes, this.#unsent.length);
    this.#unsent = joined;
    this.pump();
  }

  /** Sends what has room now; to be called when the store kicks. */
  pump(): void {
    const count = putBytes(this.#ring.bytes, REQUESTS, this.#unsent);
    if (count <= 0) return;
    this.#unsent = this.#unsent.slice(count);
    this.#ring.notify();
  }

  /** The next reply or watch event, if it has come whole. */
  receive(): Message | undefined {
    for (;;) {
      const bytes = takeBytes(this.#ring.bytes, RESPONSES, this.#reader.wanted);
      if (bytes === undefined || bytes.length === 0) return undefined;
      const message = this.#reader.push(bytes);
      this.#ring.notify();
      if (message === "tooLong") throw new Error("the store sent a message longer than the protocol allows");
      if (message) return message;
    }
  }

  /** Asks for a fresh start: an empty ring, no watches, no transactions. True once the store has done it. */
  reconnect(): boolean {
    this.#unsent = new Uint8Array(0);
    this.#reader.reset();
    writeWord(this.#ring.bytes, CONNECTION_AT, XENSTORE_RECONNECT);
    this.#ring.notify();
    return readWord(this.#ring.bytes, CONNECTION_AT) === XENSTORE_CONNECTED;
  }
}
