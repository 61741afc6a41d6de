// Shared indices of a ring, in words (xen/include/public/io/ring.h).
export const REQ_PROD = 0;
export const REQ_EVENT = 1;
export const RSP_PROD = 2;
export const RSP_EVENT = 3;

const HEADER_WORDS = 16;
const WORDS_PER_PAGE = 1024;

/**
 * A frontend's side of a ring, written for tests from the public header alone. It does what it is told, sensible or not;
 * `free` and `pending` are there for frontends that mean well.
 */
export class RawRing {
  readonly size: number;
  /** The next request; stays as it is between two `ask`. */
  readonly request: DataView;
  readonly response: DataView;
  /** Requests put in, in all. */
  produced = 0;
  /** Responses taken out. */
  consumed = 0;
  private published = 0;
  private readonly pages: Uint32Array[];
  private readonly requestWords: Uint32Array;
  private readonly responseWords: Uint32Array;
  private readonly entryWords: number;

  constructor(pages: readonly Uint8Array[], requestBytes: number, responseBytes: number) {
    this.pages = pages.map((page) => new Uint32Array(page.buffer, page.byteOffset, WORDS_PER_PAGE));
    this.requestWords = new Uint32Array(requestBytes / 4);
    this.responseWords = new Uint32Array(responseBytes / 4);
    this.request = new DataView(this.requestWords.buffer);
    this.response = new DataView(this.responseWords.buffer);
    this.entryWords = Math.max(requestBytes, responseBytes) / 4;
    const fit = Math.floor((pages.length * WORDS_PER_PAGE - HEADER_WORDS) / this.entryWords);
    this.size = 2 ** Math.floor(Math.log2(fit));
    this.poke(REQ_EVENT, 1);
    this.poke(RSP_EVENT, 1);
  }

  get free(): number {
    return this.size - ((this.produced - this.consumed) >>> 0);
  }

  clear(): void {
    this.requestWords.fill(0);
  }

  /** Puts `request` into the ring, whether there is room or not. Shown by `push`. */
  ask(): void {
    this.move(this.produced, this.requestWords, true);
    this.produced = (this.produced + 1) >>> 0;
  }

  /** Shows the requests. True: the backend wants an event. */
  push(): boolean {
    const before = this.published;
    this.published = this.produced;
    this.poke(REQ_PROD, this.produced);
    return (this.produced - this.peek(REQ_EVENT)) >>> 0 < (this.produced - before) >>> 0;
  }

  /** Responses that wait. Throws if the backend has answered more than it was asked. */
  pending(): number {
    const waiting = (this.peek(RSP_PROD) - this.consumed) >>> 0;
    if (waiting > (this.produced - this.consumed) >>> 0) throw new Error(`${waiting} responses to fewer requests`);
    return waiting;
  }

  /** Copies the next response into `response`; returns its index. */
  take(): number {
    const at = this.consumed;
    this.move(at, this.responseWords, false);
    this.consumed = (at + 1) >>> 0;
    return at;
  }

  peek(word: number): number {
    return this.pages[0][word];
  }

  poke(word: number, value: number): void {
    this.pages[0][word] = value;
  }

  /** Any word of any of its pages. */
  scribble(page: number, word: number, value: number): void {
    this.pages[page][word] = value;
  }

  get pageCount(): number {
    return this.pages.length;
  }

  private move(at: number, words: Uint32Array, into: boolean): void {
    const first = HEADER_WORDS + (at & (this.size - 1)) * this.entryWords;
    for (let i = 0; i < words.length; i++) {
      const page = this.pages[(first + i) >>> 10];
      const word = (first + i) & (WORDS_PER_PAGE - 1);
      if (into) page[word] = words[i];
      else words[i] = page[word];
    }
  }
}
