import { countsTrips, type IoJob, isNetJob } from "./io-jobs.ts";
import type { IoPeerName } from "./io-peers.ts";
import { geometricMean, median } from "./statistics.ts";
import type { Outcome } from "./suite-run.ts";

/** What a job was measured on, or "Node": the better of Node's two ways, which is what ours are compared with. */
export type IoColumn = IoPeerName | "Node";

/** A rate compared with another: above 1 the first is faster. */
export interface IoRatio {
  readonly job: IoJob;
  readonly ratio: number;
}

/** The outcomes of all disk and network jobs on all peers. Rates are bytes or round trips a second. */
export class IoResults {
  private readonly outcomes = new Map<IoPeerName, Map<string, Outcome>>();
  /** Of the hypervisor's paths: nanoseconds, round by round. */
  readonly paths = new Map<string, readonly number[]>();

  constructor(readonly jobs: readonly IoJob[]) {}

  get peers(): IoPeerName[] {
    return [...this.outcomes.keys()];
  }

  add(peer: IoPeerName, outcomes: ReadonlyMap<string, Outcome>): void {
    this.outcomes.set(peer, new Map([...(this.outcomes.get(peer) ?? []), ...outcomes]));
  }

  outcome(peer: IoPeerName, job: string): Outcome | undefined {
    return this.outcomes.get(peer)?.get(job);
  }

  /** The median of the rounds; undefined where the job failed or was not run. */
  rate(column: IoColumn, job: string): number | undefined {
    if (column === "Node") {
      const rates = (["Node sync", "Node promises"] as const).map((peer) => this.rate(peer, job));
      const known = rates.filter((rate) => rate !== undefined);
      return known.length === 0 ? undefined : Math.max(...known);
    }
    const outcome = this.outcome(column, job);
    if (!outcome || outcome.failure !== undefined || outcome.rounds.length === 0) return undefined;
    return median(outcome.rounds.map(({ wallMs, result }) => Number.parseInt(result, 16) / (wallMs / 1000)));
  }

  /** The first's rate by the second's: above 1 the first is faster. Undefined where one of them has none. */
  ratio(ours: IoColumn, theirs: IoColumn, job: string): number | undefined {
    const rates = [this.rate(ours, job), this.rate(theirs, job)];
    return rates[0] === undefined || !rates[1] ? undefined : rates[0] / rates[1];
  }

  /** Of the jobs that fit and have a ratio. */
  ratios(ours: IoColumn, theirs: IoColumn, fits: (job: IoJob) => boolean): IoRatio[] {
    return this.jobs.filter(fits).flatMap((job) => {
      const ratio = this.ratio(ours, theirs, job.name);
      return ratio === undefined ? [] : [{ job, ratio }];
    });
  }

  /** NaN if there is none. */
  mean(ours: IoColumn, theirs: IoColumn, fits: (job: IoJob) => boolean): number {
    return geometricMean(this.ratios(ours, theirs, fits).map(({ ratio }) => ratio));
  }

  /** Each failure in a sentence. */
  get failures(): string[] {
    return [...this.outcomes].flatMap(([peer, outcomes]) =>
      [...outcomes].flatMap(([job, { failure }]) => (failure === undefined ? [] : [`${job} on ${peer} ${failure}.`])),
    );
  }
}

/** What a job's rate counts. */
export const unitOf = (job: IoJob): "bytes" | "round trips" =>
  isNetJob(job) && countsTrips(job) ? "round trips" : "bytes";
