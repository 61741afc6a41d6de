/** A vcpu as a scheduler sees it. */
export class SchedulingUnit<Owner> {
  /** It wants a processor. */
  runnable = false;
  /** The processor that it has a turn on, -1 = none. */
  processor = -1;
  /** Processors that it is pinned to, a bit each. */
  affinity = -1;
  /** Those that it runs on. */
  private allowed = -1;
  /** Among equals the lower number goes first: who has waited longer. */
  order = 0;
  /** Its place among the runnable ones, -1 = none. */
  slot = -1;

  constructor(
    readonly domid: number,
    readonly owner: Owner,
  ) {}

  /** Its affinity or the scheduler's processors are others now: where it has none of what it is pinned to, it runs on all, as in Xen. */
  allow(online: number): void {
    const both = this.affinity & online;
    this.allowed = both === 0 ? online : both;
  }

  mayRunOn(processor: number): boolean {
    return ((this.allowed >>> processor) & 1) !== 0;
  }
}
