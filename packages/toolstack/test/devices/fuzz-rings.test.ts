import { VirtualClock } from "@xen-node/hypervisor-core";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { fuzzBlock } from "./support/block-fuzz.ts";
import { DeviceLab } from "./support/device-lab.ts";
import type { FuzzReport } from "./support/fuzz-run.ts";
import { HonestDisk, HonestPair } from "./support/honest-guests.ts";
import { fuzzNetwork } from "./support/network-fuzz.ts";

// Longer runs: node scripts/fuzz-rings.mjs --requests 10000000 --seed 2
const requests = Number(process.env.FUZZ_REQUESTS ?? 100_000);
const seed = Number(process.env.FUZZ_SEED ?? 1);
const talkative = process.env.FUZZ_REQUESTS !== undefined;

// Everything is run by hand, and time too: the same seed gives the same run.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

const advance = (ms: number): void => void vi.advanceTimersByTime(ms);

/** Runs a machine by hand until something is done. */
async function during<T>(lab: DeviceLab, work: Promise<T>): Promise<T> {
  let pending = true;
  const settled = work.finally(() => {
    pending = false;
  });
  settled.catch(() => {});
  for (let i = 0; pending && i < 10_000; i++) {
    await null;
    lab.machine.stepFor(1000);
  }
  return settled;
}

/** A run beside honest guests, with the accounts before and after. */
async function fuzz<H extends HonestDisk | HonestPair>(
  name: string,
  makeHonest: (lab: DeviceLab) => H,
  run: (options: {
    lab: DeviceLab;
    honest: H;
    requests: number;
    seed: number;
    advance: typeof advance;
    onProgress: (report: FuzzReport) => void;
  }) => Promise<FuzzReport>,
): Promise<FuzzReport> {
  const lab = new DeviceLab({ clock: new VirtualClock() });
  const { hypervisor } = lab.machine;
  const freeBefore = lab.freeFrames;
  const honest = makeHonest(lab);
  await during(lab, honest.connect());
  const start = process.hrtime.bigint();
  const seconds = (): number => Number(process.hrtime.bigint() - start) / 1e9;
  const onProgress = ({ requests: done, domains }: FuzzReport): void => {
    if (!talkative) return;
    const heapMiB = Math.round(process.memoryUsage().heapUsed / 2 ** 20);
    console.log(`${name}: ${done} requests of ${domains} domains in ${seconds().toFixed(1)} s, heap ${heapMiB} MiB`);
  };
  const report = await run({ lab, honest, requests, seed, advance, onProgress });
  const took = seconds();
  await during(lab, honest.round());
  for (const guest of lab.guests) guest.destroy();
  await during(lab, new Promise<void>((resolve) => setImmediate(resolve)));
  for (let i = 0; lab.guests.size > 0 && i < 1000; i++) {
    await null;
    lab.machine.stepFor(1000);
  }
  const accounts = {
    framesFreeBefore: freeBefore,
    framesFreeAfter: lab.freeFrames,
    frameAudit: hypervisor.auditFrames(),
    grantAudit: hypervisor.grants.audit(),
    storeAudit: lab.machine.store.audit(),
    nodesLeft: lab.leftNodes(),
  };
  if (talkative)
    console.log(name, { seed, seconds: took, requestsPerSecond: Math.round(report.requests / took) }, report, accounts);
  expect(accounts).toEqual({
    framesFreeBefore: freeBefore,
    framesFreeAfter: freeBefore,
    frameAudit: [],
    grantAudit: [],
    storeAudit: [],
    nodesLeft: [],
  });
  expect(lab.guests.size).toBe(0);
  expect(report.requests).toBeGreaterThanOrEqual(requests);
  expect(report.honestRounds).toBeGreaterThan(requests / 20_000);
  return report;
}

it("hostile block frontends harm nobody and leave nothing", async () => {
  const { answers, complaints } = await fuzz("block", (lab) => new HonestDisk(lab), fuzzBlock);
  // The run says something only if it went everywhere.
  for (const status of ["0", "-1", "-2"]) expect(answers[status]).toBeGreaterThan(requests / 100);
  expect(Object.keys(complaints).join()).toMatch(/request index is impossible/);
}, 0);

it("hostile network frontends harm nobody and leave nothing", async () => {
  const { answers, complaints } = await fuzz("network", (lab) => new HonestPair(lab), fuzzNetwork);
  for (const status of ["tx 0", "tx -1", "tx 1", "rx okay", "rx error"])
    expect(answers[status]).toBeGreaterThan(requests / 1000);
  const all = Object.keys(complaints).join();
  expect(all).toMatch(/impossible index of the transmit ring/);
  expect(all).toMatch(/impossible index of the receive ring/);
  expect(all).toMatch(/extra-info/);
}, 0);
