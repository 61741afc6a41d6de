import type { Timers } from "./timers.ts";

/** What a port may send: `bytesPerInterval` in each `intervalNs`. */
export interface RateLimit {
  readonly bytesPerInterval: number;
  readonly intervalNs: number;
}

/** Text that is no rate: one sentence that says why. */
export class RateError extends Error {
  override readonly name = "RateError";
}

const MULTIPLIERS: Readonly<Record<string, number>> = { "": 1, K: 1e3, M: 1e6, G: 1e9 };
const INTERVAL_UNITS_US: Readonly<Record<string, number>> = { "": 1e6, s: 1e6, m: 1e3, ms: 1e3, u: 1, us: 1 };
const DEFAULT_INTERVAL_US = 50_000;
const MOST = 0xffffffff;

/**
 * Reads the `rate` of a vif as xl-network-configuration(5) writes it: "10Mb/s", "1MB/s@20ms", "250Kb/s@1s"; b are bits, B
 * bytes, K, M and G decimal. Without an interval it is 50 ms.
 *
 * @throws RateError with one sentence that says what is wrong.
 */
export function parseRate(text: string): RateLimit {
  const [rateText, intervalText, more] = text.split("@");
  const rate = /^(\d+)([GMK]?)([Bb])\/s$/.exec(rateText);
  if (rate === null || more !== undefined)
    throw new RateError(`"${text}" is no rate; write for example 10Mb/s, 1MB/s or 250Kb/s@20ms.`);
  let intervalUs = DEFAULT_INTERVAL_US;
  if (intervalText !== undefined) {
    const interval = /^(\d+)([mu]?s?)$/.exec(intervalText);
    if (interval === null)
      throw new RateError(`"${intervalText}" is no interval; write for example 50ms, 500us or 1s.`);
    intervalUs = Number(interval[1]) * INTERVAL_UNITS_US[interval[2]];
  }
  if (intervalUs < 1 || intervalUs > MOST)
    throw new RateError(`The interval of "${text}" is not between 1 us and ${MOST} us.`);
  const bytesPerSecond = (Number(rate[1]) * MULTIPLIERS[rate[2]]) / (rate[3] === "b" ? 8 : 1);
  const bytesPerInterval = Math.floor((bytesPerSecond * intervalUs) / 1e6);
  if (bytesPerInterval < 1 || bytesPerInterval > MOST)
    throw new RateError(
      `"${text}" comes to ${bytesPerInterval} bytes an interval, which is not between 1 and ${MOST}.`,
    );
  return { bytesPerInterval, intervalNs: intervalUs * 1000 };
}

/** The largest packet has to fit into the credit, or a slow port would never send one (Linux xen-netback does the same). */
const LEAST_BURST_BYTES = 131072;

/** Credit as Linux's xen-netback counts it (`credit_bytes`, `credit_usec`). */
export class TransmitCredit {
  readonly limit: RateLimit;
  readonly #timers: Timers;
  readonly #onCredit: () => void;
  #remaining: number;
  #windowStartNs: number;
  #cancel: (() => void) | undefined;

  /** `onCredit` is called when a packet that was refused may be tried again. */
  constructor(limit: RateLimit, timers: Timers, onCredit: () => void) {
    this.limit = limit;
    this.#timers = timers;
    this.#onCredit = onCredit;
    this.#remaining = limit.bytesPerInterval;
    this.#windowStartNs = timers.nowNs();
  }

  /** Out of credit until the timer fires. */
  get exhausted(): boolean {
    return this.#cancel !== undefined;
  }

  /** Whether a packet of that size may go now; if not, `onCredit` follows. Takes nothing yet. */
  admits(bytes: number, nowNs: number): boolean {
    if (this.#cancel !== undefined) return false;
    if (bytes <= this.#remaining) return true;
    const { intervalNs } = this.limit;
    let next = this.#windowStartNs + intervalNs;
    if (nowNs >= next) {
      this.#windowStartNs = nowNs;
      next = nowNs + intervalNs;
      this.#add();
      if (bytes <= this.#remaining) return true;
    }
    this.#windowStartNs = next;
    this.#cancel = this.#timers.setTimer(next - nowNs, () => {
      this.#cancel = undefined;
      this.#add();
      this.#onCredit();
    });
    return false;
  }

  take(bytes: number): void {
    this.#remaining -= bytes;
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #add(): void {
    const burst = Math.max(LEAST_BURST_BYTES, this.limit.bytesPerInterval);
    this.#remaining = Math.min(this.#remaining + this.limit.bytesPerInterval, burst);
  }
}
