import { REQ_EVENT, REQ_PROD, RingMemory, type RingShape, RSP_EVENT, RSP_PROD } from "./ring-memory.ts";

/** The frontend's side of a shared ring, for guests written in TypeScript and for tests. */
export class FrontRing {
  /** To be filled before `ask`. Not cleared in between. */
  readonly request: DataView;
  /** The copy of the response that `take` took last. */
  readonly response: DataView;
  private readonly memory: RingMemory;
  private readonly requestWords: Uint32Array;
  private readonly responseWords: Uint32Array;
  private consumed = 0;
  private produced = 0;
  private published = 0;

  /** Initialises the pages' indices; `pages` are to be zero before. */
  constructor(pages: readonly Uint8Array[], shape: RingShape) {
    this.memory = new RingMemory(pages, shape);
    this.requestWords = new Uint32Array(shape.requestBytes / 4);
    this.responseWords = new Uint32Array(shape.responseBytes / 4);
    this.request = new DataView(this.requestWords.buffer);
    this.response = new DataView(this.responseWords.buffer);
    this.memory.setIndex(REQ_PROD, 0);
    this.memory.setIndex(RSP_PROD, 0);
    this.memory.setIndex(REQ_EVENT, 1);
    this.memory.setIndex(RSP_EVENT, 1);
  }

  get size(): number {
    return this.memory.size;
  }

  /** Requests that have room. */
  get free(): number {
    return this.memory.size - ((this.produced - this.consumed) >>> 0);
  }

  /** Index of the entry that the next request will get. */
  get nextIndex(): number {
    return this.produced;
  }

  /** Puts `request` into the ring. The backend sees it after `push`. */
  ask(): void {
    if (this.free === 0) throw new RangeError("the ring is full");
    this.memory.store(this.produced, this.requestWords);
    this.produced = (this.produced + 1) >>> 0;
  }

  /** Shows the requests to the backend. True: it asked for an event at one of them. */
  push(): boolean {
    const before = this.published;
    const now = this.produced;
    if (before === now) return false;
    this.published = now;
    this.memory.setIndex(REQ_PROD, now);
    return (now - this.memory.index(REQ_EVENT)) >>> 0 < (now - before) >>> 0;
  }

  /** Responses that wait; -1 if the backend's index is impossible. */
  pending(): number {
    const waiting = (this.memory.index(RSP_PROD) - this.consumed) >>> 0;
    return waiting > (this.published - this.consumed) >>> 0 ? -1 : waiting;
  }

  /** Copies the next response into `response`; returns the index of its entry. */
  take(): number {
    const at = this.consumed;
    this.memory.load(at, this.responseWords);
    this.consumed = (at + 1) >>> 0;
    return at;
  }

  /** As BackRing's: asks for an event at the next response and looks again. */
  finalCheck(): boolean {
    if (this.pending() !== 0) return true;
    this.memory.setIndex(RSP_EVENT, (this.consumed + 1) >>> 0);
    return this.pending() !== 0;
  }
}
