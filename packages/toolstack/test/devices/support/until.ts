/** Waits, with the event loop running, until something is so. Throws after ten seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`it has not come about that ${what}`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Lets everything happen that happens without waiting for the host. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
