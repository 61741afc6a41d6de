import { SeededRandom } from "../../src/index.ts";

/** A 64-bit word as unsigned halves. */
export interface Word {
  lo: number;
  hi: number;
}

/** Draws from one seeded source: equal seeds make equal runs. */
export class Draw {
  private readonly random: SeededRandom;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  u32(): number {
    return this.random.nextU32();
  }

  /** 0 to `n` - 1. */
  below(n: number): number {
    return this.random.nextU32() % n;
  }

  /** True once in `n` draws. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }

  /** One of the values, each as often as its weight says. */
  weighted<T>(choices: readonly (readonly [weight: number, value: T])[]): T {
    let left = this.below(choices.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, value] of choices) {
      left -= weight;
      if (left < 0) return value;
    }
    return choices[0][1];
  }

  /** How many records a list has: mostly few, at times none or very many. */
  count(most: number): number {
    const kind = this.below(40);
    if (kind === 0) return 0;
    if (kind === 1) return most;
    return 1 + this.below(Math.min(most, kind < 30 ? 4 : 40));
  }
}

/** A number, or a signed address, as a 64-bit word. */
export function wordOf(value: number): Word {
  return { lo: value >>> 0, hi: Math.floor(value / 0x100000000) >>> 0 };
}
