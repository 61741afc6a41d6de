import { isPathJob } from "./io-jobs.ts";
import { type IoResults, unitOf } from "./io-results.ts";
import { median } from "./statistics.ts";

/** How a run was made. */
export interface IoRunDescription {
  readonly machine: string;
  /** Kernel and its packages. */
  readonly guest: string | undefined;
  readonly rounds: number;
}

/** Everything that was measured, each round of it, for other programs to read. */
export function ioJson(results: IoResults, description: IoRunDescription): string {
  const jobs = results.jobs
    .filter((job) => !isPathJob(job))
    .map((job) => ({
      ...job,
      unit: unitOf(job),
      peers: Object.fromEntries(
        results.peers.flatMap((peer) => {
          const outcome = results.outcome(peer, job.name);
          if (!outcome) return [];
          const rounds = outcome.rounds.map(({ wallMs, processorMs, guestMs, result }) => ({
            ...{ wallMs, processorMs, guestMs },
            count: Number.parseInt(result, 16),
          }));
          return [[peer, { perSecond: results.rate(peer, job.name), failure: outcome.failure, rounds }]];
        }),
      ),
      toNode: results.ratio("xen-node", "Node", job.name),
      qcow2ToNode: results.ratio("xen-node qcow2", "Node", job.name),
      toQemu: results.ratio("xen-node", "QEMU", job.name),
    }));
  const paths = Object.fromEntries(
    [...results.paths].map(([name, rounds]) => [name, { medianNs: median(rounds), rounds }]),
  );
  return `${JSON.stringify({ ...description, jobs, paths }, null, 2)}\n`;
}
