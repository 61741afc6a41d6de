// `npm run bench:io`: disk and network of guests on xen-node and on QEMU's TCG, files in Node.js and natively, and the
// hypervisor's paths that both live on, in one run.
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { cachedDebian, defaultCacheFolder, fetchDebian, UserError } from "xen-node";
import { QEMU } from "./contenders.ts";
import { guestModules } from "./guest-modules.ts";
import { IoFolder } from "./io-folder.ts";
import { countsTrips, isDiskJob, isNetJob, isPathJob, type NetJob, type PathJob } from "./io-jobs.ts";
import { ioJson } from "./io-json.ts";
import { type IoOptions, ioOptions } from "./io-options.ts";
import { type IoPeer, IoPeers } from "./io-peers.ts";
import { ioReport } from "./io-report.ts";
import { IoResults } from "./io-results.ts";
import { MissingPeer, requirePrograms } from "./missing-peer.ts";
import { endPeer, startPeer } from "./peer-process.ts";
import { median } from "./statistics.ts";
import { runSuite } from "./suite-run.ts";
import { freePort, TrafficServer } from "./traffic-server.ts";

const WARM_UP_ROUNDS = 1;
/** Characters that are kept of what the guest beside another says last. */
const CONSOLE_TAIL = 2000;

const progress = (message: string): void => console.error(message);

/** Runs jobs on a peer and takes down what became of them. */
async function measure<J extends { readonly name: string }>(
  peer: IoPeer<J>,
  jobs: readonly J[],
  results: IoResults,
  { rounds, limitMs }: IoOptions,
  shown: (perSecond: number, job: J) => string,
): Promise<void> {
  if (jobs.length === 0) return;
  const companion = peer.companion && startPeer(peer.companion);
  let companionTail = "";
  for (const stream of companion ? [companion.stdout, companion.stderr] : []) {
    stream.on("data", (chunk: Buffer) => {
      companionTail = `${companionTail}${chunk.toString("latin1")}`.slice(-CONSOLE_TAIL);
    });
  }
  companion?.on("error", (error) => progress(`${peer.name}: ${error.message}`));
  try {
    const outcomes = await runSuite(peer, jobs, {
      rounds,
      warmUp: WARM_UP_ROUNDS,
      limitMs,
      onOutcome: (job, { rounds: measured, failure }) => {
        const perSecond = median(measured.map(({ wallMs, result }) => Number.parseInt(result, 16) / (wallMs / 1000)));
        progress(`${peer.name}: ${job.name} ${failure ?? shown(perSecond, job)}`);
      },
      onBreakdown: (end) => {
        progress(`${peer.name} ${end}`);
        if (companion) progress(`The guest beside it said last:\n${companionTail}`);
      },
    });
    results.add(peer.name, outcomes);
  } finally {
    if (companion) endPeer(companion);
  }
}

const megabytes = (perSecond: number): string => `${(perSecond / 1e6).toFixed(1)} MB/s`;
const netRate = (perSecond: number, job: NetJob): string =>
  countsTrips(job) ? `${perSecond.toFixed(0)} round trips/s` : megabytes(perSecond);

async function measureDisks(peers: IoPeers, results: IoResults, options: IoOptions): Promise<void> {
  const jobs = results.jobs.filter(isDiskJob);
  const makers = {
    "xen-node": [() => peers.xenNodeDisk("raw")],
    qcow2: [() => peers.xenNodeDisk("qcow2")],
    qemu: [() => peers.qemuDisk()],
    node: [() => peers.nodeDisk("sync"), () => peers.nodeDisk("promises")],
    native: [() => peers.nativeDisk()],
  };
  for (const contestant of options.contestants) {
    for (const make of makers[contestant]) await measure(make(), jobs, results, options, megabytes);
  }
}

async function measureNetworks(peers: IoPeers, results: IoResults, options: IoOptions): Promise<void> {
  const toHost = results.jobs.filter(isNetJob).filter(({ server }) => server === "host");
  const toGuest = results.jobs.filter(isNetJob).filter(({ server }) => server === "guest");
  const server = await TrafficServer.start();
  try {
    for (const contestant of options.contestants) {
      if (contestant === "xen-node") {
        await measure(peers.xenNodeNet(server.port), toHost, results, options, netRate);
        await measure(peers.xenNodeGuests(), toGuest, results, options, netRate);
      } else if (contestant === "qemu") {
        await measure(peers.qemuNet(server.port), toHost, results, options, netRate);
        await measure(peers.qemuGuests(await freePort()), toGuest, results, options, netRate);
      } else if (contestant === "native") {
        await measure(peers.nativeNet(server.port), toHost, results, options, netRate);
      }
    }
  } finally {
    server.close();
  }
}

/** In a process of its own, as src/hypervisor-paths.ts says. */
async function measurePaths(jobs: readonly PathJob[], results: IoResults, { rounds, limitMs }: IoOptions) {
  // The program as it lies beside this one once it is built.
  const part = fileURLToPath(new URL("./hypervisor-paths.js", import.meta.url));
  const peer = startPeer({
    program: process.execPath,
    parameters: [part, String(rounds), ...jobs.map(({ name }) => name)],
  });
  const timer = setTimeout(() => endPeer(peer), limitMs);
  let output = "";
  let errors = "";
  peer.stdout.on("data", (chunk: Buffer) => {
    timer.refresh();
    output += chunk;
  });
  peer.stderr.on("data", (chunk: Buffer) => {
    errors += chunk;
  });
  const status = await new Promise((resolve) => peer.on("close", (code, signal) => resolve(code ?? signal)));
  clearTimeout(timer);
  for (const line of output.split("\n").slice(0, -1)) {
    const { name, nanoseconds }: { name: string; nanoseconds: number[] } = JSON.parse(line);
    results.paths.set(name, nanoseconds);
    progress(`${name} ${median(nanoseconds).toFixed(0)} ns`);
  }
  if (status !== 0) progress(`The hypervisor's paths ended with ${status}:\n${errors}`);
}

/** Fetches the guest, if it is not there, and measures everything that has files. */
async function measureGuests(results: IoResults, options: IoOptions, folder: IoFolder): Promise<string> {
  requirePrograms("gcc");
  if (options.contestants.includes("qemu")) requirePrograms(QEMU);
  if (options.contestants.includes("qcow2")) requirePrograms("qemu-img");
  const cache = defaultCacheFolder();
  const debian = (await cachedDebian(cache)) ?? (await fetchDebian({ cache, progress }));
  const modules = await guestModules(cache, debian.description, progress);
  const peers = new IoPeers(folder, { kernel: debian.kernel, busybox: debian.busybox, modules });
  if (results.jobs.some(isDiskJob)) await measureDisks(peers, results, options);
  if (results.jobs.some(isNetJob)) await measureNetworks(peers, results, options);
  return debian.description;
}

async function main(): Promise<void> {
  const options = ioOptions(process.argv.slice(2));
  const results = new IoResults(options.jobs);
  const folder = new IoFolder(options.folder);
  // However the process ends.
  process.on("exit", () => folder.remove());
  const paths = options.jobs.filter(isPathJob);
  const hasGuests = options.jobs.length > paths.length;
  const guest = hasGuests ? await measureGuests(results, options, folder) : undefined;
  if (paths.length > 0) await measurePaths(paths, results, options);
  const machine = `${cpus()[0].model}, ${cpus().length} processors, Node.js ${process.versions.node}`;
  console.log([machine, ...(guest === undefined ? [] : [guest, `Images in ${options.folder}`])].join("\n"));
  console.log(`Medians of ${options.rounds} rounds by the host's clock on the wall; above 1, ours is the faster one\n`);
  console.log(ioReport(results));
  if (options.json !== undefined)
    writeFileSync(options.json, ioJson(results, { machine, guest, rounds: options.rounds }));
  const lost = paths.some(({ name }) => !results.paths.has(name));
  if (lost || results.failures.length > 0) process.exitCode = 1;
}

// Ended by a signal, the process runs its exit handlers too: nothing that it started goes on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1));

// Awaited here, so that Node.js says it if something is never settled.
try {
  await main();
} catch (error) {
  console.error(error instanceof MissingPeer || error instanceof UserError ? error.message : error);
  process.exitCode = 1;
}
