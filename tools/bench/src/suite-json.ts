import type { SuiteResults } from "./suite-results.ts";

/** How a run was made. */
export interface SuiteRunDescription {
  readonly machine: string;
  /** Kernels and their packages. */
  readonly guests: readonly string[];
  readonly rounds: number;
  readonly passes: number;
}

/** Everything that was measured, each round of it, for other programs to read. */
export function suiteJson(results: SuiteResults, description: SuiteRunDescription): string {
  const programs = results.programs.map(({ name, group, count }) => ({
    name,
    group,
    count,
    peers: Object.fromEntries(
      results.peers.flatMap((peer) => {
        const outcome = results.outcome(peer, name);
        if (!outcome) return [];
        const { rounds, failure } = outcome;
        return [[peer, { medianMs: results.milliseconds(peer, name), failure, rounds }]];
      }),
    ),
    toQemu: results.ratio("QEMU", name),
    toV86: results.ratio("v86", name),
  }));
  return `${JSON.stringify({ ...description, summary: results.summary, programs }, null, 2)}\n`;
}
