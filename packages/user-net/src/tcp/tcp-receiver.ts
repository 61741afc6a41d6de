// The direction guest to host of a connection: what has come, and the window for what may come.

import type { HostStream } from "../host-stream.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import { ReceiveQueue } from "./receive-queue.ts";
import { sequenceAdd, sequenceAfter } from "./sequence.ts";
import type { TcpSegment } from "./tcp-segment.ts";

/** A window that is open a little while nothing is pending, however much others hold: each connection moves on. */
const LEAST_WINDOW_BYTES = 16384;

/** After so many segments that were each answered by data, the next acknowledgment is left to the answer. */
const LEAST_ANSWERS = 4;

/** Whether an acknowledgment is due. */
export type AckNeed = "none" | "soon" | "now";

export class TcpReceiver {
  /** Next sequence number that the guest is to send. */
  expected: number;
  /** Our windows are shifted by this. */
  windowScale = 0;
  /** The guest has sent its FIN, and all before it. */
  finished = false;
  /** Payload bytes that went to the host. */
  bytes = 0;
  readonly #stream: HostStream;
  readonly #budget: MemoryBudget;
  readonly #limit: number;
  readonly #queue = new ReceiveQueue();
  #accounted = 0;
  /** End of the window as the guest knows it; it never goes back. */
  #edge: number;
  /** Where the FIN stands that came before its turn. */
  #finAt = -1;
  #unacknowledgedFull = 0;
  /** Segments with payload since data last went to the guest. */
  #unanswered = 0;
  /** Times in a row that data went to the guest after one segment of it. */
  #answers = 0;

  /** `initial`: sequence number of the guest's SYN. */
  constructor(initial: number, stream: HostStream, budget: MemoryBudget, limit: number) {
    this.expected = sequenceAdd(initial, 1);
    this.#edge = this.expected;
    this.#stream = stream;
    this.#budget = budget;
    this.#limit = limit;
  }

  /** Whether a segment lies in the window at all (RFC 9293, 3.4, table 5). */
  acceptable(segment: TcpSegment, length: number): boolean {
    const start = sequenceAfter(segment.sequence, this.expected);
    const room = sequenceAfter(this.#edge, this.expected);
    if (length === 0) return room === 0 ? start === 0 : start >= 0 && start <= room;
    if (start >= 0) return start < room;
    return start + length > 0 && (room > 0 || segment.length === 0);
  }

  /** Takes the payload and FIN of an acceptable segment. `full`: the guest's MSS. */
  receive(segment: TcpSegment, fin: boolean, full: number): AckNeed {
    let { sequence, payload, length } = segment;
    const old = sequenceAfter(this.expected, sequence);
    if (old > 0) {
      const cut = Math.min(old, length);
      payload += cut;
      length -= cut;
      sequence = sequenceAdd(sequence, old);
    }
    const room = sequenceAfter(this.#edge, sequence);
    let wholeFin = fin;
    if (length > room) {
      length = Math.max(0, room);
      wholeFin = false;
    }
    if (wholeFin && this.#finAt < 0) this.#finAt = sequenceAdd(sequence, length);
    if (length === 0 && !wholeFin) return segment.length > 0 ? "now" : "none";
    if (this.#budget.exhausted && this.#stream.pendingBytes > 0) return "now"; // dropped: it comes again

    if (sequence !== this.expected) {
      if (length > 0 && this.#queue.bytes + length <= this.#limit) {
        this.#queue.add(sequence, segment.bytes.subarray(payload, payload + length));
        this.#account();
      }
      return "now";
    }
    if (length > 0) this.#deliver(segment.bytes.subarray(payload, payload + length));
    const filled = this.#queue.bytes > 0;
    if (filled) {
      for (let next = this.#queue.take(this.expected); next !== undefined; next = this.#queue.take(this.expected))
        this.#deliver(next);
    }
    this.#account();
    if (this.#finAt === this.expected && !this.finished) {
      this.finished = true;
      this.expected = sequenceAdd(this.expected, 1);
      this.#edge = this.expected;
      this.#queue.clear();
      this.#account();
      this.#stream.end();
      return "now";
    }
    if (filled) return "now";
    this.#unacknowledgedFull += length;
    this.#unanswered++;
    if (this.#unacknowledgedFull >= 2 * full) return "now";
    // A short segment ends a message, or whoever sent it waits to send the rest (Nagle). In a dialogue the host's answer follows
    // at once, and a packet less costs a guest much less work.
    return length < full && (this.#answers < LEAST_ANSWERS || this.#unanswered > 1) ? "now" : "soon";
  }

  /** Data, and the acknowledgment with it, has gone to the guest. */
  answered(): void {
    if (this.#unanswered === 1) this.#answers++;
    else if (this.#unanswered > 1) this.#answers = 0;
    this.#unanswered = 0;
  }

  /** No data came in time to bring the acknowledgment along. */
  notAnswered(): void {
    this.#answers = 0;
  }

  /** The window field of a segment that is about to be sent; the guest will know it. */
  announce(scale = this.windowScale): number {
    // What was promised stays promised, even if the scale can't express it any more (RFC 7323, 2.4).
    const room = Math.max(this.#roomNow(), sequenceAfter(this.#edge, this.expected));
    const window = Math.min(65535, Math.floor(room / 2 ** scale));
    const edge = sequenceAdd(this.expected, window * 2 ** scale);
    if (sequenceAfter(edge, this.#edge) > 0) this.#edge = edge;
    this.#unacknowledgedFull = 0;
    return window;
  }

  /** Whether the window has opened so much that the guest should hear of it (RFC 9293, 3.8.6.2.2). */
  get windowUpdateDue(): boolean {
    if (this.finished) return false;
    const known = sequenceAfter(this.#edge, this.expected);
    const gain = this.#roomNow() - known;
    return gain >= this.#limit / 2 || (known < this.#limit / 4 && gain >= Math.min(65536, this.#limit / 4));
  }

  /** The host has taken some of what is pending. */
  taken(): void {
    this.#account();
  }

  close(): void {
    this.#queue.clear();
    this.#account();
  }

  #account(): void {
    const held = this.#stream.pendingBytes + this.#queue.bytes;
    this.#budget.change(held - this.#accounted);
    this.#accounted = held;
  }

  #roomNow(): number {
    const pending = this.#stream.pendingBytes;
    const own = Math.max(0, this.#limit - pending);
    const least = pending === 0 ? LEAST_WINDOW_BYTES : 0;
    return Math.min(own, Math.max(least, this.#budget.free));
  }

  #deliver(bytes: Uint8Array): void {
    this.expected = sequenceAdd(this.expected, bytes.length);
    this.bytes += bytes.length;
    this.#stream.write(bytes);
  }
}
