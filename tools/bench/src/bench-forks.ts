// `npm run bench:forks`: forks of a running guest in one process. Figures are printed, nothing is judged.
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
  type DomainConfigInput,
  forkedConfig,
  type Guest,
  Machine,
  readGuestFiles,
  validateDomainConfig,
} from "@xen-node/toolstack";
import { cachedDebian, defaultCacheFolder, fetchDebian } from "xen-node";
import { MissingPeer } from "./missing-peer.ts";
import { processorMs } from "./processor-time.ts";
import { formatTable } from "./table.ts";

const MACHINE_MIB = 2048;
/** For all forks to answer. */
const LIMIT_MS = 600_000;
const DISK_BYTES = 16 * 2 ** 20;
const BLOCK_BYTES = 4096;
const SECTORS_PER_BLOCK = BLOCK_BYTES / 512;
const PROMPT = /\/root # /;
/** Beside the forks, nothing else needs memory. */
const SPARE_GUESTS = 2;

const note = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

/** Resolves when a guest's console has said something. */
function hears(guest: Guest, what: RegExp): Promise<void> {
  return new Promise((resolve) => {
    let text = "";
    guest.console.onOutput((bytes) => {
      text += Buffer.from(bytes).toString("latin1");
      if (what.test(text)) resolve();
    });
  });
}

/** Lets a guest write to its memory, and answer. */
function ask(guest: Guest, name: string): Promise<void> {
  const answered = hears(guest, new RegExp(`this is ${name}\\r?\\n`));
  guest.console.write(Buffer.from(`echo ${name} >/me; echo this is $(cat /me)\n`));
  return answered;
}

/** Lets a guest write blocks of its disk that nobody else writes, and read the parent's first block. */
function writeBlocks(guest: Guest, name: string, block: number): Promise<void> {
  const written = hears(guest, new RegExp(`${name} over parent\\r?\\n`));
  guest.console.write(
    Buffer.from(
      `dd if=/me of=/dev/xvda bs=${BLOCK_BYTES} seek=${block} conv=sync,fsync 2>/dev/null; ` +
        `echo $(dd if=/dev/xvda bs=${BLOCK_BYTES} skip=${block} count=1 2>/dev/null | head -n 1) over $(head -n 1 /dev/xvda)\n`,
    ),
  );
  return written;
}

interface Moment {
  readonly wallMs: number;
  readonly processorMs: number;
}

const now = (): Moment => ({ wallMs: performance.now(), processorMs: processorMs(process.pid) });

/** A row of the table of times: what passed between two moments. */
function row(what: string, from: Moment, to: Moment, each = 1): string[] {
  const ms = (key: keyof Moment): string => ((to[key] - from[key]) / each).toFixed(1);
  return [what, ms("wallMs"), ms("processorMs")];
}

function numbers(): { forks: number; memory: number } {
  const options = {
    forks: { type: "string", default: "100" },
    memory: { type: "string", default: "128" },
  } as const;
  const { values } = parseArgs({ options });
  const [forks, memory] = [values.forks, values.memory].map(Number);
  if (!(forks >= 1 && forks <= 250 && memory >= 96 && memory <= 512))
    throw new MissingPeer("--forks is from 1 to 250, --memory from 96 to 512.");
  return { forks, memory };
}

async function main(): Promise<void> {
  const { forks, memory } = numbers();
  const cache = defaultCacheFolder();
  const debian = (await cachedDebian(cache)) ?? (await fetchDebian({ cache, progress: note }));
  const machine = new Machine({
    guestMemoryMiB: MACHINE_MIB,
    nominalMemoryMiB: memory * (forks + SPARE_GUESTS),
  });
  machine.start();
  const folder = await mkdtemp(join(tmpdir(), "xen-node-bench-forks-"));
  try {
    const disk = join(folder, "disk.img");
    await writeFile(disk, "");
    await truncate(disk, DISK_BYTES);
    await measure(machine, forks, {
      name: "parent",
      kernel: debian.kernel,
      ramdisk: debian.initrd,
      // What the kernel says of forks that had to wait would stand in the middle of their answers.
      cmdline: "console=hvc0 loglevel=1",
      memory,
      vifs: [""],
      disks: [`${disk},raw,xvda,w`],
    });
    console.log(`\nThe guest: ${debian.description}, ${memory} MiB.`);
    await machine.close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(machine: Machine, forks: number, input: DomainConfigInput): Promise<void> {
  const config = validateDomainConfig(input);
  const files = await readGuestFiles(config);
  console.log(`${cpus()[0].model}, ${cpus().length} processors, Node.js ${process.versions.node}; ${forks} forks`);
  const parent = machine.createGuest(config, files);
  await hears(parent, PROMPT);
  await ask(parent, "parent");
  await writeBlocks(parent, "parent", 0);
  note("the guest has booted");

  const { frames } = machine.hypervisor.mmu;
  const start = now();
  const suspended = await parent.suspend();
  const stood = now();
  const free = frames.places.free;
  const children: Guest[] = [];
  for (let n = 1; n <= forks; n++) {
    const forked = forkedConfig(parent.currentConfig, `fork${n}`);
    children.push(suspended.fork(forked, await suspended.forkedFiles(forked)));
  }
  const made = now();
  const pagesAtFirst = (free - frames.places.free) / forks;
  suspended.resume();
  note(`the forks are made, in ${(made.wallMs - stood.wallMs).toFixed(0)} ms`);

  const all = async (what: string, of: (guest: Guest, n: number) => Promise<void>): Promise<void> => {
    let left = forks;
    const answers = children.map(async (child, n) => {
      await of(child, n + 1);
      if (--left % 10 === 0) note(`${forks - left} forks ${what}`);
    });
    const late = sleep(LIMIT_MS, undefined, { ref: false }).then(() => {
      throw new MissingPeer(`${left} of ${forks} forks have not ${what} in ${LIMIT_MS / 1000} s.`);
    });
    await Promise.race([Promise.all(answers), late]);
  };
  let parentBack = made;
  const back = ask(parent, "parent").then(() => (parentBack = now()));
  await all("answered", (child) => ask(child, child.name));
  const answered = now();
  await back;
  const owned = children.map(({ domain }) => (domain === undefined ? 0 : frames.usage(domain.domid).own));
  const before = now();
  await all("written to their disks", (child, n) => writeBlocks(child, child.name, n));
  const written = now();
  const blocks = children.map((child) => child.statistics().disks[0].writtenSectors / SECTORS_PER_BLOCK);
  console.log(
    `\n${formatTable([
      ["", "ms", "of processor time"],
      row("the guest suspends itself", start, stood),
      row(`${forks} forks are made`, stood, made),
      row("one of them", stood, made, forks),
      row("from there until the guest itself answers", made, parentBack),
      row("from there until all forks have answered", made, answered),
      row("one of them", made, answered, forks),
      row("then, until all have written to their disks", before, written),
    ])}`,
  );
  console.log(
    `\n${formatTable([
      ["of 4 KiB", "a fork"],
      ["pages, nominal", String((config.memory * 1024) / 4)],
      ["taken when it is made", pagesAtFirst.toFixed(0)],
      ["its own after its answer, least", String(Math.min(...owned))],
      ["its own after its answer, most", String(Math.max(...owned))],
      ["blocks written to its disk, least", String(Math.min(...blocks))],
      ["blocks written to its disk, most", String(Math.max(...blocks))],
    ])}`,
  );
}

main().catch((error: unknown) => {
  console.error(error instanceof MissingPeer ? error.message : error);
  // Guests that still run would keep the process.
  process.exit(1);
});
