// `npm run bench:boot`: the time from process start to userspace of Debian's kernel, on xen-node and on QEMU's TCG with the
// same kernel and ram disk, in one run.
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { cachedDebian, defaultCacheFolder, fetchDebian } from "xen-node";
import { type BootTime, timeToUserspace } from "./boot-time.ts";
import { QEMU } from "./contenders.ts";
import { type Command, qemuCommand, xenNodeCommand } from "./emulators.ts";
import { MissingPeer, requirePrograms } from "./missing-peer.ts";
import { median } from "./statistics.ts";
import { formatTable } from "./table.ts";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "5" }, memory: { type: "string", default: "256" } },
});

/** Of xen-node, which keeps translations from run to run: nobody boots a guest only once. */
const RUNS_BEFORE = 4;

interface Contender {
  readonly name: string;
  readonly command: Command;
  readonly times: BootTime[];
}

async function main(): Promise<void> {
  const runs = Number(values.runs);
  if (!(runs >= 1)) throw new MissingPeer("--runs takes a number.");
  requirePrograms(QEMU);
  const cache = defaultCacheFolder();
  const progress = (message: string): void => console.error(message);
  const guest = (await cachedDebian(cache)) ?? (await fetchDebian({ cache, progress }));
  const files = { kernel: guest.kernel, initrd: guest.initrd, memoryMiB: Number(values.memory) };
  const contenders: Contender[] = [
    { name: "xen-node", command: xenNodeCommand(files), times: [] },
    { name: "xen-node, first run", command: xenNodeCommand(files, ["--no-kept-translations"]), times: [] },
    { name: "QEMU TCG", command: qemuCommand(files), times: [] },
  ];
  console.log(
    `${guest.description}, ${values.memory} MiB; from process start to userspace, xen-node after ${RUNS_BEFORE} runs`,
  );
  console.log(`${cpus()[0].model}, ${cpus().length} processors, Node.js ${process.versions.node}`);
  for (let run = 1; run <= RUNS_BEFORE; run++) {
    const { seconds } = await timeToUserspace("xen-node", contenders[0].command, "SIGTERM");
    console.error(`before: xen-node ${seconds.toFixed(1)} s`);
  }
  // Turn by turn, so that whatever else the machine does falls on both.
  for (let run = 1; run <= runs; run++) {
    for (const contender of contenders) {
      const time = await timeToUserspace(contender.name, contender.command);
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
    const peer = median(values[values.length - 1]);
    for (const [index, { name }] of contenders.slice(0, -1).entries()) {
      console.log(`ratio ${name} / QEMU TCG: ${(median(values[index]) / peer).toFixed(2)}`);
    }
  }
}

// Ended by a signal, the process runs its exit handlers too: nothing that it started goes on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1));

main().catch((error: unknown) => {
  console.error(error instanceof MissingPeer ? error.message : error);
  process.exitCode = 1;
});
