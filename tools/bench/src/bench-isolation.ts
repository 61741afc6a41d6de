// `npm run bench:isolation`: section 4.4 of the paper. Two guests work, two others do their worst; what the first two get done
// is compared with what they do beside two that take their fair share and nothing else. Ratios are printed, nothing is judged.
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { cachedDebian, defaultCacheFolder, fetchDebian, UserError } from "xen-node";
import { guestModules } from "./guest-modules.ts";
import { IsolationFleet, type IsolationGuest } from "./isolation-fleet.ts";
import { COMPUTING, SCENARIOS, type Scenario, scenariosNamed } from "./isolation-scenarios.ts";
import { MissingPeer, requirePrograms } from "./missing-peer.ts";
import { median } from "./statistics.ts";
import { formatTable } from "./table.ts";

/** How long the guests that work run by themselves first, and peers before they are measured: what they need is translated then. Processor time, s. */
const WARM_UP_S = 20;
const SETTLE_S = 0.5;
/** A measurement of a second ends after so many seconds by the clock, whatever this process did in them. */
const MOST_PER_SECOND = 10;
const LOOK_MS = 50;

interface Options {
  scheduler: "credit2" | "bvt";
  /** credit2's, us. */
  ratelimitUs: number | undefined;
  scenarios: Scenario[];
  seconds: number;
  rounds: number;
}

function parse() {
  try {
    return parseArgs({
      options: {
        sched: { type: "string", default: "credit2" },
        ratelimit: { type: "string" },
        only: { type: "string" },
        seconds: { type: "string", default: "4" },
        rounds: { type: "string", default: "3" },
      },
    }).values;
  } catch (error) {
    // What is wrong with the parameters stands in the first sentence.
    const [what] = (error as Error).message.split(". ");
    throw new MissingPeer(`${what}: there are --sched, --ratelimit, --only, --seconds and --rounds.`);
  }
}

function options(): Options {
  const { sched, ratelimit, only, ...numbers } = parse();
  const [seconds, rounds] = [numbers.seconds, numbers.rounds].map(Number);
  if (sched !== "credit2" && sched !== "bvt") throw new MissingPeer("--sched takes credit2 or bvt.");
  const ratelimitUs = ratelimit === undefined ? undefined : Number(ratelimit);
  if (ratelimitUs !== undefined && !(sched === "credit2" && ratelimitUs >= 100 && ratelimitUs <= 500_000))
    throw new MissingPeer("--ratelimit takes 100 to 500000 microseconds, with credit2 alone.");
  if (!(seconds > 0 && rounds >= 1)) throw new MissingPeer("--seconds and --rounds are more than 0.");
  const scenarios = only === undefined ? [...SCENARIOS] : scenariosNamed(only);
  return { scheduler: sched, ratelimitUs, scenarios, seconds, rounds };
}

/** What the two that work did in a second, of the wall clock and of this process's processor time, and who ran. */
interface Measured {
  database: number;
  web: number;
  databaseOfProcessor: number;
  webOfProcessor: number;
  /** Parts of the time on the wall that each had the processor, with what Dom0 did for it. */
  databaseShare: number;
  webShare: number;
  /** Of the time on the wall: the working guests, the peers, nobody (Dom0's programs, the host, idle). */
  workingShare: number;
  peersShare: number;
}

const note = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
const ranNs = (guests: readonly IsolationGuest[]): number => guests.reduce((sum, { ranNs }) => sum + ranNs, 0);

/** Seconds of processor time that this process has had. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Waits until this process had so much time on the host's processor: others on the machine do not shorten what is measured. */
async function forProcessorTime(seconds: number): Promise<void> {
  const end = processorTime() + seconds;
  const latest = performance.now() + 1000 * MOST_PER_SECOND * seconds;
  while (processorTime() < end && performance.now() < latest) await sleep(LOOK_MS);
}

async function measure(fleet: IsolationFleet, peersName: string | undefined, seconds: number): Promise<Measured> {
  const peers = peersName === undefined ? [] : fleet.peersOf(peersName);
  for (const { guest } of peers) guest.unpause();
  await forProcessorTime(SETTLE_S);
  const [work, working, others] = [fleet.work, ranNs(fleet.working), ranNs(peers)];
  const had = fleet.working.map(({ hadNs }) => hadNs);
  const [startProcessor, start] = [processorTime(), performance.now()];
  await forProcessorTime(seconds);
  const wallS = (performance.now() - start) / 1000;
  const processorS = processorTime() - startProcessor;
  const database = fleet.work.database - work.database;
  const web = fleet.work.web - work.web;
  const [databaseShare, webShare] = fleet.working.map(({ hadNs }, i) => (hadNs - had[i]) / wallS / 1e9);
  const measured = {
    database: database / wallS,
    web: web / wallS,
    databaseOfProcessor: database / processorS,
    webOfProcessor: web / processorS,
    databaseShare,
    webShare,
    workingShare: (ranNs(fleet.working) - working) / wallS / 1e9,
    peersShare: (ranNs(peers) - others) / wallS / 1e9,
  };
  for (const guest of [...fleet.working, ...peers])
    if (guest.ended) throw new Error(`${guest.name} ended while it was measured; it said last:\n${guest.tail}`);
  for (const { guest } of peers) guest.pause();
  return measured;
}

const fixed = (value: number, digits: number): string => value.toFixed(digits);

async function main(): Promise<void> {
  requirePrograms("gcc");
  const { scheduler, ratelimitUs, scenarios, seconds, rounds } = options();
  const cache = defaultCacheFolder();
  const debian = (await cachedDebian(cache)) ?? (await fetchDebian({ cache, progress: note }));
  const modules = await guestModules(cache, debian.description, note);
  const fleet = await IsolationFleet.start({ ...debian, modules }, [...COMPUTING, ...scenarios], scheduler, note);
  const { scheduler: running } = fleet.machine.hypervisor.cpupools.initial;
  if (running.name === "credit2" && ratelimitUs !== undefined) running.ratelimitUs = ratelimitUs;
  note("warming up");
  await forProcessorTime(WARM_UP_S);
  const alone: Measured[] = [];
  const results = new Map(scenarios.map((scenario) => [scenario, [] as { fair: Measured; beside: Measured }[]]));
  for (let round = 0; round < rounds; round++) {
    alone.push(await measure(fleet, undefined, seconds));
    for (const [scenario, measured] of results) {
      const fair = await measure(fleet, COMPUTING[scenario.vcpus - 1].name, seconds);
      const beside = await measure(fleet, scenario.name, seconds);
      measured.push({ fair, beside });
      const loss = (of: "database" | "web"): string => fixed(beside[of] / fair[of], 2);
      note(`round ${round + 1}: ${scenario.name}: database ${loss("database")}, web ${loss("web")}`);
    }
  }
  const failed = fleet.failedPages;
  await fleet.close();
  console.log(`${cpus()[0].model}, ${cpus().length} processors, Node.js ${process.versions.node}, ${scheduler}`);
  console.log(report(alone, results, rounds));
  if (failed > 0) console.log(`${failed} pages did not come, or not whole.`);
}

function report(
  alone: readonly Measured[],
  results: ReadonlyMap<Scenario, readonly { fair: Measured; beside: Measured }[]>,
  rounds: number,
): string {
  const of = (all: readonly Measured[], value: keyof Measured): number => median(all.map((one) => one[value]));
  const row = (name: string, all: readonly Measured[], ratios: string[]): string[] => {
    const [working, peers] = [of(all, "workingShare"), of(all, "peersShare")];
    const shares = [working, peers, 1 - working - peers].map((share) => fixed(100 * share, 0));
    return [name, fixed(of(all, "database"), 0), fixed(of(all, "web"), 0), ...ratios, ...shares];
  };
  const rows: string[][] = [];
  for (const [{ name }, pairs] of results) {
    const ratio = (value: keyof Measured): string =>
      fixed(median(pairs.map(({ fair, beside }) => beside[value] / fair[value])), 3);
    const keys = ["database", "web", "databaseOfProcessor", "webOfProcessor", "databaseShare", "webShare"] as const;
    const ratios = keys.map(ratio);
    const all = pairs.map(({ beside }) => beside);
    rows.push(row(name, all, ratios));
  }
  const fair = [...results].flatMap(([{ vcpus }, pairs]) => (vcpus === 1 ? pairs.map((pair) => pair.fair) : []));
  const heading = [
    "beside",
    "database/s",
    "web/s",
    "database",
    "web",
    "(processor)",
    "(processor)",
    "(share)",
    "(share)",
  ];
  const blank = ["", "", "", "", "", ""];
  return [
    `\nTwo guests that work beside two that do not, medians of ${rounds}. Ratios are to what they do beside two that compute,`,
    "by the clock and by this process's time; and those of the time that they had the processor, with Dom0's work for them.",
    "1.000 is what their share gives. Last, percent of the time: working, others, nobody.",
    formatTable([
      [...heading, "working", "others", "nobody"],
      row("nobody", alone, blank),
      ...(fair.length > 0 ? [row("two that compute", fair, blank)] : []),
      ...rows,
    ]),
  ].join("\n");
}

main().catch((error: unknown) => {
  console.error(error instanceof MissingPeer || error instanceof UserError ? error.message : error);
  process.exit(1);
});
