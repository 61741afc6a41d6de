// The host's end of TCP: node's sockets as HostStream.

import { connect, type Socket } from "node:net";
import type { HostStream, HostStreamEvents, OpenHostStream } from "./host-stream.ts";

const BLOCK_BYTES = 65536;
/**
 * Payload from this size on goes to the socket by itself. Smaller ones wait for each other until the turn ends, and for
 * the socket to have taken what it was given, so that few blocks are ever held that aren't full.
 */
const LARGE_BYTES = 32768;

/** Blocks that came back from sockets, so that a fast stream doesn't allocate. */
export class BlockPool {
  readonly #blocks: Uint8Array[] = [];
  readonly #most: number;

  constructor(most = 64) {
    this.#most = most;
  }

  take(): Uint8Array {
    return this.#blocks.pop() ?? new Uint8Array(BLOCK_BYTES);
  }

  give(block: Uint8Array): void {
    if (this.#blocks.length < this.#most) this.#blocks.push(block);
  }
}

/** All sockets of a network, for its end. */
export type SocketSet = Set<{ destroy(): void }>;

/** A socket that is connected, or is about to be, as a stream. */
export class SocketStream implements HostStream {
  readonly #socket: Socket;
  readonly #pool: BlockPool;
  readonly #events: HostStreamEvents;
  #pending = 0;
  #block: Uint8Array | undefined;
  #fill = 0;
  #flushing = false;
  #writes = 0;
  #closed = false;
  #ending = false;
  #error: { code: string } | undefined;

  constructor(socket: Socket, pool: BlockPool, sockets: SocketSet, events: HostStreamEvents) {
    this.#socket = socket;
    this.#pool = pool;
    this.#events = events;
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("connect", () => events.connected());
    socket.on("data", (bytes: Buffer) => events.data(bytes));
    socket.on("end", () => events.ended());
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#error = { code: error.code ?? "EIO" };
    });
    socket.on("close", () => {
      this.#closed = true;
      this.#pending = 0;
      this.#block = undefined;
      sockets.delete(socket);
      events.closed(this.#error);
    });
  }

  get pendingBytes(): number {
    return this.#pending;
  }

  write(bytes: Uint8Array): void {
    if (this.#closed || this.#ending) return;
    this.#pending += bytes.length;
    if (bytes.length >= LARGE_BYTES && bytes.length <= BLOCK_BYTES) {
      this.#flush();
      const block = this.#pool.take();
      block.set(bytes);
      this.#send(block, bytes.length);
      return;
    }
    for (let at = 0; at < bytes.length; ) {
      this.#block ??= this.#pool.take();
      const count = Math.min(bytes.length - at, BLOCK_BYTES - this.#fill);
      this.#block.set(bytes.subarray(at, at + count), this.#fill);
      this.#fill += count;
      at += count;
      if (this.#fill === BLOCK_BYTES) this.#flush();
    }
    if (this.#fill > 0 && !this.#flushing) {
      this.#flushing = true;
      process.nextTick(() => {
        this.#flushing = false;
        if (this.#writes === 0) this.#flush();
      });
    }
  }

  end(): void {
    if (this.#ending) return;
    this.#flush();
    this.#ending = true;
    this.#socket.end();
  }

  abort(): void {
    if (this.#socket.connecting) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  #flush(): void {
    const block = this.#block;
    if (block === undefined) return;
    const count = this.#fill;
    this.#block = undefined;
    this.#fill = 0;
    this.#send(block, count);
  }

  #send(block: Uint8Array, count: number): void {
    if (this.#closed) return;
    this.#writes++;
    this.#socket.write(block.subarray(0, count), (error) => {
      this.#writes--;
      if (this.#closed) return;
      this.#pending -= count;
      // After an error the system may still hold the block.
      if (error === null || error === undefined) this.#pool.give(block);
      if (this.#writes === 0) this.#flush();
      this.#events.taken();
    });
  }
}

/** A connection to `address`:`port`, made when a guest asks for it. */
export const hostConnection =
  (address: string, port: number, pool: BlockPool, sockets: SocketSet): OpenHostStream =>
  (events) =>
    new SocketStream(connect({ host: address, port, allowHalfOpen: true }), pool, sockets, events);
