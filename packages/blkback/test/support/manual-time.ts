/** Deferred work and timers that run when a test says so. */
export class ManualTime {
  nowMs = 1000;
  private deferred: (() => void)[] = [];
  private timers: { atMs: number; work: () => void }[] = [];

  readonly scheduling = {
    defer: (work: () => void): void => void this.deferred.push(work),
    nowMs: (): number => this.nowMs,
    after: (delayMs: number, work: () => void): (() => void) => {
      const timer = { atMs: this.nowMs + delayMs, work };
      this.timers.push(timer);
      return () => {
        this.timers = this.timers.filter((other) => other !== timer);
      };
    },
  };

  get pendingTurns(): number {
    return this.deferred.length;
  }

  get pendingTimers(): number {
    return this.timers.length;
  }

  /** Runs the work deferred so far, not that which it defers. */
  turn(): void {
    for (const work of this.deferred.splice(0)) work();
  }

  /** Runs deferred work and microtasks until nothing is left. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 2; ) {
      await new Promise((resolve) => setImmediate(resolve));
      quiet = this.deferred.length === 0 ? quiet + 1 : 0;
      this.turn();
    }
  }

  advance(ms: number): void {
    this.nowMs += ms;
    const due = this.timers.filter((timer) => timer.atMs <= this.nowMs);
    this.timers = this.timers.filter((timer) => timer.atMs > this.nowMs);
    for (const timer of due) timer.work();
  }
}
