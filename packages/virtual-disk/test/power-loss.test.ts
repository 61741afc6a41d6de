// What a power cut could leave: every write since the last fdatasync may be on the disk or not, sector by sector, in any
// combination. The file's writes are recorded, cut at random moments, and the remains are given to qemu-img check and
// compared with what flushes had promised.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { BlockDevice } from "../src/block-device.ts";
import { createMemoryDisk } from "../src/memory-disk.ts";
import { openFileOverlay } from "../src/overlay/overlay-disk.ts";
import { createQcow2 } from "../src/qcow2/create-qcow2.ts";
import { openQcow2Disk } from "../src/qcow2/open-qcow2.ts";
import { checkImage, scratchDirectory, withoutQemuImg } from "./scratch.ts";

type Effect = { position: number; bytes: Uint8Array } | { lengthBytes: number };

/** All effects on the file, and how many of them were durable at each moment that mattered. */
const log: { effects: Effect[]; durable: number; onEffect: () => void } = {
  effects: [],
  durable: 0,
  onEffect: () => {},
};

vi.mock("../src/file-io.ts", async (importOriginal) => {
  const real = await importOriginal<typeof import("../src/file-io.ts")>();
  return {
    ...real,
    async writeAt(fd: number, position: number, buffers: readonly Uint8Array[]) {
      await real.writeAt(fd, position, buffers);
      log.effects.push({ position, bytes: Uint8Array.from(Buffer.concat(buffers)) });
      log.onEffect();
    },
    async setLength(fd: number, lengthBytes: number) {
      await real.setLength(fd, lengthBytes);
      log.effects.push({ lengthBytes });
      log.onEffect();
    },
    async syncData() {
      const covered = log.effects.length;
      await new Promise((resolve) => setImmediate(resolve));
      log.durable = Math.max(log.durable, covered);
    },
  };
});

interface Cut {
  effects: number;
  durable: number;
  /** For each sector, the versions it may have. */
  allowed: Set<number>[];
}

const SECTORS = 512;
const ZERO = 0;

/** A sector says which it is and in which version; version 0 is all zeros. */
function sectorBytes(sector: number, version: number): Buffer {
  const bytes = Buffer.alloc(512);
  for (let i = 0; i < 512 && version !== ZERO; i += 8) {
    bytes.writeUInt32LE(version, i);
    bytes.writeUInt32LE(sector, i + 4);
  }
  return bytes;
}

function versionOf(sector: number, bytes: Buffer): number {
  const version = bytes.readUInt32LE(0);
  return bytes.equals(sectorBytes(sector, version)) ? version : -1;
}

type Step = { first: number; count: number; discard: boolean; flushAfter: boolean };

const steps = fc.array(
  fc.record({
    first: fc.nat(SECTORS - 1),
    count: fc.integer({ min: 1, max: 40 }),
    discard: fc.nat(4).map((n) => n === 0),
    flushAfter: fc.nat(3).map((n) => n === 0),
  }),
  { minLength: 10, maxLength: 60, size: "max" },
);

/**
 * Runs the steps one after the other, but lets flushes run beside the steps that follow, and notes what a cut may leave
 * at each moment at which something was asked for, was done, or reached the file.
 */
async function record(disk: BlockDevice, sequence: readonly Step[]): Promise<Cut[]> {
  // The versions of a sector since the last one that is durable for sure, which comes first.
  const versions: { version: number; step: number }[][] = Array.from({ length: SECTORS }, () => [
    { version: ZERO, step: 0 },
  ]);
  const cuts: Cut[] = [];
  const note = (): void => {
    const allowed = versions.map((list) => new Set(list.map((entry) => entry.version)));
    cuts.push({ effects: log.effects.length, durable: log.durable, allowed });
  };
  log.onEffect = note;
  const flush = async (covered: number): Promise<void> => {
    await disk.flush();
    for (const list of versions)
      list.splice(
        0,
        list.findLastIndex((entry) => entry.step <= covered),
      );
    note();
  };
  const flushes: Promise<void>[] = [];
  let step = 0;
  for (const { first, count, discard, flushAfter } of sequence) {
    const sectors = Math.min(count, SECTORS - first);
    step++;
    for (let sector = first; sector < first + sectors; sector++) {
      versions[sector].push({ version: discard ? ZERO : step, step });
    }
    note();
    if (discard) await disk.discard(first * 512, sectors * 512);
    else {
      const buffers = Array.from({ length: sectors }, (_, i) => sectorBytes(first + i, step));
      await disk.write(first * 512, buffers);
    }
    note();
    if (flushAfter) flushes.push(flush(step));
  }
  await Promise.all(flushes);
  log.onEffect = () => {};
  return cuts;
}

/** The file after the cut. `chance` decides which of the effects that were not durable yet had happened. */
function remains(initial: Buffer, cut: Cut, chance: () => number): Buffer {
  let lengthBytes = initial.byteLength;
  disk.fill(0, 0, usedBytes);
  disk.set(initial);
  const resize = (bytes: number): void => {
    if (bytes < lengthBytes) disk.fill(0, bytes, lengthBytes);
    lengthBytes = bytes;
    usedBytes = Math.max(usedBytes, bytes);
  };
  resize(lengthBytes);
  for (let index = 0; index < cut.effects; index++) {
    const effect = log.effects[index];
    const certain = index < cut.durable;
    if ("lengthBytes" in effect) {
      if (certain || chance() < 0.5) resize(effect.lengthBytes);
      continue;
    }
    const { position, bytes } = effect;
    const share = certain ? 1 : [0, 0.5, 1][Math.floor(chance() * 3)];
    for (let at = 0; at < bytes.byteLength; ) {
      const size = share === 1 ? bytes.byteLength : Math.min(512 - ((position + at) % 512), bytes.byteLength - at);
      if (share === 1 || chance() < share) {
        if (position + at + size > lengthBytes) resize(position + at + size);
        disk.set(bytes.subarray(at, at + size), position + at);
      }
      at += size;
    }
  }
  return disk.subarray(0, lengthBytes);
}

/** Room for the file that `remains` puts together. */
const disk = Buffer.alloc(32 << 20);
let usedBytes = 0;

/** A generator that fast-check can repeat. */
function chanceFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

async function expectAllowed(disk: BlockDevice, cut: Cut): Promise<void> {
  const bytes = Buffer.alloc(SECTORS * 512);
  await disk.read(0, [bytes]);
  for (let sector = 0; sector < SECTORS; sector++) {
    const version = versionOf(sector, bytes.subarray(sector * 512, (sector + 1) * 512));
    if (!cut.allowed[sector].has(version)) {
      throw new Error(`sector ${sector} has version ${version}, not one of ${[...cut.allowed[sector]].join(", ")}`);
    }
  }
}

function pick(cuts: readonly Cut[], count: number, chance: () => number): Cut[] {
  return Array.from({ length: count }, () => cuts[Math.floor(chance() * cuts.length)]);
}

/** Cuts of each recording. */
const CUTS = 60;
/** How many of them qemu-img checks: a process for each takes most of the time. */
const CHECKS = Number(process.env.VIRTUAL_DISK_CHECKS ?? 5);
const RUNS = Number(process.env.VIRTUAL_DISK_RUNS ?? 3);

vi.setConfig({ testTimeout: 300_000 });

describe("a power cut at any moment", () => {
  it.skipIf(withoutQemuImg).each([9, 12, 16])(
    "leaves a sound qcow2 image with 2^%i bytes a cluster",
    async (clusterBits) => {
      const directory = await scratchDirectory();
      const path = join(directory, "disk.qcow2");
      let run = 0;
      await fc.assert(
        fc.asyncProperty(steps, fc.nat(), async (sequence, seed) => {
          const image = `${path}.${run++}`;
          await createQcow2(image, SECTORS * 512, { clusterBits });
          const initial = await readFile(image);
          log.effects = [];
          log.durable = 0;
          const disk = await openQcow2Disk(image, { sharing: "shared", l2CacheBytes: 1, refcountCacheBytes: 1 });
          const cuts = await record(disk, sequence);
          const end = { ...cuts[cuts.length - 1], effects: log.effects.length, durable: log.durable };
          await disk.close();
          const chance = chanceFrom(seed);
          for (const [index, cut] of [end, ...pick(cuts, CUTS, chance)].entries()) {
            await writeFile(path, remains(initial, cut, chance));
            if (index < CHECKS) expect((await checkImage(path)).corruptions).toBe(0);
            const after = await openQcow2Disk(path, { sharing: "shared", readOnly: true });
            await expectAllowed(after, cut).finally(() => after.close());
          }
        }),
        { numRuns: RUNS, endOnFailure: true },
      );
    },
  );

  it("leaves an overlay file with each block old or new", async () => {
    const directory = await scratchDirectory();
    const path = join(directory, "overlay");
    const base = () => createMemoryDisk(SECTORS * 512);
    let run = 0;
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(), async (sequence, seed) => {
        const image = `${path}.${run++}`;
        await openFileOverlay(base(), image, { sharing: "shared" }).then((disk) => disk.close());
        const initial = await readFile(image);
        log.effects = [];
        log.durable = 0;
        const disk = await openFileOverlay(base(), image, { sharing: "shared" });
        const cuts = await record(disk, sequence);
        await disk.close();
        const chance = chanceFrom(seed);
        for (const cut of pick(cuts, CUTS, chance)) {
          await writeFile(path, remains(initial, cut, chance));
          const after = await openFileOverlay(base(), path, { sharing: "shared" });
          await expectAllowed(after, cut).finally(() => after.close());
        }
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  });
});
