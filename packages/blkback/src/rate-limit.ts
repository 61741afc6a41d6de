/** A second's tenth may pass at once after a pause; more would let a limited device disturb others in bursts. */
const BURST_SECONDS = 0.1;

/** A bucket that fills at a steady rate. It may go below zero by one request, whose cost is known only once it is taken. */
class Bucket {
  private readonly perSecond: number;
  private readonly capacity: number;
  private level: number;
  private filledAtMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.perSecond = perSecond;
    this.capacity = Math.max(1, perSecond * BURST_SECONDS);
    this.level = this.capacity;
    this.filledAtMs = nowMs;
  }

  /** Milliseconds until something may pass; 0: now. */
  waitMs(nowMs: number): number {
    const passedMs = Math.max(0, nowMs - this.filledAtMs);
    this.level = Math.min(this.capacity, this.level + (passedMs * this.perSecond) / 1000);
    this.filledAtMs = nowMs;
    return this.level > 0 ? 0 : Math.max(1, Math.ceil((-this.level * 1000) / this.perSecond));
  }

  spend(amount: number): void {
    this.level -= amount;
  }
}

/** Holds a device to so many requests and bytes a second. */
export class RateLimit {
  private readonly requests: Bucket | undefined;
  private readonly bytes: Bucket | undefined;

  constructor({ iops, bytesPerSecond }: { iops?: number; bytesPerSecond?: number }, nowMs: number) {
    this.requests = iops === undefined ? undefined : new Bucket(iops, nowMs);
    this.bytes = bytesPerSecond === undefined ? undefined : new Bucket(bytesPerSecond, nowMs);
  }

  /** Whether there is a limit at all: without one, the time needn't be asked for. */
  get active(): boolean {
    return this.requests !== undefined || this.bytes !== undefined;
  }

  /** Milliseconds until the next request may pass; 0: now. */
  waitMs(nowMs: number): number {
    return Math.max(this.requests?.waitMs(nowMs) ?? 0, this.bytes?.waitMs(nowMs) ?? 0);
  }

  spend(lengthBytes: number): void {
    this.requests?.spend(1);
    this.bytes?.spend(lengthBytes);
  }
}
