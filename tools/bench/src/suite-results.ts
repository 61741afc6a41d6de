import { geometricMean, median } from "./statistics.ts";
import type { PeerName } from "./suite-peer.ts";
import type { Group, SuiteProgram } from "./suite-programs.ts";
import type { Outcome } from "./suite-run.ts";

/** What a ratio is of: time on the wall, or the processor time of the peers' processes. */
export type Measure = "wallMs" | "processorMs";

/** Booting is no program. */
const PROGRAM_GROUPS: readonly Group[] = ["compute", "system", "task"];

/** The outcomes of all programs on all peers, pooled over the passes. */
export class SuiteResults {
  private readonly outcomes = new Map<PeerName, Map<string, Outcome>>();

  /** Peers in the order of the tables' columns; results are compared with the last one's. */
  constructor(
    readonly programs: readonly SuiteProgram[],
    readonly peers: readonly PeerName[],
  ) {
    for (const peer of peers) this.outcomes.set(peer, new Map());
  }

  /** Adds rounds of one pass. What failed once counts as failed. */
  add(peer: PeerName, program: string, { rounds, failure }: Outcome): void {
    const all = this.outcomes.get(peer)!;
    const before = all.get(program) ?? { rounds: [] };
    all.set(program, { rounds: [...before.rounds, ...rounds], failure: before.failure ?? failure });
  }

  outcome(peer: PeerName, program: string): Outcome | undefined {
    return this.outcomes.get(peer)?.get(program);
  }

  /** The median of a program's rounds in milliseconds; undefined where it failed or was not run. */
  milliseconds(peer: PeerName, program: string, measure: Measure = "wallMs"): number | undefined {
    const outcome = this.outcome(peer, program);
    if (!outcome || outcome.failure !== undefined || outcome.rounds.length === 0) return undefined;
    const value = median(outcome.rounds.map((round) => round[measure]));
    return Number.isNaN(value) ? undefined : value;
  }

  /** How many times as long our runner takes as a peer; undefined where one of them has no time. */
  ratio(peer: PeerName, program: string, measure: Measure = "wallMs"): number | undefined {
    const ours = this.milliseconds("xen-node", program, measure);
    const theirs = this.milliseconds(peer, program, measure);
    return ours === undefined || !theirs ? undefined : ours / theirs;
  }

  /** Programs with a ratio, with it. */
  ratios(peer: PeerName, groups: readonly Group[], measure: Measure = "wallMs"): { name: string; ratio: number }[] {
    return this.programs
      .filter(({ group }) => groups.includes(group))
      .map(({ name }) => ({ name, ratio: this.ratio(peer, name, measure) }))
      .filter((entry): entry is { name: string; ratio: number } => entry.ratio !== undefined);
  }

  /** Fails programs of which a round gave another result than the last peer that ran them. */
  compareResults(): void {
    for (const { name } of this.programs) {
      const peers = this.peers.filter((peer) => this.outcome(peer, name)?.rounds.length);
      const reference = peers.at(-1);
      if (reference === undefined) continue;
      const expected = this.outcome(reference, name)!.rounds[0].result;
      for (const peer of peers) {
        const outcome = this.outcome(peer, name)!;
        const wrong = outcome.rounds.find(({ result }) => result !== expected);
        if (wrong) outcome.failure ??= `gave ${wrong.result} instead of ${expected} on ${reference}`;
      }
    }
  }

  /** Each failure in a sentence. */
  get failures(): string[] {
    return this.peers.flatMap((peer) =>
      this.programs.flatMap(({ name }) => {
        const failure = this.outcome(peer, name)?.failure;
        return failure === undefined ? [] : [`${name} on ${peer} ${failure}.`];
      }),
    );
  }

  /** The figures that stand for the whole. */
  get summary(): SuiteSummary {
    const worst = this.ratios("QEMU", PROGRAM_GROUPS).sort((a, b) => b.ratio - a.ratio)[0];
    return { wall: this.means("wallMs"), processor: this.means("processorMs"), worstToQemu: worst };
  }

  private means(measure: Measure): MeanRatios {
    const mean = (peer: PeerName, groups: readonly Group[]): number =>
      geometricMean(this.ratios(peer, groups, measure).map(({ ratio }) => ratio));
    return {
      computeToQemu: mean("QEMU", ["compute"]),
      allToQemu: mean("QEMU", PROGRAM_GROUPS),
      allToV86: mean("v86", PROGRAM_GROUPS),
    };
  }
}

/** Geometric means of the ratios of our time to a peer's: below 1 we are faster. NaN where there are none. */
export interface MeanRatios {
  readonly computeToQemu: number;
  readonly allToQemu: number;
  readonly allToV86: number;
}

export interface SuiteSummary {
  /** By time on the wall. */
  readonly wall: MeanRatios;
  /** By processor time of the peers' processes. */
  readonly processor: MeanRatios;
  /** The greatest ratio to QEMU by time on the wall; undefined where there is none. */
  readonly worstToQemu: { readonly name: string; readonly ratio: number } | undefined;
}
