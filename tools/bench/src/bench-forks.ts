// `npm run bench:forks`: forks of a running guest in one process. Figures are printed, nothing is judged.
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { forkedConfig, type Guest, Machine, readGuestFiles, validateDomainConfig } from "@xen-node/toolstack";
import { cachedDebian, defaultCacheFolder, fetchDebian } from "xen-node";
import { MissingPeer } from "./missing-peer.ts";
import { formatTable } from "./table.ts";

const MACHINE_MIB = 1024;
/** For all forks to answer. */
const LIMIT_MS = 600_000;
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
  const config = validateDomainConfig({
    name: "parent",
    kernel: debian.kernel,
    ramdisk: debian.initrd,
    cmdline: "console=hvc0",
    memory,
    vifs: [""],
  });
  const files = await readGuestFiles(config);
  console.log(`${debian.description}, ${memory} MiB, forked ${forks} times`);
  console.log(`${cpus()[0].model}, ${cpus().length} processors, Node.js ${process.versions.node}`);
  const parent = machine.createGuest(config, files);
  await hears(parent, PROMPT);
  note("the guest has booted");

  const { frames } = machine.hypervisor.mmu;
  const start = performance.now();
  const suspended = await parent.suspend();
  const stood = performance.now();
  const free = frames.places.free;
  const children: Guest[] = [];
  for (let n = 1; n <= forks; n++)
    children.push(suspended.fork(forkedConfig(parent.currentConfig, `fork${n}`), { ...files, disks: [] }));
  const made = performance.now();
  const pagesAtFirst = (free - frames.places.free) / forks;
  suspended.resume();
  note(`the forks are made, in ${(made - stood).toFixed(0)} ms`);

  let left = forks;
  const answers = children.map(async (child) => {
    await ask(child, child.name);
    if (--left % 10 === 0) note(`${forks - left} forks have answered`);
  });
  await ask(parent, "parent");
  const parentBack = performance.now();
  const late = sleep(LIMIT_MS, undefined, { ref: false }).then(() => {
    throw new MissingPeer(`${left} of ${forks} forks have not answered in ${LIMIT_MS / 1000} s.`);
  });
  await Promise.race([Promise.all(answers), late]);
  const answered = performance.now();
  const owned = children.map(({ domain }) => (domain === undefined ? 0 : frames.usage(domain.domid).own));
  const ms = (value: number): string => value.toFixed(1);
  console.log(
    `\n${formatTable([
      ["", "ms"],
      ["the guest suspends itself", ms(stood - start)],
      [`${forks} forks are made`, ms(made - stood)],
      ["one of them", ms((made - stood) / forks)],
      ["from there until the guest itself answers", ms(parentBack - made)],
      ["from there until all forks have answered", ms(answered - made)],
    ])}`,
  );
  console.log(
    `\n${formatTable([
      ["pages of 4 KiB", "a fork"],
      ["nominal", String((memory * 1024) / 4)],
      ["taken when it is made", pagesAtFirst.toFixed(0)],
      ["its own after its answer, least", String(Math.min(...owned))],
      ["its own after its answer, most", String(Math.max(...owned))],
    ])}`,
  );
  await machine.close();
}

main().catch((error: unknown) => {
  console.error(error instanceof MissingPeer ? error.message : error);
  // Guests that still run would keep the process.
  process.exit(1);
});
