import { DOMID_XEN } from "@xen-node/mmu";
import type { HundredFleet } from "./hundred-fleet.ts";
import { type ProcessMemory, processMemory } from "./process-memory.ts";
import { formatTable } from "./table.ts";

const MIB = 2 ** 20;
const KIB = 2 ** 10;
const PAGE = 4096;

/** What the guests take of the host, at one moment. */
export interface FleetState extends ProcessMemory {
  /** Bytes of machine memory that frames take. */
  readonly frames: number;
  /** Of these, the hypervisor's own. */
  readonly xenFrames: number;
}

export function fleetState({ machine }: HundredFleet): FleetState {
  const { frames } = machine.hypervisor.mmu;
  return {
    ...processMemory(),
    frames: (frames.places.total - frames.places.free) * PAGE,
    xenFrames: frames.ownedBy(DOMID_XEN) * PAGE,
  };
}

/** Tables of what there was at some moments, the last after all guests were gone, and what one guest came to before that. */
export function describeState(states: readonly [string, FleetState][], guests: number): string {
  const mib = (bytes: number | undefined): string => (bytes === undefined ? "unknown" : (bytes / MIB).toFixed(1));
  const rows: [string, (state: FleetState) => number | undefined][] = [
    ["resident memory of the process", ({ resident }) => resident],
    ["memory behind frames", ({ frames }) => frames],
    ["JavaScript heap", ({ heap }) => heap],
    ["array buffers", ({ buffers }) => buffers],
    ["machine code, WebAssembly's and JavaScript's", ({ code }) => code],
  ];
  const moments = formatTable([
    ["MiB", ...states.map(([moment]) => moment)],
    ...rows.map(([what, of]) => [what, ...states.map(([, state]) => mib(of(state)))]),
  ]);
  const [, last] = states[states.length - 1];
  const [, full] = states[states.length - 2];
  const [, first] = states[0];
  const kib = (more: number): string => (more / guests / KIB).toFixed(1);
  const perGuest = formatTable([
    ["KiB a guest", ""],
    ["resident memory that came with them", kib(full.resident - first.resident)],
    ["memory behind frames that went with them", kib(full.frames - last.frames)],
    ["heap that went with them", kib(full.heap - last.heap)],
    ["array buffers that went with them", kib(full.buffers - last.buffers)],
    ["Xen's frames that went with them", kib(full.xenFrames - last.xenFrames)],
  ]);
  return `${moments}\n\n${perGuest}`;
}
