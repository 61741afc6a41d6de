import { REQ_EVENT, REQ_PROD, RingMemory, type RingShape, RSP_EVENT, RSP_PROD } from "./ring-memory.ts";

/**
 * The backend's side of a shared ring (xen/include/public/io/ring.h). The frontend may write anything anywhere in it at
 * any time: each request is copied once, by `take`, and only the copy is looked at; its indices are checked at each look.
 */
export class BackRing {
  /** The copy of the request that `take` took last. Little-endian; live until the next `take`. */
  readonly request: DataView;
  /** To be filled before `respond`. Not cleared in between. */
  readonly response: DataView;
  private readonly memory: RingMemory;
  private readonly requestWords: Uint32Array;
  private readonly responseWords: Uint32Array;
  private consumed: number;
  private produced: number;
  private published: number;

  /**
   * @param pages the mapped pages, in order.
   * @param resumeAt index of the first request to be taken, for a ring that another backend served before (its rsp_prod);
   *   by default a ring begins at 0.
   */
  constructor(pages: readonly Uint8Array[], shape: RingShape, resumeAt = 0) {
    this.memory = new RingMemory(pages, shape);
    this.requestWords = new Uint32Array(shape.requestBytes / 4);
    this.responseWords = new Uint32Array(shape.responseBytes / 4);
    this.request = new DataView(this.requestWords.buffer);
    this.response = new DataView(this.responseWords.buffer);
    this.consumed = resumeAt >>> 0;
    this.produced = this.consumed;
    this.published = this.consumed;
  }

  /** Entries of the ring. */
  get size(): number {
    return this.memory.size;
  }

  /** Requests taken and not answered. */
  get outstanding(): number {
    return (this.consumed - this.produced) >>> 0;
  }

  /**
   * Requests that may be taken now; -1 if the frontend's index is impossible (more requests than the ring has entries
   * free): the backend should let go of such a frontend.
   */
  pending(): number {
    const producer = this.memory.index(REQ_PROD);
    if ((producer - this.produced) >>> 0 > this.memory.size) return -1;
    const waiting = (producer - this.consumed) | 0;
    return waiting < 0 ? -1 : waiting;
  }

  /** Copies the next request into `request`. To be called only as often as `pending` allowed. */
  take(): void {
    this.memory.load(this.consumed, this.requestWords);
    this.consumed = (this.consumed + 1) >>> 0;
  }

  /** Looks at a request further on without taking it: `ahead` 0 is the next. Copied into `request`. */
  peek(ahead: number): void {
    this.memory.load((this.consumed + ahead) >>> 0, this.requestWords);
  }

  /**
   * To be called when no request is left: asks for an event at the next one, and looks again, since one may have come in
   * between. True: there is more to take.
   */
  finalCheck(): boolean {
    if (this.pending() !== 0) return true;
    this.memory.setIndex(REQ_EVENT, (this.consumed + 1) >>> 0);
    return this.pending() !== 0;
  }

  /** Asks for an event only when `count` requests wait, for a backend that can't go on with less. */
  expect(count: number): void {
    this.memory.setIndex(REQ_EVENT, (this.consumed + count) >>> 0);
  }

  /** Puts `response` into the ring. The frontend sees it after `push`. At most one for each request taken. */
  respond(): void {
    if (this.produced === this.consumed) throw new RangeError("a response without a request");
    this.memory.store(this.produced, this.responseWords);
    this.produced = (this.produced + 1) >>> 0;
  }

  /** Shows the responses to the frontend. True: it asked for an event at one of them. */
  push(): boolean {
    const before = this.published;
    const now = this.produced;
    if (before === now) return false;
    this.published = now;
    // The responses stand in the ring before the index says so: JavaScript runs nothing of the guest in between.
    this.memory.setIndex(RSP_PROD, now);
    return (now - this.memory.index(RSP_EVENT)) >>> 0 < (now - before) >>> 0;
  }
}
