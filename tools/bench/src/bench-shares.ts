// `npm run bench:shares`: Figures 5 and 6 of the paper with small guests, in one process. Ratios are printed, nothing is judged.
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { SCHEDULER_NAMES, type SchedulerName } from "@xen-node/schedulers";
import { MissingPeer, requirePrograms } from "./missing-peer.ts";
import { Fleet, type FleetGuest } from "./share-fleet.ts";
import { median } from "./statistics.ts";
import { formatTable } from "./table.ts";

const WEIGHTS = [8, 7, 6, 5, 4, 3, 2, 1];
/** Divisible by all of them: a weight is its inverse in BVT. */
const ADVANCE = 840;
/** Least time for which shares are taken: many turns of the lightest. */
const SHARES_S = 20;
/** Guests whose answers are waited for, and how long they are left alone between them, ms. */
const PINGS = 40;
const PAUSE_MS = 250;

interface Options {
  schedulers: SchedulerName[];
  guests: number;
  seconds: number;
  rounds: number;
}

function parse() {
  try {
    return parseArgs({
      options: {
        sched: { type: "string", multiple: true, default: ["bvt", "credit2"] },
        guests: { type: "string", default: "128" },
        seconds: { type: "string", default: "2" },
        rounds: { type: "string", default: "3" },
      },
    }).values;
  } catch (error) {
    // What is wrong with the parameters stands in the first sentence.
    const [what] = (error as Error).message.split(". ");
    throw new MissingPeer(`${what}: there are --sched, --guests, --seconds and --rounds.`);
  }
}

function options(): Options {
  const values = parse();
  const schedulers = SCHEDULER_NAMES.filter((name) => values.sched.includes(name));
  const [guests, seconds, rounds] = [values.guests, values.seconds, values.rounds].map(Number);
  if (schedulers.length !== values.sched.length || schedulers.some((name) => name !== "bvt" && name !== "credit2"))
    throw new MissingPeer("--sched takes bvt or credit2, and may be repeated.");
  if (!(guests >= WEIGHTS.length && guests <= 500 && seconds > 0 && rounds >= 1))
    throw new MissingPeer(`--guests is from ${WEIGHTS.length} to 500, --seconds and --rounds are more than 0.`);
  return { schedulers, guests, seconds, rounds };
}

const note = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
const sumOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const fixed = (value: number, digits = 3): string => value.toFixed(digits);

/** Weights of the first workers; all others weigh one. */
function weigh({ machine }: Fleet, workers: readonly FleetGuest[], weights: readonly number[]): void {
  const { scheduler } = machine.hypervisor.cpupools.initial;
  for (const [at, { domid }] of workers.entries()) {
    const weight = weights[at] ?? 1;
    if (scheduler.name === "bvt") scheduler.adjust(domid, { mcuAdvance: ADVANCE / weight });
    if (scheduler.name === "credit2") scheduler.adjust(domid, { weight: 100 * weight });
  }
}

/** Figure 5, the last column: eight guests of weights 8 to 1. */
async function figure5(fleet: Fleet, { seconds, rounds }: Options): Promise<void> {
  const workers = fleet.workers.slice(0, WEIGHTS.length);
  fleet.activate(WEIGHTS.length);
  weigh(fleet, fleet.workers, WEIGHTS);
  await sleep(1000);
  const before = workers.map(({ ranNs, retired }) => ({ ranNs, retired }));
  await sleep(Math.max(SHARES_S, seconds * rounds) * 1000);
  const ran = workers.map(({ ranNs }, at) => ranNs - before[at].ranNs);
  const done = workers.map(({ retired }, at) => retired - before[at].retired);
  const all = sumOf(WEIGHTS);
  const rows = WEIGHTS.map((weight, at) => [
    String(weight),
    fixed((100 * weight) / all, 1),
    fixed((100 * ran[at]) / sumOf(ran), 1),
    fixed((ran[at] / sumOf(ran)) * (all / weight)),
    fixed((done[at] / sumOf(done)) * (all / weight)),
  ]);
  console.log("\nFigure 5: eight guests of different weights, percent of the processor; 1.000 is exactly the share");
  console.log(formatTable([["weight", "expected", "had", "time / share", "work / share"], ...rows]));
  weigh(fleet, fleet.workers, []);
}

interface Throughput {
  /** Instructions a second of the wall clock, and of this process's time on the processor. */
  wall: number;
  processor: number;
}

async function throughput(fleet: Fleet, count: number, seconds: number): Promise<Throughput> {
  fleet.activate(count);
  // Each has the processor once, so that what it needs is translated and in the caches.
  await sleep(Math.max(200, 12 * count));
  const workers = fleet.workers.slice(0, count);
  const work = (): number => sumOf(workers.map(({ retired }) => retired));
  const [startWork, startCpu, start] = [work(), process.cpuUsage(), performance.now()];
  await sleep(seconds * 1000);
  const wallS = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(startCpu);
  const done = work() - startWork;
  return { wall: done / wallS, processor: done / ((user + system) / 1e6) };
}

/** Figure 6: what many guests do together, to what one does. */
async function figure6(fleet: Fleet, { guests, seconds, rounds }: Options): Promise<void> {
  const counts = [...Array(20).keys()].map((power) => 2 ** power).filter((count) => count < guests);
  const rows: string[][] = [];
  for (const count of [...counts, guests]) {
    note(`figure 6: ${count} guests`);
    const ratios: Throughput[] = [];
    for (let round = 0; round < rounds; round++) {
      const one = await throughput(fleet, 1, seconds);
      const many = await throughput(fleet, count, seconds);
      ratios.push({ wall: many.wall / one.wall, processor: many.processor / one.processor });
    }
    const medianOf = (of: keyof Throughput): string => fixed(median(ratios.map((ratio) => ratio[of])));
    rows.push([String(count), medianOf("wall"), medianOf("processor")]);
  }
  console.log(
    `\nFigure 6: what guests that compute do together, to what one does alone (1.000 is ideal; medians of ${rounds})`,
  );
  console.log(formatTable([["guests", "by the clock", "by processor time"], ...rows]));
}

async function answers(guest: FleetGuest): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < PINGS; n++) {
    // Not in step with anything.
    await sleep(PAUSE_MS + 37 * (n % 7));
    times.push(await guest.ping());
  }
  return times;
}

function describe(name: string, times: readonly number[]): string[] {
  const mean = sumOf(times) / times.length;
  const deviation = Math.sqrt(sumOf(times.map((time) => (time - mean) ** 2)) / times.length);
  return [name, fixed(mean, 1), fixed(deviation, 1), fixed(median(times), 1), fixed(Math.max(...times), 1)];
}

/** The text beside Figure 6: how long a guest takes to answer beside all those that compute. */
async function latency(fleet: Fleet, { guests }: Options): Promise<void> {
  fleet.activate(guests);
  const idle = await fleet.addIdle();
  weigh(fleet, [idle], []);
  note("how long answers take");
  const rows = [
    describe("one more, which is idle", await answers(idle)),
    describe("one of those that compute", await answers(fleet.workers[0])),
  ];
  console.log(`\nHow long a byte to a guest's console and back takes beside ${guests} that compute, ms`);
  console.log(formatTable([["guest", "mean", "deviation", "median", "longest"], ...rows]));
}

async function main(): Promise<void> {
  requirePrograms("gcc");
  const given = options();
  console.log(`${cpus()[0].model}, ${cpus().length} processors, Node.js ${process.versions.node}`);
  for (const name of given.schedulers) {
    note(`${name}: starting ${given.guests} guests`);
    const fleet = await Fleet.start(name, given.guests);
    console.log(`\n== ${name}`);
    await figure5(fleet, given);
    await figure6(fleet, given);
    await latency(fleet, given);
    await fleet.close();
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof MissingPeer ? error.message : error);
  process.exitCode = 1;
});
