import { createHmac } from "node:crypto";
import type { RandomSource } from "../options.ts";
import type { TimerQueue } from "../timers.ts";

/** Time in which the numbers go on by one: as Linux's. They outrun 15 MB/s, and a guest's minute of TIME-WAIT is half of their way round. */
const STEP_NS = 64;
const SECRET_WORDS = 4;

/**
 * The first sequence numbers of connections (RFC 6528): a clock, from a start of each flow's own that nobody can guess. A
 * connection begins behind what the one before it between the same ports sent, so that a guest which still remembers that
 * one, in TIME-WAIT, takes the SYN for a new one (RFC 9293, 3.10.7.4). Numbers by chance alone are refused half of the time.
 */
export class InitialSequence {
  readonly #secret: Uint32Array;
  readonly #timers: TimerQueue;

  constructor(random: RandomSource, timers: TimerQueue) {
    this.#secret = Uint32Array.from({ length: SECRET_WORDS }, () => random.nextU32());
    this.#timers = timers;
  }

  /** For a flow's key. */
  of(key: Uint8Array): number {
    const start = createHmac("sha256", this.#secret).update(key).digest().readUInt32LE(0);
    return (start + Math.floor(this.#timers.nowNs() / STEP_NS)) % 2 ** 32;
  }
}
