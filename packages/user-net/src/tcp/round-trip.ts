import { NS_PER_MS, NS_PER_SECOND } from "../timers.ts";

const FIRST_NS = NS_PER_SECOND;
/** Below the second of RFC 6298, as all systems have it: the path is a virtual wire, but the guest may delay its ACKs. */
const LEAST_NS = 300 * NS_PER_MS;
const MOST_NS = 60 * NS_PER_SECOND;
/** Granularity of the host's timers. */
const GRANULARITY_NS = NS_PER_MS;

/** Retransmission time-out, RFC 6298. */
export class RoundTrip {
  #smoothedNs = 0;
  #variationNs = 0;
  #timeoutNs = FIRST_NS;

  get timeoutNs(): number {
    return this.#timeoutNs;
  }

  sample(ns: number): void {
    if (this.#smoothedNs === 0) {
      this.#smoothedNs = ns;
      this.#variationNs = ns / 2;
    } else {
      this.#variationNs += (Math.abs(this.#smoothedNs - ns) - this.#variationNs) / 4;
      this.#smoothedNs += (ns - this.#smoothedNs) / 8;
    }
    this.#restore();
  }

  /** The timer has run out: doubles it until new data is acknowledged. */
  backOff(): void {
    this.#timeoutNs = Math.min(MOST_NS, this.#timeoutNs * 2);
  }

  /** New data has been acknowledged. */
  progress(): void {
    this.#restore();
  }

  #restore(): void {
    const estimate =
      this.#smoothedNs === 0 ? FIRST_NS : this.#smoothedNs + Math.max(GRANULARITY_NS, 4 * this.#variationNs);
    this.#timeoutNs = Math.min(MOST_NS, Math.max(LEAST_NS, estimate));
  }
}
