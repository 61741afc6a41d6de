// Which pages of a file the host's cache can be expected to hold: those that this process has read or written not long ago.

const PAGE_BYTES = 4096;
/** Pages in a part of a set, 128 MiB of the file: a part exists only where something was noted. */
const PAGES_PER_PART = 1 << 15;
/** A part takes 4 KiB, however little of it is in the set; this many cover 128 GiB. */
const MOST_PARTS = 1024;

/** A set of pages by number. */
class PageSet {
  /** Pages in the set. */
  count = 0;
  readonly #parts = new Map<number, Uint8Array>();

  get isFull(): boolean {
    return this.#parts.size >= MOST_PARTS;
  }

  has(page: number): boolean {
    const part = this.#parts.get(Math.floor(page / PAGES_PER_PART));
    return part !== undefined && (part[(page % PAGES_PER_PART) >>> 3] & (1 << (page & 7))) !== 0;
  }

  add(page: number): void {
    if (this.has(page)) return;
    const index = Math.floor(page / PAGES_PER_PART);
    let part = this.#parts.get(index);
    if (part === undefined) this.#parts.set(index, (part = new Uint8Array(PAGES_PER_PART / 8)));
    part[(page % PAGES_PER_PART) >>> 3] |= 1 << (page & 7);
    this.count++;
  }

  delete(page: number): void {
    if (!this.has(page)) return;
    const part = this.#parts.get(Math.floor(page / PAGES_PER_PART));
    if (part !== undefined) part[(page % PAGES_PER_PART) >>> 3] &= ~(1 << (page & 7));
    this.count--;
  }
}

/**
 * Remembers at least the last half of `mostBytes`, at most all of them, and forgets what was noted longest ago. Of a disk that is
 * touched here and there over more than 128 GiB it remembers less.
 */
export class RecentPages {
  readonly #mostPages: number;
  #newer = new PageSet();
  #older = new PageSet();

  constructor(mostBytes: number) {
    this.#mostPages = Math.max(2, Math.floor(mostBytes / PAGE_BYTES));
  }

  /** All pages that the range touches: what the host does to a part of a page it does to all of it. */
  note(position: number, lengthBytes: number): void {
    const end = (position + lengthBytes) / PAGE_BYTES;
    for (let page = Math.floor(position / PAGE_BYTES); page < end; page++) {
      this.#newer.add(page);
      if (this.#newer.count < this.#mostPages / 2 && !this.#newer.isFull) continue;
      this.#older = this.#newer;
      this.#newer = new PageSet();
    }
  }

  /** Whether all pages that the range touches are remembered. */
  has(position: number, lengthBytes: number): boolean {
    const end = (position + lengthBytes) / PAGE_BYTES;
    for (let page = Math.floor(position / PAGE_BYTES); page < end; page++)
      if (!this.#newer.has(page) && !this.#older.has(page)) return false;
    return true;
  }

  forget(position: number, lengthBytes: number): void {
    if (this.#newer.count + this.#older.count === 0) return;
    const end = (position + lengthBytes) / PAGE_BYTES;
    // A range longer than what is remembered: forgetting all is quicker, and right.
    if (end - position / PAGE_BYTES > this.#mostPages) this.forgetAll();
    else
      for (let page = Math.floor(position / PAGE_BYTES); page < end; page++) {
        this.#newer.delete(page);
        this.#older.delete(page);
      }
  }

  forgetAll(): void {
    this.#newer = new PageSet();
    this.#older = new PageSet();
  }
}
