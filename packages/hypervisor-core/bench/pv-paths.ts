import { performance } from "node:perf_hooks";
import { WallClock } from "../src/index.ts";
import { GuestLab, type LabGuest } from "../test/guests/guest-lab.ts";

/**
 * `npm run bench:pv`: what each path that a PV kernel lives on costs, in ns, on the test guest paths.c. Arguments name
 * the paths to measure by parts of their names; `--json` prints one object instead of the table.
 */

const VIRT_BASE = 0x40000000;
const SLICE_NS = 1_000_000;
const WARM_UP_MS = 200;
const ROUND_MS = 8;
const ROUNDS = 50;
const MOST_PATHS = 100;

interface Result {
  path: string;
  /** Fastest round: another process can only make it slower. */
  nsPerOp: number;
  instructionsPerOp: number;
  /** Growth of the JavaScript heap; 0 = nothing is allocated. */
  heapBytesPerOp: number;
}

/** Index in `u32` of the guest's 64-bit counter, whose low half is enough for a round. */
function counterWord(lab: GuestLab, guest: LabGuest): number {
  const address = guest.value("counter");
  const mfn = guest.p2m[(address - VIRT_BASE) >>> 12];
  return (lab.hypervisor.mmu.frames.hostAddress(mfn) + (address & 0xfff)) >>> 2;
}

function runFor(lab: GuestLab, ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end) lab.hypervisor.runSlice(SLICE_NS);
}

/** Measures one path in a guest of its own; undefined if its number is not wanted, false if there is no such path. */
async function measure(lab: GuestLab, number: number, wanted: readonly string[]): Promise<Result | undefined | false> {
  const guest = await lab.start("paths", { commandLine: `path=${number}` });
  lab.run(() => guest.ended || guest.output.includes("counter = "), 10_000);
  if (guest.failures.length > 0) throw new Error(guest.story);
  const path = guest.output.match(/^path = (.*)$/m)?.[1];
  let result: Result | undefined;
  if (path !== undefined && (wanted.length === 0 || wanted.some((part) => path.includes(part)))) {
    result = { path, ...timeGuest(lab, guest) };
    if (guest.ended) throw new Error(guest.story);
  }
  lab.destroy(guest);
  return path !== undefined && result;
}

function timeGuest(lab: GuestLab, guest: LabGuest): Omit<Result, "path"> {
  const { processor, mmu } = lab.hypervisor;
  const { u32 } = mmu.memory;
  const word = counterWord(lab, guest);
  runFor(lab, WARM_UP_MS);
  let nsPerOp = Number.POSITIVE_INFINITY;
  let operations = 0;
  globalThis.gc?.();
  const retired = processor.retired;
  const heap = process.memoryUsage().heapUsed;
  for (let round = 0; round < ROUNDS; round++) {
    const before = u32[word];
    const start = process.hrtime.bigint();
    runFor(lab, ROUND_MS);
    const ns = Number(process.hrtime.bigint() - start);
    const done = (u32[word] - before) >>> 0;
    operations += done;
    nsPerOp = Math.min(nsPerOp, ns / done);
  }
  const heapBytesPerOp = Math.max(0, process.memoryUsage().heapUsed - heap) / operations;
  return { nsPerOp, instructionsPerOp: (processor.retired - retired) / operations, heapBytesPerOp };
}

const options = process.argv.slice(2);
const names = options.filter((option) => !option.startsWith("--"));
const results: Result[] = [];
// One machine for all: a second one would make every call site of the first polymorphic, which no user sees.
const lab = await GuestLab.create({ clock: new WallClock() });
for (let number = 0; number < MOST_PATHS; number++) {
  const result = await measure(lab, number, names);
  if (result === false) break;
  if (result !== undefined) results.push(result);
}
if (options.includes("--json")) {
  console.log(JSON.stringify(Object.fromEntries(results.map(({ path, ...numbers }) => [path, numbers]))));
} else {
  console.log(
    `${"path".padEnd(36)}${"ns/op".padStart(8)}${"instructions/op".padStart(17)}${"heap MB/million".padStart(17)}`,
  );
  for (const { path, nsPerOp, instructionsPerOp, heapBytesPerOp } of results) {
    const numbers = [nsPerOp.toFixed(0).padStart(8), instructionsPerOp.toFixed(1).padStart(17)];
    console.log(`${path.padEnd(36)}${numbers.join("")}${heapBytesPerOp.toFixed(1).padStart(17)}`);
  }
}
