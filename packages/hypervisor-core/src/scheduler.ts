import type { Vcpu } from "./vcpu.ts";

/** Decides which runnable vcpu runs next and for how long. */
export interface Scheduler {
  /** The vcpu became runnable (or runnable again after its slice). Adding one that is queued is a no-op. */
  add(vcpu: Vcpu): void;
  /** The vcpu stopped being runnable. */
  remove(vcpu: Vcpu): void;
  /** Takes the next vcpu off the queue; undefined if none is runnable. */
  pick(): Vcpu | undefined;
  /** How long `vcpu` may run before others get a turn, ns. */
  sliceNs(vcpu: Vcpu): number;
  /** Some vcpu is waiting for the processor. */
  readonly hasWaiting: boolean;
}

/** One queue, equal slices. */
export class RoundRobinScheduler implements Scheduler {
  private readonly queue: Vcpu[] = [];

  constructor(private readonly slice = 1_000_000) {}

  add(vcpu: Vcpu): void {
    if (!this.queue.includes(vcpu)) this.queue.push(vcpu);
  }

  remove(vcpu: Vcpu): void {
    const at = this.queue.indexOf(vcpu);
    if (at >= 0) this.queue.splice(at, 1);
  }

  pick(): Vcpu | undefined {
    return this.queue.shift();
  }

  sliceNs(_vcpu: Vcpu): number {
    return this.slice;
  }

  get hasWaiting(): boolean {
    return this.queue.length > 0;
  }
}
