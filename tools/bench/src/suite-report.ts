import { median } from "./statistics.ts";
import type { PeerName } from "./suite-peer.ts";
import type { Group } from "./suite-programs.ts";
import type { MeanRatios, SuiteResults } from "./suite-results.ts";
import { formatTable } from "./table.ts";

const TITLES: Readonly<Record<Group, string>> = {
  compute: "Programs that compute",
  system: "Programs that call the kernel",
  task: "Whole tasks of busybox",
  boot: "From the start of the process to userspace",
};
const GROUPS = Object.keys(TITLES) as Group[];

/** A guest's clock that differs from the host's by more than this in a program's rounds is worth a sentence. */
const CLOCK_TOLERANCE = 0.05;

const NONE = "-";
const milliseconds = (value: number | undefined): string =>
  value === undefined ? NONE : value.toFixed(value < 100 ? 1 : 0);
const times = (value: number | undefined): string =>
  value === undefined || Number.isNaN(value) ? NONE : value.toFixed(2);

/** The tables of `npm run bench` with the means below them. */
export function suiteReport(results: SuiteResults): string {
  const parts = GROUPS.filter((group) => results.programs.some((program) => program.group === group)).map((group) =>
    groupTable(results, group),
  );
  return [...parts, means(results), ...notes(results)].join("\n\n");
}

function groupTable(results: SuiteResults, group: Group): string {
  const { peers } = results;
  const others = peers.filter((peer) => peer === "QEMU" || peer === "v86");
  const rows = results.programs
    .filter((program) => program.group === group)
    .map(({ name }) => [
      name,
      ...peers.map((peer) => cell(results, peer, name)),
      ...others.flatMap((peer) => [times(results.ratio(peer, name)), times(results.ratio(peer, name, "processorMs"))]),
    ]);
  const ratios = others.flatMap((peer) => [`/ ${peer}`, "(processor)"]);
  return `${TITLES[group]}\n${formatTable([["", ...peers.map((peer) => `${peer} ms`), ...ratios], ...rows])}`;
}

function cell(results: SuiteResults, peer: PeerName, program: string): string {
  if (results.outcome(peer, program)?.failure !== undefined) return "failed";
  return milliseconds(results.milliseconds(peer, program));
}

function means(results: SuiteResults): string {
  const { wall, processor, worstToQemu } = results.summary;
  const row = (title: string, mean: keyof MeanRatios): string[] => [title, times(wall[mean]), times(processor[mean])];
  const rows = [
    row("programs that compute / QEMU", "computeToQemu"),
    row("all programs / QEMU", "allToQemu"),
    ...(results.peers.includes("v86") ? [row("all programs / v86", "allToV86")] : []),
    [
      `worst ratio to QEMU${worstToQemu ? ` (${worstToQemu.name})` : ""}`,
      times(worstToQemu?.ratio),
      times(worstToQemu && results.ratio("QEMU", worstToQemu.name, "processorMs")),
    ],
  ];
  return formatTable([["geometric means of our time to theirs", "wall", "(processor)"], ...rows]);
}

/** What a reader must know before believing the tables. */
function notes(results: SuiteResults): string[] {
  const clocks = results.peers.flatMap((peer) => {
    const drifts = results.programs.flatMap(({ name }) =>
      (results.outcome(peer, name)?.rounds ?? []).map(({ guestMs, wallMs }) => guestMs / wallMs),
    );
    const drift = median(drifts.filter((value) => !Number.isNaN(value)));
    if (!(Math.abs(drift - 1) > CLOCK_TOLERANCE)) return [];
    return [`The guest's clock on ${peer} ran ${times(drift)} times as fast as the host's, which counts here.`];
  });
  return [...clocks, ...results.failures];
}
