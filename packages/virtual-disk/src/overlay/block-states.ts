// Where each block of an overlay comes from: two bits a block.

export const BLOCK_BASE = 0;
export const BLOCK_DATA = 1;
export const BLOCK_ZERO = 2;

export type BlockState = typeof BLOCK_BASE | typeof BLOCK_DATA | typeof BLOCK_ZERO;

const PAGE_BYTES = 4096;

export class BlockStates {
  readonly bytes: Uint8Array;
  /** Pages of `bytes` that changed since they were last taken. */
  #dirtyPages = new Set<number>();

  /** `bytes` are kept, not copied. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  static bytesFor(blocks: number): number {
    return Math.ceil(blocks / 4);
  }

  /** The value 3, which nobody writes, counts as zeros. */
  get(block: number): BlockState {
    const state = (this.bytes[Math.floor(block / 4)] >> ((block % 4) * 2)) & 3;
    return state === BLOCK_BASE || state === BLOCK_DATA ? state : BLOCK_ZERO;
  }

  set(block: number, state: BlockState): void {
    const at = Math.floor(block / 4);
    const shift = (block % 4) * 2;
    const byte = (this.bytes[at] & ~(3 << shift)) | (state << shift);
    if (byte === this.bytes[at]) return;
    this.bytes[at] = byte;
    this.#dirtyPages.add(Math.floor(at / PAGE_BYTES));
  }

  /** Copies of the changed pages, which count as unchanged from now on. */
  takeDirty(): { offset: number; bytes: Uint8Array }[] {
    const pages = [...this.#dirtyPages].map((page) => ({
      offset: page * PAGE_BYTES,
      bytes: this.bytes.slice(page * PAGE_BYTES, (page + 1) * PAGE_BYTES),
    }));
    this.#dirtyPages.clear();
    return pages;
  }

  /** After a failure to store them. */
  putBackDirty(pages: readonly { offset: number }[]): void {
    for (const { offset } of pages) this.#dirtyPages.add(offset / PAGE_BYTES);
  }
}
