import type { Turn } from "@xen-node/schedulers";
import type { Cpupools } from "./cpupools.ts";
import type { Vcpu } from "./vcpu.ts";

/**
 * The machine's processors take turns on the host's one: of those with something to run, the one goes on that had least of it.
 * So each has the same share, however short the stretches are that its vcpus run for.
 */
export class ProcessorRotation {
  /** When an idle machine is to be asked again, ns; Infinity: when something wakes up. */
  reviewNs = Number.POSITIVE_INFINITY;
  /** Time that each has had, ns, as far as it matters: one that was idle begins with what the least of the others had. */
  private readonly hadNs: Float64Array;
  private readonly isIdle: Uint8Array;
  private leastNs = 0;

  constructor(private readonly pools: Cpupools) {
    this.hadNs = new Float64Array(pools.processors);
    this.isIdle = new Uint8Array(pools.processors);
  }

  /** The turn of the processor that goes on; undefined: none has anything to run. */
  next(now: number): Turn<Vcpu> | undefined {
    const { hadNs, isIdle } = this;
    const { ofProcessor } = this.pools;
    let best: Turn<Vcpu> | undefined;
    this.reviewNs = Number.POSITIVE_INFINITY;
    for (let processor = 0; processor < hadNs.length; processor++) {
      const turn = ofProcessor[processor]?.scheduler.pick(processor, now);
      if (turn?.unit === undefined) {
        isIdle[processor] = 1;
        if (turn !== undefined && turn.reviewNs < this.reviewNs) this.reviewNs = turn.reviewNs;
        continue;
      }
      if (isIdle[processor] !== 0) {
        isIdle[processor] = 0;
        hadNs[processor] = Math.max(hadNs[processor], this.leastNs);
      }
      if (best === undefined || hadNs[processor] < hadNs[best.processor]) best = turn;
    }
    if (best !== undefined) this.leastNs = hadNs[best.processor];
    return best;
  }

  /** A processor ran for so long. */
  note(processor: number, ranNs: number): void {
    this.hadNs[processor] += ranNs;
  }
}
