/** A vcpu as a scheduler sees it. */
export class SchedulingUnit<Owner> {
  /** It wants a processor. */
  runnable = false;
  /** The processor that it has a turn on, -1 = none. */
  processor = -1;
  /** Processors that it may run on, a bit each. */
  affinity = -1;
  /** Among equals the lower number goes first: who has waited longer. */
  order = 0;
  /** Its place among the runnable ones, -1 = none. */
  slot = -1;

  constructor(
    readonly domid: number,
    readonly owner: Owner,
  ) {}

  mayRunOn(processor: number): boolean {
    return ((this.affinity >>> processor) & 1) !== 0;
  }
}
