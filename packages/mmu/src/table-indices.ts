const LEVELS = 4;
const INDICES = 512;
const WORDS_PER_LEVEL = INDICES / 32;
const WORDS = LEVELS * WORDS_PER_LEVEL;

/** Index of an address, given as its low and high 32 bits, in its table of a level (1-4). */
export function indexInTable(lo: number, hi: number, level: number): number {
  switch (level) {
    case 1:
      return (lo >>> 12) & 0x1ff;
    case 2:
      return (lo >>> 21) & 0x1ff;
    case 3:
      return ((hi & 0x7f) << 2) | (lo >>> 30);
    default:
      return (hi >>> 7) & 0x1ff;
  }
}

/** Sets of indices in tables of the four levels, a number of them: which entries of tables lie above some addresses. */
export class TableIndices {
  private readonly bits: Uint32Array;

  constructor(sets: number) {
    this.bits = new Uint32Array(sets * WORDS);
  }

  add(set: number, lo: number, hi: number): void {
    const { bits } = this;
    for (let level = 1; level <= LEVELS; level++) {
      const index = indexInTable(lo, hi, level);
      bits[set * WORDS + (level - 1) * WORDS_PER_LEVEL + (index >>> 5)] |= 1 << (index & 31);
    }
  }

  has(set: number, level: number, index: number): boolean {
    return ((this.bits[set * WORDS + (level - 1) * WORDS_PER_LEVEL + (index >>> 5)] >>> (index & 31)) & 1) !== 0;
  }

  /** 32 indices of a level as bits, from `32 * part` on. */
  part(set: number, level: number, part: number): number {
    return this.bits[set * WORDS + (level - 1) * WORDS_PER_LEVEL + part];
  }

  delete(set: number, level: number, index: number): void {
    this.bits[set * WORDS + (level - 1) * WORDS_PER_LEVEL + (index >>> 5)] &= ~(1 << (index & 31));
  }

  copy(from: number, to: number): void {
    this.bits.copyWithin(to * WORDS, from * WORDS, (from + 1) * WORDS);
  }

  clear(set: number): void {
    this.bits.fill(0, set * WORDS, (set + 1) * WORDS);
  }
}
