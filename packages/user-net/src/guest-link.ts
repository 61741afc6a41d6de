import type { Packet } from "@xen-node/packets";
import { NS_PER_MS, type Timer, type TimerQueue } from "./timers.ts";

/** Somebody who keeps what had no room and goes on when there is some. */
export interface RoomWaiter {
  roomForPackets(): void;
}

/** How long a refusal is believed if nobody calls `ready`. */
const RETRY_NS = 50 * NS_PER_MS;

/** The way to the guests. Remembers a refusal until there is room, and serves those who wait in turn. */
export class GuestLink {
  /** Packets and bytes that were taken, and datagrams that weren't kept. */
  packets = 0;
  bytes = 0;
  dropped = 0;
  /** A packet is being handed over: what the guests answer meanwhile must wait. */
  sending = false;
  readonly #send: (packet: Packet) => boolean;
  readonly #queueLimit: number;
  readonly #retry: Timer;
  readonly #queue: Packet[] = [];
  readonly #waiters = new Set<RoomWaiter>();
  #blocked = false;
  #closed = false;
  #readyWhileSending = false;

  /** `queueLimit`: packets that are no TCP and wait for room. */
  constructor(send: (packet: Packet) => boolean, timers: TimerQueue, queueLimit: number) {
    this.#send = send;
    this.#queueLimit = queueLimit;
    this.#retry = timers.timer(() => this.ready());
  }

  get blocked(): boolean {
    return this.#blocked;
  }

  /** False: no room; the sender keeps it and may `wait`. The packet's bytes are the sender's again afterwards. */
  trySend(packet: Packet): boolean {
    if (this.#closed) return true;
    if (this.#blocked) return false;
    return this.#hand(packet);
  }

  /** Sends a packet whose bytes nobody changes any more; without room it waits in a bounded queue. */
  sendOrQueue(packet: Packet): void {
    if (this.trySend(packet)) return;
    if (this.#queue.length >= this.#queueLimit) this.dropped++;
    else this.#queue.push(packet);
  }

  wait(waiter: RoomWaiter): void {
    this.#waiters.add(waiter);
  }

  forget(waiter: RoomWaiter): void {
    this.#waiters.delete(waiter);
  }

  /** There is room again. */
  ready(): void {
    if (this.#closed) return;
    if (this.sending) {
      this.#readyWhileSending = true;
      return;
    }
    this.#blocked = false;
    this.#retry.disarm();
    let sent = 0;
    while (sent < this.#queue.length && this.#hand(this.#queue[sent])) sent++;
    this.#queue.splice(0, sent);
    // Each of those who wait now gets a turn; who is refused again waits behind the others.
    for (let turns = this.#waiters.size; turns > 0 && !this.#blocked; turns--) {
      const [waiter] = this.#waiters;
      if (waiter === undefined) break;
      this.#waiters.delete(waiter);
      waiter.roomForPackets();
    }
  }

  close(): void {
    this.#closed = true;
    this.#retry.dispose();
    this.#queue.length = 0;
    this.#waiters.clear();
  }

  #hand(packet: Packet): boolean {
    let taken = false;
    const nested = this.sending;
    this.sending = true;
    try {
      taken = this.#send(packet);
    } finally {
      this.sending = nested;
    }
    if (taken) {
      this.packets++;
      this.bytes += packet.bytes.length;
    } else {
      this.#blocked = true;
      this.#retry.arm(this.#readyWhileSending ? 0 : RETRY_NS);
    }
    this.#readyWhileSending = false;
    return taken;
  }
}
