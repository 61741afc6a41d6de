import { MissingPeer } from "./missing-peer.ts";

/** How a guest that stands beside the working ones is made. */
export type PeerKind =
  /** Linux that runs programs of guest/isolation for ever. */
  | { readonly kind: "linux"; readonly commands: readonly string[]; readonly disk?: boolean }
  /** guest/floods with a flood's name. */
  | { readonly kind: "flood"; readonly flood: string; readonly vcpus?: number; readonly device?: "disk" | "vif" }
  /** A guest of hypervisor-core's own tests for hostile ones, by a test's name. */
  | { readonly kind: "hostile"; readonly test: string };

/** Two guests beside the two that work. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly peers: readonly [PeerKind, PeerKind];
  /** Vcpus of each peer: compared with as many that compute. */
  readonly vcpus: number;
}

const twice = (peer: PeerKind): [PeerKind, PeerKind] => [peer, peer];
const DISK_HOG: PeerKind = { kind: "linux", commands: ["disk-hog /dev/xvda"], disk: true };
const BOMBS: PeerKind = { kind: "linux", commands: ["fork-bomb", "memory-bomb"] };
const SCATTER: PeerKind = { kind: "linux", commands: ["scatter"] };

const scenario = (name: string, about: string, peers: [PeerKind, PeerKind], vcpus = 1): Scenario => ({
  name,
  about,
  peers,
  vcpus,
});
const flood = (name: string, about: string, device?: "disk" | "vif", vcpus = 1): Scenario =>
  scenario(name, about, twice({ kind: "flood", flood: name, device, vcpus }), vcpus);
const hostile = (name: string, test: string, about: string): Scenario =>
  scenario(name, about, twice({ kind: "hostile", test }));

/** What others are compared with, by the vcpus of each peer: guests that take their share of the processor alone. */
export const COMPUTING: readonly Scenario[] = [1, 2].map((vcpus) =>
  scenario(
    `computing-${vcpus}`,
    "compute",
    twice({ kind: "flood", flood: vcpus === 1 ? "compute" : "compute2", vcpus }),
    vcpus,
  ),
);

export const SCENARIOS: readonly Scenario[] = [
  scenario("paper", "a disk hog and a fork and memory bomb, as in the paper", [DISK_HOG, BOMBS]),
  scenario("disk", "small synchronous writes, many small files", twice(DISK_HOG)),
  scenario("bombs", "fork and memory bombs", twice(BOMBS)),
  scenario("scatter", "words scattered over 32 MiB, nothing asked of the hypervisor", twice(SCATTER)),
  flood("blocks", "one-sector writes and flushes", "disk"),
  flood("packets", "small packets to nobody", "vif"),
  flood("broadcasts", "small packets to everybody", "vif"),
  flood("console", "console output"),
  flood("xenstore", "xenstore requests"),
  flood("grants", "a grant mapped and unmapped"),
  flood("vcpus", "a vcpu brought up and down", undefined, 2),
  hostile("events", "events", "events to itself"),
  hostile("dom0-events", "dom0-events", "events to Dom0"),
  hostile("timers", "timers", "timers that are due at once"),
  hostile("page-tables", "pins", "page tables pinned and unpinned, 1024 in a call"),
  hostile("page-faults", "table-writes", "page-table entries written and faults taken"),
  hostile("multicalls", "multicalls", "multicalls of 1024 calls"),
  hostile("grant-copies", "copies", "grant copies, 512 pages in a call"),
];

/** @throws MissingPeer for a name that there is not */
export function scenariosNamed(list: string): Scenario[] {
  const names = list.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !SCENARIOS.some((one) => one.name === name));
  if (unknown !== undefined)
    throw new MissingPeer(
      `--only takes names out of ${SCENARIOS.map(({ name }) => name).join(", ")}; "${unknown}" is none of them.`,
    );
  return SCENARIOS.filter(({ name }) => names.includes(name));
}
