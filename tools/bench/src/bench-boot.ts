// `npm run bench:boot`: the time from process start to userspace of Debian's kernel, on xen-node and on QEMU's TCG with the
// same kernel and ram disk, in one run.
import { spawn } from "node:child_process";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cachedDebian, defaultCacheFolder, fetchDebian, USERSPACE_MARKER } from "xen-node";
import { QEMU } from "./contenders.ts";
import { explainMissing, MissingPeer, requirePrograms } from "./missing-peer.ts";
import { processorMs } from "./processor-time.ts";
import { median } from "./statistics.ts";
import { formatTable } from "./table.ts";

const LIMIT_MS = 300_000;

const { values } = parseArgs({
  options: { runs: { type: "string", default: "5" }, memory: { type: "string", default: "256" } },
});

interface Contender {
  readonly name: string;
  readonly program: string;
  readonly parameters: readonly string[];
  readonly times: BootTime[];
}

interface BootTime {
  /** From the start of the process, by the clock on the wall. */
  readonly seconds: number;
  /** Of processor time, which other work on the machine hardly touches. */
  readonly processorSeconds: number;
}

/** Starts a program and answers the time until userspace has printed its marker; then kills it. */
function timeToUserspace({ name, program, parameters }: Contender): Promise<BootTime> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program, parameters, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    const fail = (what: string): void => end(new Error(`${name} ${what}:\n${output.slice(-2000)}${errors}`));
    const timer = setTimeout(() => fail(`did not reach userspace in ${LIMIT_MS / 1000} s`), LIMIT_MS);
    const end = (error?: unknown): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      // The next run starts when this one is gone.
      child.on("close", () => (time ? resolve(time) : reject(error)));
      if (!child.kill("SIGKILL")) reject(error);
    };
    let time: BootTime | undefined;
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(explainMissing(program, error));
    });
    child.on("close", (status) => fail(`ended with ${status}`));
    child.stderr.on("data", (chunk: Buffer) => {
      errors += chunk;
    });
    child.stdout.on("data", (chunk: Buffer) => {
      if (time) return;
      output += chunk.toString("latin1");
      if (!output.includes(USERSPACE_MARKER)) return;
      time = { seconds: (performance.now() - start) / 1000, processorSeconds: processorMs(child.pid!) / 1000 };
      end();
    });
  });
}

async function main(): Promise<void> {
  const runs = Number(values.runs);
  if (!(runs >= 1)) throw new MissingPeer("--runs takes a number.");
  requirePrograms(QEMU);
  const cache = defaultCacheFolder();
  const progress = (message: string): void => console.error(message);
  const guest = (await cachedDebian(cache)) ?? (await fetchDebian({ cache, progress }));
  const cli = join(dirname(fileURLToPath(import.meta.resolve("xen-node"))), "cli.js");
  const machine = ["-accel", "tcg", "-m", values.memory, "-nographic", "-no-reboot", "-net", "none"];
  const boot = ["-kernel", guest.kernel, "-initrd", guest.initrd, "-append", "console=ttyS0"];
  const contenders: Contender[] = [
    {
      name: "xen-node",
      program: process.execPath,
      parameters: [cli, "run", "--memory", values.memory],
      times: [],
    },
    { name: "QEMU TCG", program: QEMU, parameters: [...machine, ...boot], times: [] },
  ];
  console.log(`${guest.description}, ${values.memory} MiB; from process start to userspace`);
  console.log(`${cpus()[0].model}, ${cpus().length} processors, Node.js ${process.versions.node}`);
  // Turn by turn, so that whatever else the machine does falls on both.
  for (let run = 1; run <= runs; run++) {
    for (const contender of contenders) {
      const time = await timeToUserspace(contender);
      contender.times.push(time);
      console.error(
        `run ${run} of ${runs}: ${contender.name} ${time.seconds.toFixed(1)} s (processor ${time.processorSeconds.toFixed(1)} s)`,
      );
    }
  }
  const columns = { seconds: "to userspace", processorSeconds: "of processor time" } as const;
  for (const [key, title] of Object.entries(columns) as [keyof BootTime, string][]) {
    const values = contenders.map(({ times }) => times.map((time) => time[key]));
    console.log(
      `\n${formatTable([
        [`seconds ${title}`, "median", "least", "most"],
        ...contenders.map(({ name }, index) => [
          name,
          ...[median(values[index]), Math.min(...values[index]), Math.max(...values[index])].map((value) =>
            value.toFixed(1),
          ),
        ]),
      ])}`,
    );
    console.log(`ratio xen-node / QEMU TCG: ${(median(values[0]) / median(values[1])).toFixed(2)}`);
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof MissingPeer ? error.message : error);
  process.exitCode = 1;
});
