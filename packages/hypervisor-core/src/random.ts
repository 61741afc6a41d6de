/** The one source of chance. */
export interface RandomSource {
  /** A uniform unsigned 32-bit number. */
  nextU32(): number;
}

/** A small seeded generator (splitmix-style finaliser over a counter): equal seeds give equal sequences. */
export class SeededRandom implements RandomSource {
  private counter: number;

  constructor(seed: number) {
    this.counter = seed | 0;
  }

  nextU32(): number {
    this.counter = (this.counter + 0x9e3779b9) | 0;
    let z = this.counter;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }
}
