// Time, chance and wires for tests.
import type { Packet } from "@xen-node/packets";
import type { NetClock } from "../src/timers.ts";

/** A clock that stands still until it is told to go on. */
export class SimulatedClock implements NetClock {
  #nowNs = 1e9;
  #sequence = 0;
  readonly #timers: { atNs: number; sequence: number; callback: () => void }[] = [];

  nowNs(): number {
    return this.#nowNs;
  }

  setTimer(callback: () => void, delayNs: number): () => void {
    const timer = { atNs: this.#nowNs + delayNs, sequence: this.#sequence++, callback };
    // In order of time; most timers are set for about now.
    let index = this.#timers.length;
    while (index > 0 && this.#timers[index - 1].atNs > timer.atNs) index--;
    this.#timers.splice(index, 0, timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
    };
  }

  get pending(): number {
    return this.#timers.length;
  }

  /** Runs what is due within `ns`; stops early when `until` holds. */
  run(ns: number, until: () => boolean = () => false): boolean {
    const end = this.#nowNs + ns;
    for (let steps = 0; steps < 1e6; steps++) {
      if (until()) return true;
      const [next] = this.#timers;
      if (next === undefined || next.atNs > end) break;
      this.#timers.shift();
      this.#nowNs = Math.max(this.#nowNs, next.atNs);
      next.callback();
    }
    if (until()) return true;
    this.#nowNs = end;
    return false;
  }
}

/** Equal seeds give equal sequences (xorshift). */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) | 1;
  }

  nextU32(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** In [0, 1). */
  fraction(): number {
    return this.nextU32() / 2 ** 32;
  }
}

export interface Trouble {
  /** Probabilities. */
  loss: number;
  duplication: number;
  reorder: number;
}

export const noTrouble: Trouble = { loss: 0, duplication: 0, reorder: 0 };

/** A wire with delay and trouble. Packets are copied. */
export class Wire {
  delivered = 0;
  readonly #clock: SimulatedClock;
  readonly #random: SeededRandom;
  readonly #trouble: Trouble;
  readonly #deliver: (packet: Packet) => void;

  constructor(clock: SimulatedClock, random: SeededRandom, trouble: Trouble, deliver: (packet: Packet) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#trouble = trouble;
    this.#deliver = deliver;
  }

  send(packet: Packet): void {
    const { loss, duplication, reorder } = this.#trouble;
    if (this.#random.fraction() < loss) return;
    const copies = this.#random.fraction() < duplication ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const copy = { ...packet, bytes: Uint8Array.from(packet.bytes) };
      const late = this.#random.fraction() < reorder ? this.#random.fraction() * 5e6 : 0;
      this.#clock.setTimer(() => {
        this.delivered++;
        this.#deliver(copy);
      }, 100e3 + late);
    }
  }
}

/** Bytes that show where they belong. */
export function pattern(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = (seed * 2654435761 + 12345) >>> 0;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}
