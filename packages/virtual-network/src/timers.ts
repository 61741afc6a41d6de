/** The time that the network lives by, passed in so that tests own it. */
export interface Timers {
  /** Monotonic, in nanoseconds. */
  nowNs(): number;
  /** Calls `fn` once after `delayNs`. Returns what cancels that. */
  setTimer(delayNs: number, fn: () => void): () => void;
}

/** The host's clock. Its timers do not keep the process alive. */
export const hostTimers: Timers = {
  nowNs: () => performance.now() * 1e6,
  setTimer(delayNs, fn) {
    const handle = setTimeout(fn, Math.ceil(delayNs / 1e6));
    handle.unref();
    return () => clearTimeout(handle);
  },
};
