/** Calls `callback` once after `delayMs`, unless the function that it returns is called before. */
export type Timer = (callback: () => void, delayMs: number) => () => void;

/** The host's timer; it doesn't keep the process alive. */
export const hostTimer: Timer = (callback, delayMs) => {
  const timeout = setTimeout(callback, delayMs);
  timeout.unref();
  return () => clearTimeout(timeout);
};
