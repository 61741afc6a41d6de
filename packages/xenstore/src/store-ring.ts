// The shared page of xenstore, xen/include/public/io/xs_wire.h: two byte rings with free-running indices, and three words.
// Nothing in the page is trusted. Indices are read once an operation, then checked, as xenstored does.

import { structs, XENSTORE_RING_SIZE } from "@xen-node/xen-abi";

const at = structs.xenstore_domain_interface.offsets;

/** A page shared with a domain, and the event channel that goes with it. */
export interface RingPage {
  /** The 4 KiB page itself, live. Read anew for every operation, so it may be a getter. */
  readonly bytes: Uint8Array;
  /** Kicks the peer's end of the event channel. */
  notify(): void;
}

/** One direction of the ring: where its bytes and its two indices lie in the page. */
export interface StoreStream {
  readonly base: number;
  readonly consumerAt: number;
  readonly producerAt: number;
}

/** Guest to store. */
export const REQUESTS: StoreStream = { base: at.req, consumerAt: at.req_cons, producerAt: at.req_prod };

/** Store to guest. */
export const RESPONSES: StoreStream = { base: at.rsp, consumerAt: at.rsp_cons, producerAt: at.rsp_prod };

export const SERVER_FEATURES_AT = at.server_features;
export const CONNECTION_AT = at.connection;
export const ERROR_AT = at.error;

export const readWord = (page: Uint8Array, at: number): number =>
  (page[at] | (page[at + 1] << 8) | (page[at + 2] << 16) | (page[at + 3] << 24)) >>> 0;

export function writeWord(page: Uint8Array, at: number, value: number): void {
  page[at] = value;
  page[at + 1] = value >>> 8;
  page[at + 2] = value >>> 16;
  page[at + 3] = value >>> 24;
}

/** Bytes that wait in `stream`; -1 if the indices claim more than a ring holds. */
export function waitingBytes(page: Uint8Array, stream: StoreStream): number {
  const used = (readWord(page, stream.producerAt) - readWord(page, stream.consumerAt)) >>> 0;
  return used > XENSTORE_RING_SIZE ? -1 : used;
}

/** Takes at most `max` bytes, as a copy. Undefined if the indices are impossible; then nothing is consumed. */
export function takeBytes(page: Uint8Array, stream: StoreStream, max: number): Uint8Array | undefined {
  const consumer = readWord(page, stream.consumerAt);
  const used = (readWord(page, stream.producerAt) - consumer) >>> 0;
  if (used > XENSTORE_RING_SIZE) return undefined;
  const count = Math.min(used, max);
  const start = consumer & (XENSTORE_RING_SIZE - 1);
  const first = Math.min(count, XENSTORE_RING_SIZE - start);
  const taken = new Uint8Array(count);
  taken.set(page.subarray(stream.base + start, stream.base + start + first));
  taken.set(page.subarray(stream.base, stream.base + count - first), first);
  // Only now may the producer overwrite them.
  writeWord(page, stream.consumerAt, (consumer + count) >>> 0);
  return taken;
}

/** Puts as many of `bytes` as there is room for and returns how many. -1 if the indices are impossible. */
export function putBytes(page: Uint8Array, stream: StoreStream, bytes: Uint8Array): number {
  const producer = readWord(page, stream.producerAt);
  const used = (producer - readWord(page, stream.consumerAt)) >>> 0;
  if (used > XENSTORE_RING_SIZE) return -1;
  const count = Math.min(bytes.length, XENSTORE_RING_SIZE - used);
  const start = producer & (XENSTORE_RING_SIZE - 1);
  const first = Math.min(count, XENSTORE_RING_SIZE - start);
  page.set(bytes.subarray(0, first), stream.base + start);
  page.set(bytes.subarray(first, count), stream.base);
  // The bytes must be in place before the index says so.
  writeWord(page, stream.producerAt, (producer + count) >>> 0);
  return count;
}
