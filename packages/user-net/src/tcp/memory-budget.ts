/** Bytes that all connections hold together. */
export class MemoryBudget {
  readonly limit: number;
  used = 0;
  readonly #waiters = new Set<() => void>();

  constructor(limit: number) {
    this.limit = limit;
  }

  get exhausted(): boolean {
    return this.used >= this.limit;
  }

  get free(): number {
    return Math.max(0, this.limit - this.used);
  }

  change(bytes: number): void {
    this.used += bytes;
    if (bytes >= 0 || this.#waiters.size === 0 || this.used > this.limit * 0.9) return;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }

  /** Calls `wake` once there is clearly room again. */
  wait(wake: () => void): void {
    this.#waiters.add(wake);
  }

  forget(wake: () => void): void {
    this.#waiters.delete(wake);
  }
}
