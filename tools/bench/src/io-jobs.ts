import { MissingPeer } from "./missing-peer.ts";

/** Sizes as guest/io takes them: bytes. */
export interface DiskJob {
  readonly group: "disk";
  readonly name: string;
  readonly pattern: "seq-read" | "seq-write" | "random-read" | "random-write";
  /** Whether the guest's own cache takes part; on this machine the host's always does. */
  readonly caching: "direct" | "buffered";
  readonly block: number;
  /** Requests under way at once. */
  readonly depth: number;
  /** The least that is moved in a round; more of these as long as its time is not over. */
  readonly passBytes: number;
}

/** A stream of bytes, or round trips of 64 bytes, over TCP or UDP. */
export interface NetJob {
  readonly group: "net";
  readonly name: string;
  readonly mode: "send" | "receive" | "tcp-echo" | "udp-echo";
  /** The other side: the benchmark's own process, or another guest. */
  readonly server: "host" | "guest";
  /** Bytes or round trips. */
  readonly pass: number;
}

/** A path of the hypervisor's that every backend lives on, measured with domains in TypeScript. */
export interface PathJob {
  readonly group: "paths";
  readonly name: string;
}

export type IoJob = DiskJob | NetJob | PathJob;

const KIB = 1024;
const MIB = 1024 * KIB;

/** Of the image: no cache of a processor holds it, and every cache of a host's kernel does. */
export const IMAGE_BYTES = 256 * MIB;

/** A round goes on for so long, and is never less than one pass. */
export const ROUND_MS = 300;

const BLOCKS = [
  { name: "4k", block: 4 * KIB, passBytes: 8 * MIB },
  { name: "64k", block: 64 * KIB, passBytes: 64 * MIB },
  { name: "1m", block: MIB, passBytes: 128 * MIB },
];
const PATTERNS = ["seq-read", "seq-write", "random-read", "random-write"] as const;
const DEPTHS = [1, 8];

const DISK_JOBS: readonly DiskJob[] = [
  ...PATTERNS.flatMap((pattern) =>
    BLOCKS.flatMap(({ name, block, passBytes }) =>
      DEPTHS.map(
        (depth): DiskJob => ({
          group: "disk",
          name: `${pattern}-${name}-qd${depth}`,
          pattern,
          caching: "direct",
          block,
          depth,
          passBytes,
        }),
      ),
    ),
  ),
  ...(["read", "write"] as const).map(
    (way): DiskJob => ({
      group: "disk",
      name: `buffered-${way}-64k`,
      pattern: `seq-${way}`,
      caching: "buffered",
      block: 64 * KIB,
      depth: 1,
      passBytes: 64 * MIB,
    }),
  ),
];

const net = (name: string, mode: NetJob["mode"], server: NetJob["server"]): NetJob => ({
  group: "net",
  name,
  mode,
  server,
  pass: isEcho(mode) ? 200 : 16 * MIB,
});

const isEcho = (mode: NetJob["mode"]): boolean => mode === "tcp-echo" || mode === "udp-echo";

/** Whether a job's figures are round trips, not bytes. */
export const countsTrips = (job: NetJob): boolean => isEcho(job.mode);

const NET_JOBS: readonly NetJob[] = [
  net("guest-to-host", "send", "host"),
  net("host-to-guest", "receive", "host"),
  net("tcp-trips", "tcp-echo", "host"),
  net("udp-trips", "udp-echo", "host"),
  net("guest-to-guest", "send", "guest"),
  net("guest-tcp-trips", "tcp-echo", "guest"),
];

const PATH_JOBS: readonly PathJob[] = [
  "event-round-trip",
  ...["grant-copy", "copy-from-grant", "copy-to-grant"].flatMap((path) => [4096, 1500, 64].map((n) => `${path}-${n}`)),
  "map-unmap",
].map((name) => ({ group: "paths", name }));

/** All that `npm run bench:io` measures, in the order of its tables. */
export const IO_JOBS: readonly IoJob[] = [...DISK_JOBS, ...NET_JOBS, ...PATH_JOBS];

export const isDiskJob = (job: IoJob): job is DiskJob => job.group === "disk";
export const isNetJob = (job: IoJob): job is NetJob => job.group === "net";
export const isPathJob = (job: IoJob): job is PathJob => job.group === "paths";

/**
 * The jobs that a list names, separated by commas: by their names, by how these begin ("seq-read", "random-write-4k"), or
 * by their groups; in the tables' order.
 *
 * @throws MissingPeer for a name that there is not
 */
export function jobsNamed(list: string): IoJob[] {
  const names = list.split(",").map((name) => name.trim());
  const fits = (job: IoJob, name: string): boolean =>
    job.group === name || job.name === name || job.name.startsWith(`${name}-`);
  const unknown = names.find((name) => !IO_JOBS.some((job) => fits(job, name)));
  if (unknown !== undefined) {
    const known = [...new Set(IO_JOBS.map(({ group }) => group)), ...IO_JOBS.map(({ name }) => name)];
    throw new MissingPeer(
      `--only takes names out of ${known.join(", ")}, or how they begin; "${unknown}" is none of them.`,
    );
  }
  return IO_JOBS.filter((job) => names.some((name) => fits(job, name)));
}
