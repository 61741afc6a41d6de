// `npm run bench:hundred`: many Debian guests in one process. Figures are printed, nothing is judged.
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import type { PlaceUsage } from "@xen-node/mmu";
import { cachedDebian, defaultCacheFolder, fetchDebian, setEngineFlags, TranslationStore } from "xen-node";
import { HundredFleet } from "./hundred-fleet.ts";
import type { HundredGuest } from "./hundred-guest.ts";
import { stopwatch, type Taken, withEach } from "./hundred-progress.ts";
import { describeState, type FleetState, fleetState } from "./hundred-state.ts";
import { MissingPeer } from "./missing-peer.ts";
import { formatTable } from "./table.ts";

const note = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
const seconds = (ms: number): string => (ms / 1000).toFixed(1);
const ascending = (values: number[]): number[] => values.sort((a, b) => a - b);
/** Least, median and most. */
const spreadOf = (sorted: readonly number[]): number[] =>
  [0, 0.5, 1].map((part) => sorted[Math.floor(part * (sorted.length - 1))]);
/** Of those that the audit finds, to be printed. */
const MOST_FAULTS = 10;

interface Options {
  guests: number;
  memory: number;
  together: number;
  kept: boolean;
}

function parse() {
  try {
    return parseArgs({
      allowNegative: true,
      options: {
        guests: { type: "string", default: "100" },
        memory: { type: "string", default: "128" },
        together: { type: "string", default: "10" },
        "kept-translations": { type: "boolean", default: true },
      },
    }).values;
  } catch (error) {
    // What is wrong with the parameters stands in the first sentence.
    const [what] = (error as Error).message.split(". ");
    throw new MissingPeer(`${what}: there are --guests, --memory, --together and --no-kept-translations.`);
  }
}

function options(): Options {
  const values = parse();
  const [guests, memory, together] = [values.guests, values.memory, values.together].map(Number);
  if (!(guests >= 2 && memory >= 96 && memory <= 512 && together >= 1))
    throw new MissingPeer("--guests is at least 2, --memory from 96 to 512, --together at least 1.");
  return { guests, memory, together, kept: values["kept-translations"] };
}

async function main(): Promise<void> {
  const { guests, memory, together, kept } = options();
  setEngineFlags();
  const cache = defaultCacheFolder();
  const debian = (await cachedDebian(cache)) ?? (await fetchDebian({ cache, progress: note }));
  console.log(`${debian.description}: ${guests} guests of ${memory} MiB, ${together} booting at a time`);
  console.log(`${cpus()[0].model}, ${cpus().length} processors, Node.js ${process.versions.node}`);

  const sizes = HundredFleet.sizes(guests, memory);
  const store = kept ? TranslationStore.of(cache, sizes) : undefined;
  const fleet = new HundredFleet(sizes, debian, memory, store?.options, note);
  const { frames } = fleet.machine.hypervisor.mmu;
  const freeFrames = frames.freeFrames;
  const freePlaces = frames.places.free;
  const states: [string, FleetState][] = [["before", fleetState(fleet)]];
  const phases: [string, Taken][] = [];
  const start = performance.now();
  try {
    const taken = stopwatch();
    await fleet.boot(guests, together);
    phases.push(["all shells take commands", taken()]);
    states.push(["in userspace", fleetState(fleet)]);
    const each = (what: string, work: (guest: HundredGuest) => Promise<unknown>): Promise<Taken> =>
      withEach(fleet.guests, what, note, work);
    phases.push(["all pings answered", await each("had an answer", (guest) => guest.ping(fleet.peerOf(guest)))]);
    phases.push(["all disks written", await each("have written to their disks", (guest) => guest.writeDisk())]);
    states.push(["used", fleetState(fleet)]);
    const idleShare = await fleet.idleShare();
    const usage = fleet.usage();
    phases.push(["all shut down", await each("have shut down", (guest) => guest.powerOff())]);
    await fleet.allDestroyed();
    states.push(["all gone", fleetState(fleet)]);

    console.log(`\n${describeTimes(fleet.guests, start, phases)}`);
    console.log(`\n${describeUsage(usage)}`);
    console.log(`\n${describeState(states, guests)}\n`);
    const { counters } = fleet.machine.hypervisor.processor.translator ?? {};
    if (counters !== undefined) {
      const { compiled, shared, evicted, invalidated } = counters;
      console.log(`Regions: ${compiled} translated, ${shared} shared, ${evicted} evicted, ${invalidated} invalidated.`);
    }
    console.log(`Most memory behind frames at one time: ${(fleet.peakBytes / 2 ** 20).toFixed(1)} MiB.`);
    console.log(`All ${guests} idle: ${(100 * idleShare).toFixed(1)} % of a processor.`);
    const count = (is: (guest: HundredGuest) => boolean): number => fleet.guests.filter(is).length;
    const [wrote, off] = [count(({ hasWritten }) => hasWritten), count(({ end }) => end === "poweroff")];
    console.log(`${guests} had an answer from a peer; ${wrote} disks say whose they are; ${off} powered off.`);
    const [lostFrames, lostPages] = [freeFrames - frames.freeFrames, freePlaces - frames.places.free];
    const faults = fleet.machine.hypervisor.auditFrames();
    console.log(
      `Frames that are not free again: ${lostFrames}; pages behind frames, the machine-to-physical tables' among them: ${lostPages}.`,
    );
    console.log([`The audit of frames finds ${faults.length} faults.`, ...faults.slice(0, MOST_FAULTS)].join("\n"));
    store?.save(fleet.machine.hypervisor.processor.translator);
  } finally {
    await fleet.close();
  }
}

function describeTimes(guests: readonly HundredGuest[], start: number, phases: readonly [string, Taken][]): string {
  const booted = ascending(guests.map(({ bootedMs }) => bootedMs - start));
  const each = ascending(guests.map(({ bootedMs, createdMs }) => bootedMs - createdMs));
  const spread = formatTable([
    ["s", "first", "median", "last"],
    ["userspace, since the first was created", ...spreadOf(booted).map(seconds)],
    ["userspace, since the guest was created", ...spreadOf(each).map(seconds)],
  ]);
  const sums = formatTable([
    ["s", "clock", "processor"],
    ...phases.map(([what, { ms, processorMs }]) => [what, seconds(ms), seconds(processorMs)]),
  ]);
  return `${spread}\n\n${sums}`;
}

function describeUsage(usage: readonly PlaceUsage[]): string {
  return formatTable([
    ["pages of 4 KiB a guest", "least", "median", "most"],
    ...(["own", "shared", "untouched"] as const).map((kind) => [
      kind,
      ...spreadOf(ascending(usage.map((of) => of[kind]))).map(String),
    ]),
  ]);
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error instanceof MissingPeer ? error.message : error);
    // Guests that still run would keep the process.
    process.exit(1);
  },
);
