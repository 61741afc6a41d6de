import { GuestEnded } from "./guest-ended.ts";
import type { GuestEnvironment } from "./guest-environment.ts";

/** The domain's time. */
export class Timers {
  private readonly waiting = new Set<{ cancel: () => void; reject: (error: Error) => void }>();
  private ended = false;

  constructor(private readonly environment: Pick<GuestEnvironment, "nowNs" | "setTimer">) {}

  /** Monotonic ns. */
  get nowNs(): number {
    return this.environment.nowNs();
  }

  /** Resolves `ns` from now. */
  sleep(ns: number): Promise<void> {
    return this.until(this.nowNs + ns);
  }

  /** Resolves at a time in ns; at once if that is past. */
  until(deadlineNs: number): Promise<void> {
    if (this.ended) return Promise.reject(new GuestEnded());
    return new Promise((resolve, reject) => {
      const entry = { cancel: () => {}, reject };
      this.waiting.add(entry);
      entry.cancel = this.environment.setTimer(deadlineNs, () => {
        this.waiting.delete(entry);
        resolve();
      });
    });
  }

  end(): void {
    this.ended = true;
    for (const { cancel, reject } of this.waiting) {
      cancel();
      reject(new GuestEnded());
    }
    this.waiting.clear();
  }
}
