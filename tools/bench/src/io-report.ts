import { countsTrips, type DiskJob, type IoJob, isDiskJob, isNetJob, isPathJob } from "./io-jobs.ts";
import type { IoColumn, IoResults } from "./io-results.ts";
import { median } from "./statistics.ts";
import { formatTable } from "./table.ts";

const NONE = "-";
/** Blocks from this size on are those whose ratio to Node has an aim. */
const LARGE_BLOCK = 64 * 1024;
export const NODE_AIM = 0.8;
/** A guest's clock that differs from the host's by more than this is worth a sentence. */
const CLOCK_TOLERANCE = 0.05;

const times = (value: number | undefined): string =>
  value === undefined || Number.isNaN(value) ? NONE : value.toFixed(2);

interface Comparison {
  readonly ours: IoColumn;
  readonly theirs: IoColumn;
}

/** The tables of `npm run bench:io`. */
export function ioReport(results: IoResults): string {
  const { jobs } = results;
  return [
    ...(jobs.some(isDiskJob) ? [diskTable(results)] : []),
    ...(jobs.some(isNetJob) ? [netTable(results)] : []),
    ...(jobs.some((job) => isDiskJob(job) || isNetJob(job)) ? [means(results)] : []),
    ...(jobs.some(isPathJob) ? [pathTable(results)] : []),
    ...(notes(results).length > 0 ? [notes(results).join("\n")] : []),
  ].join("\n\n");
}

function diskTable(results: IoResults): string {
  const columns: IoColumn[] = ["xen-node", "xen-node qcow2", "QEMU", "Node", "native"];
  const comparisons: Comparison[] = [
    { ours: "xen-node", theirs: "Node" },
    { ours: "xen-node qcow2", theirs: "Node" },
    { ours: "xen-node", theirs: "QEMU" },
  ];
  const heading = [...columns, "raw / Node", "qcow2 / Node", "raw / QEMU"];
  return `Disk, MB/s\n${rateTable(results, results.jobs.filter(isDiskJob), columns, comparisons, heading)}`;
}

function netTable(results: IoResults): string {
  const columns: IoColumn[] = ["xen-node", "QEMU", "native"];
  const comparisons: Comparison[] = [{ ours: "xen-node", theirs: "QEMU" }];
  const heading = [...columns, "/ QEMU"];
  const table = rateTable(results, results.jobs.filter(isNetJob), columns, comparisons, heading);
  return `Network, MB/s; round trips a second where the name says trips\n${table}`;
}

function rateTable(
  results: IoResults,
  jobs: readonly IoJob[],
  columns: readonly IoColumn[],
  comparisons: readonly Comparison[],
  heading: readonly string[],
): string {
  const rows = jobs.map((job) => [
    job.name,
    ...columns.map((column) => rateCell(results, column, job)),
    ...comparisons.map(({ ours, theirs }) => times(results.ratio(ours, theirs, job.name))),
  ]);
  return formatTable([["", ...heading], ...rows]);
}

function rateCell(results: IoResults, column: IoColumn, job: IoJob): string {
  if (column !== "Node" && results.outcome(column, job.name)?.failure !== undefined) return "failed";
  const rate = results.rate(column, job.name);
  if (rate === undefined) return NONE;
  const shown = isNetJob(job) && countsTrips(job) ? rate : rate / 1e6;
  return shown.toFixed(shown < 100 ? 1 : 0);
}

function means(results: IoResults): string {
  const disk = (fits: (job: DiskJob) => boolean) => (job: IoJob) => isDiskJob(job) && fits(job);
  const large = disk(({ block }) => block >= LARGE_BLOCK);
  const small = disk(({ block }) => block < LARGE_BLOCK);
  const streams = (job: IoJob): boolean => isNetJob(job) && !countsTrips(job);
  const trips = (job: IoJob): boolean => isNetJob(job) && countsTrips(job);
  const row = (title: string, ours: IoColumn, theirs: IoColumn, fits: (job: IoJob) => boolean): string[] => {
    const worst = [...results.ratios(ours, theirs, fits)].sort((a, b) => a.ratio - b.ratio)[0];
    return [
      title,
      times(results.mean(ours, theirs, fits)),
      worst === undefined ? NONE : `${times(worst.ratio)} (${worst.job.name})`,
    ];
  };
  const rows = [
    row(`disk, 64 KiB and more, raw / Node (aim: ${NODE_AIM})`, "xen-node", "Node", large),
    row("disk, 64 KiB and more, qcow2 / Node", "xen-node qcow2", "Node", large),
    row("disk, 4 KiB, raw / Node", "xen-node", "Node", small),
    row("disk, raw / QEMU", "xen-node", "QEMU", isDiskJob),
    row("network, bytes / QEMU", "xen-node", "QEMU", streams),
    row("network, round trips / QEMU", "xen-node", "QEMU", trips),
  ].filter(([, mean]) => mean !== NONE);
  if (rows.length === 0) return "There is nothing to compare: one side of each ratio is missing.";
  return formatTable([["our rate by theirs", "geometric mean", "least"], ...rows]);
}

function pathTable(results: IoResults): string {
  const rows = results.jobs.filter(isPathJob).map(({ name }) => {
    const rounds = results.paths.get(name);
    return [name, rounds === undefined ? "failed" : median(rounds).toFixed(0)];
  });
  return `Paths of the hypervisor\n${formatTable([["", "ns"], ...rows])}`;
}

/** What a reader must know before believing the tables. */
function notes(results: IoResults): string[] {
  const clocks = results.peers.flatMap((peer) => {
    const drifts = results.jobs.flatMap(({ name }) =>
      (results.outcome(peer, name)?.rounds ?? []).map(({ guestMs, wallMs }) => guestMs / wallMs),
    );
    const drift = median(drifts);
    if (!(Math.abs(drift - 1) > CLOCK_TOLERANCE)) return [];
    return [`The guest's clock on ${peer} ran ${times(drift)} times as fast as the host's, which counts here.`];
  });
  return [...clocks, ...results.failures];
}
