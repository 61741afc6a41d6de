import { NS_PER_SECOND } from "./timers.ts";

/** A token bucket: `perSecond` on average, `burst` at once. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #lastNs = 0;

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** Whether one more is allowed now. */
  take(nowNs: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowNs - this.#lastNs) / NS_PER_SECOND) * this.#perSecond);
    this.#lastNs = nowNs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
