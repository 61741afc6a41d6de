// `npm run bench`: our programs and busybox's in Linux on xen-node, on QEMU's TCG and on v86, and on this machine, in one run.
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { cachedDebian, defaultCacheFolder, fetchDebian, UserError } from "xen-node";
import { timeToUserspace } from "./boot-time.ts";
import { QEMU } from "./contenders.ts";
import { debianI386 } from "./debian-i386.ts";
import { MissingPeer, requirePrograms } from "./missing-peer.ts";
import { median } from "./statistics.ts";
import { SuiteFolder } from "./suite-folder.ts";
import { suiteJson } from "./suite-json.ts";
import { suiteOptions } from "./suite-options.ts";
import { nativePeer, qemuPeer, type SuitePeer, v86Peer, xenNodePeer } from "./suite-peer.ts";
import { BOOT } from "./suite-programs.ts";
import { suiteReport } from "./suite-report.ts";
import { SuiteResults } from "./suite-results.ts";
import { type Outcome, runSuite } from "./suite-run.ts";

const WARM_UP_ROUNDS = 1;
const MEMORY_MIB = 256;

const progress = (message: string): void => console.error(message);

/** Fetches the guests that are not there and builds what runs in them. */
async function preparePeers(folder: SuiteFolder, skipV86: boolean): Promise<{ peers: SuitePeer[]; guests: string[] }> {
  const cache = defaultCacheFolder();
  const debian = (await cachedDebian(cache)) ?? (await fetchDebian({ cache, progress }));
  folder.add(64, debian.busybox);
  const peers = [xenNodePeer(folder, debian.kernel, MEMORY_MIB), qemuPeer(folder, debian.kernel, MEMORY_MIB)];
  const guests = [debian.description];
  if (!skipV86) {
    const i386 = await debianI386(cache, progress);
    folder.add(32, i386.busybox);
    peers.push(v86Peer(folder, i386.kernel, MEMORY_MIB));
    guests.push(i386.description);
  }
  // Last: its results are what the others are compared with.
  return { peers: [...peers, nativePeer(folder)], guests };
}

async function measureBoots(peer: SuitePeer, rounds: number): Promise<Outcome> {
  const outcome: Outcome = { rounds: [] };
  try {
    for (let round = 1; round <= rounds; round++) {
      const { seconds, processorSeconds } = await timeToUserspace(peer.name, peer.boot!);
      progress(`${peer.name}: boot ${seconds.toFixed(1)} s (${round} of ${rounds})`);
      const times = { wallMs: seconds * 1000, processorMs: processorSeconds * 1000, guestMs: Number.NaN };
      outcome.rounds.push({ ...times, result: "" });
    }
  } catch (error) {
    if (error instanceof MissingPeer) throw error;
    progress((error as Error).message);
    outcome.failure = "did not reach userspace";
  }
  return outcome;
}

async function main(): Promise<void> {
  const options = suiteOptions(process.argv.slice(2));
  const { rounds, passes, limitMs, programs, json } = options;
  requirePrograms("gcc", QEMU);
  const folder = new SuiteFolder();
  // However the process ends.
  process.on("exit", () => folder.remove());
  const { peers, guests } = await preparePeers(folder, options.skipV86);
  const results = new SuiteResults(
    programs,
    peers.map(({ name }) => name),
  );
  const started = programs.filter((program) => program !== BOOT);
  const run = (peer: SuitePeer, when: string) =>
    runSuite(peer, started, {
      rounds,
      warmUp: WARM_UP_ROUNDS,
      limitMs,
      onOutcome: ({ name }, outcome) => {
        const time = median(outcome.rounds.map(({ wallMs }) => wallMs)).toFixed(0);
        progress(`${when}${peer.name}: ${name} ${outcome.failure ?? `${time} ms`}`);
      },
      onBreakdown: (end) => progress(`${when}${peer.name} ${end}`),
    });
  // Nobody runs a guest only once, and what is kept from run to run is part of what is measured.
  for (const peer of peers) if (peer.endSignal !== undefined) await run(peer, "before: ");
  // Turn by turn, so that whatever else the machine does falls on all.
  for (let pass = 1; pass <= passes; pass++) {
    if (passes > 1) progress(`Pass ${pass} of ${passes}`);
    for (const peer of peers) {
      const outcomes = await run(peer, "");
      for (const [name, outcome] of outcomes) results.add(peer.name, name, outcome);
      if (programs.includes(BOOT) && peer.boot) results.add(peer.name, BOOT.name, await measureBoots(peer, rounds));
    }
  }
  results.compareResults();
  const machine = `${cpus()[0].model}, ${cpus().length} processors, Node.js ${process.versions.node}`;
  console.log(`${machine}\n${guests.join("\n")}`);
  console.log(
    `${MEMORY_MIB} MiB a guest; medians of ${rounds * passes} rounds by the host's clock on the wall; ratios are our time to theirs; xen-node after one run before\n`,
  );
  console.log(suiteReport(results));
  if (json !== undefined) writeFileSync(json, suiteJson(results, { machine, guests, rounds, passes }));
  if (results.failures.length > 0) process.exitCode = 1;
}

// Ended by a signal, the process runs its exit handlers too: nothing that it started goes on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1));

main().catch((error: unknown) => {
  console.error(error instanceof MissingPeer || error instanceof UserError ? error.message : error);
  process.exitCode = 1;
});
