// The words of a ring's pages. Pages of one ring lie anywhere in machine memory, and an entry may straddle two of them,
// so everything is moved word by word: both sides' structures are made of whole 32-bit words.

const PAGE_BYTES = 4096;
const WORDS_PER_PAGE = PAGE_BYTES / 4;
const WORDS_PER_PAGE_SHIFT = 10;

/** Offsets of the four shared indices, in words (xen/include/public/io/ring.h). */
export const REQ_PROD = 0;
export const REQ_EVENT = 1;
export const RSP_PROD = 2;
export const RSP_EVENT = 3;

/** Words before the first entry. */
const HEADER_WORDS = 16;

/** What the entries of a ring look like. `blkifRing`, `netifTxRing` and `netifRxRing` are those of Xen's drivers. */
export interface RingShape {
  readonly requestBytes: number;
  readonly responseBytes: number;
}

/** Entries of a ring, and access to them: a power of two, as many as fit behind the header. */
export class RingMemory {
  readonly size: number;
  private readonly pages: Uint32Array[];
  private readonly entryWords: number;

  /** @param pages the ring's pages in order, 4096 bytes each, at addresses that are multiples of four. */
  constructor(pages: readonly Uint8Array[], shape: RingShape) {
    for (const page of pages) {
      if (page.length !== PAGE_BYTES) throw new RangeError(`a ring's page has 4096 bytes, not ${page.length}`);
    }
    this.pages = pages.map((page) => new Uint32Array(page.buffer, page.byteOffset, WORDS_PER_PAGE));
    const entryBytes = Math.max(shape.requestBytes, shape.responseBytes);
    if (pages.length === 0 || shape.requestBytes % 4 !== 0 || shape.responseBytes % 4 !== 0 || entryBytes === 0)
      throw new RangeError("a ring has pages, and entries of whole 32-bit words");
    this.entryWords = entryBytes / 4;
    const fit = Math.floor((pages.length * WORDS_PER_PAGE - HEADER_WORDS) / this.entryWords);
    if (fit === 0) throw new RangeError(`an entry of ${entryBytes} bytes does not fit into the ring's pages`);
    this.size = 1 << (31 - Math.clz32(fit));
  }

  index(word: number): number {
    return this.pages[0][word];
  }

  setIndex(word: number, value: number): void {
    this.pages[0][word] = value;
  }

  /** Copies the entry that index `at` names, once. */
  load(at: number, into: Uint32Array): void {
    const { pages } = this;
    const first = HEADER_WORDS + (at & (this.size - 1)) * this.entryWords;
    for (let i = 0; i < into.length; i++) {
      const word = first + i;
      into[i] = pages[word >>> WORDS_PER_PAGE_SHIFT][word & (WORDS_PER_PAGE - 1)];
    }
  }

  store(at: number, from: Uint32Array): void {
    const { pages } = this;
    const first = HEADER_WORDS + (at & (this.size - 1)) * this.entryWords;
    for (let i = 0; i < from.length; i++) {
      const word = first + i;
      pages[word >>> WORDS_PER_PAGE_SHIFT][word & (WORDS_PER_PAGE - 1)] = from[i];
    }
  }
}
