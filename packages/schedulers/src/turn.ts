import type { SchedulingUnit } from "./scheduling-unit.ts";

/** What one processor does for a while. */
export class Turn<Owner> {
  /** The vcpu that has the processor; undefined: nobody wants it. */
  unit: SchedulingUnit<Owner> | undefined;
  /** Time that it may still run, ns. */
  leftNs = 0;
  /** Time that it has run in this turn, ns. */
  ranNs = 0;
  /** When to pick again whoever runs: something else falls due then. Infinity: nothing will. */
  reviewNs = 0;
  /** Somebody else is to have the processor: pick again at once. */
  over = true;
  /** What it runs has nothing to do until others have run. */
  yielded = false;
  /** Since when the time that it runs is not charged yet; -1: it does not run. */
  sinceNs = -1;

  constructor(readonly processor: number) {}
}
