/**
 * Numbers requests by their beginning, to know when all that began before a moment have ended. What such a request may
 * still be reading or writing (a freed cluster) must not be given to anyone else before.
 */
export class RequestEpochs {
  #next = 0;
  #active = new Set<number>();
  #onIdle: (() => void) | undefined;

  begin(): number {
    const request = this.#next++;
    this.#active.add(request);
    return request;
  }

  end(request: number): void {
    this.#active.delete(request);
    if (this.#active.size === 0) this.#onIdle?.();
  }

  /** A mark after all requests that have begun. */
  now(): number {
    return this.#next;
  }

  /** True when every request that began before the mark has ended. */
  isPast(mark: number): boolean {
    for (const oldest of this.#active) return oldest >= mark; // A Set iterates in the order of insertion.
    return true;
  }

  async idle(): Promise<void> {
    if (this.#active.size > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }
}
