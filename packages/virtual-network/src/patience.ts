/** Each packet that a receiver takes shows that it is slow, not gone. */
const PER_PACKET_NS = 1e6;

/**
 * How long others wait for a receiver that has no room. A sender's queue stands still for that time, also for its packets to
 * others, so a receiver can't have it for nothing: time to wait is spent by refusing, and comes back by taking packets and
 * with the time between.
 */
export class Patience {
  readonly #mostNs: number;
  #balanceNs: number;
  #lastNs = 0;
  #sinceNs = -1;

  constructor(mostNs: number) {
    this.#mostNs = mostNs;
    this.#balanceNs = mostNs;
  }

  /** The receiver has refused. Returns how much longer others wait for it; not above 0: no longer. */
  refuse(nowNs: number): number {
    if (this.#sinceNs < 0) {
      this.#balanceNs = Math.min(this.#mostNs, this.#balanceNs + (nowNs - this.#lastNs));
      this.#sinceNs = nowNs;
    }
    return this.#sinceNs + this.#balanceNs - nowNs;
  }

  /** The receiver has taken a packet. */
  progress(): void {
    if (this.#balanceNs < this.#mostNs) this.#balanceNs = Math.min(this.#mostNs, this.#balanceNs + PER_PACKET_NS);
  }

  /** The receiver says that it has room. */
  end(nowNs: number): void {
    if (this.#sinceNs >= 0) this.#balanceNs = Math.max(0, this.#balanceNs - (nowNs - this.#sinceNs));
    this.#sinceNs = -1;
    this.#lastNs = nowNs;
  }
}
