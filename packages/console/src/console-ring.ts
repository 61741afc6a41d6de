// The shared page of a PV console, xen/include/public/io/console.h: two byte rings with free-running indices.
// Nothing in the page is trusted. Indices are read once an operation, then checked, as xenconsoled does.

import { structs, XENCONS_IN_SIZE, XENCONS_OUT_SIZE } from "@xen-node/xen-abi";

const at = structs.xencons_interface.offsets;

/** A page shared with a domain, and the event channel that goes with it. */
export interface RingPage {
  /** The 4 KiB page itself, live. Read anew for every operation, so it may be a getter. */
  readonly bytes: Uint8Array;
  /** Kicks the peer's end of the event channel. */
  notify(): void;
}

/** One direction of the ring: where its bytes and its two indices lie in the page. */
export interface ConsoleStream {
  readonly base: number;
  readonly size: number;
  readonly consumerAt: number;
  readonly producerAt: number;
}

/** Guest to backend. */
export const OUT_STREAM: ConsoleStream = {
  base: at.out,
  size: XENCONS_OUT_SIZE,
  consumerAt: at.out_cons,
  producerAt: at.out_prod,
};

/** Backend to guest. */
export const IN_STREAM: ConsoleStream = {
  base: at.in,
  size: XENCONS_IN_SIZE,
  consumerAt: at.in_cons,
  producerAt: at.in_prod,
};

const readIndex = (page: Uint8Array, at: number) =>
  (page[at] | (page[at + 1] << 8) | (page[at + 2] << 16) | (page[at + 3] << 24)) >>> 0;

function writeIndex(page: Uint8Array, at: number, value: number): void {
  page[at] = value;
  page[at + 1] = value >>> 8;
  page[at + 2] = value >>> 16;
  page[at + 3] = value >>> 24;
}

/**
 * Takes every byte that waits in `stream`, as a copy.
 * Returns undefined if the indices claim more bytes than the ring holds; then nothing is consumed.
 */
export function takeBytes(page: Uint8Array, stream: ConsoleStream): Uint8Array | undefined {
  const consumer = readIndex(page, stream.consumerAt);
  const producer = readIndex(page, stream.producerAt);
  const used = (producer - consumer) >>> 0;
  if (used > stream.size) return undefined;
  const taken = new Uint8Array(used);
  const start = consumer & (stream.size - 1);
  const first = Math.min(used, stream.size - start);
  taken.set(page.subarray(stream.base + start, stream.base + start + first));
  taken.set(page.subarray(stream.base, stream.base + used - first), first);
  // Only now may the producer overwrite them.
  writeIndex(page, stream.consumerAt, producer);
  return taken;
}

/**
 * Puts as many of `bytes` into `stream` as it has room for, and returns how many.
 * Returns -1 if the indices are impossible; then nothing is written.
 */
export function putBytes(page: Uint8Array, stream: ConsoleStream, bytes: Uint8Array): number {
  const consumer = readIndex(page, stream.consumerAt);
  const producer = readIndex(page, stream.producerAt);
  const used = (producer - consumer) >>> 0;
  if (used > stream.size) return -1;
  const count = Math.min(bytes.length, stream.size - used);
  const start = producer & (stream.size - 1);
  const first = Math.min(count, stream.size - start);
  page.set(bytes.subarray(0, first), stream.base + start);
  page.set(bytes.subarray(first, count), stream.base);
  // The bytes must be in place before the index says so.
  writeIndex(page, stream.producerAt, (producer + count) >>> 0);
  return count;
}

/** Tells the frontend whether anybody serves the ring (XENCONSOLE_CONNECTED, XENCONSOLE_DISCONNECTED). */
export function setConnection(page: Uint8Array, value: number): void {
  page[at.connection] = value;
}
