// Kills a writer at random moments and looks at what it leaves: all that a flush had covered, and a sound image.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { BlockDevice } from "../src/block-device.ts";
import { createMemoryDisk } from "../src/memory-disk.ts";
import { openDisk } from "../src/open-disk.ts";
import { openFileOverlay } from "../src/overlay/overlay-disk.ts";
import { createQcow2 } from "../src/qcow2/create-qcow2.ts";
import { buildSources } from "./built-sources.ts";
import { checkImage, scratchDirectory, withoutQemuImg } from "./scratch.ts";

const SIZE = 16 * 2 ** 20;
const RUNS = Number(process.env.VIRTUAL_DISK_RUNS ?? 6);

/** For each sector, the versions that it may have; 0 is zeros. */
type Allowed = Set<number>[];

/** Runs the writer until it is killed, and adds what it said to `allowed`; resolves to the last version. */
async function runAndKill(script: string, args: string[], delayMs: number, allowed: Allowed): Promise<number> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (chunk: string) => {
    if (text === "") setTimeout(() => child.kill("SIGKILL"), delayMs);
    text += chunk;
  });
  await new Promise((resolve) => child.on("close", resolve));
  expect(child.signalCode).toBe("SIGKILL");

  let last = Number(args[2]);
  const sinceFlush: { first: number; count: number; content: number; version: number }[] = [];
  for (const line of text.split("\n").slice(0, -1)) {
    const [what, ...numbers] = JSON.parse(line) as [string, ...number[]];
    if (what === "f") {
      // Only what was written after the flush is still open.
      for (const { first, count, content } of sinceFlush) {
        for (let sector = first; sector < first + count; sector++) allowed[sector] = new Set([content]);
      }
      sinceFlush.length = 0;
    } else if (what !== "open") {
      const [first, count, version] = numbers;
      last = version;
      const content = what === "d" ? 0 : version;
      sinceFlush.push({ first, count, content, version });
      for (let sector = first; sector < first + count; sector++) allowed[sector].add(content);
    }
  }
  return last;
}

/** Compares, and narrows `allowed` to what was found: from now on it must not change by itself. */
async function verify(disk: BlockDevice, allowed: Allowed): Promise<void> {
  const bytes = Buffer.alloc(SIZE);
  await disk.read(0, [bytes]);
  for (let sector = 0; sector < SIZE / 512; sector++) {
    const at = sector * 512;
    const version = bytes.readUInt32LE(at);
    for (let i = at; i < at + 512; i += 8) {
      const isWhole = bytes.readUInt32LE(i) === version && bytes.readUInt32LE(i + 4) === (version === 0 ? 0 : sector);
      if (!isWhole) throw new Error(`sector ${sector} is a mixture`);
    }
    if (!allowed[sector].has(version)) {
      throw new Error(`sector ${sector} has version ${version}, not one of ${[...allowed[sector]].join(", ")}`);
    }
    allowed[sector] = new Set([version]);
  }
}

it.skipIf(withoutQemuImg)(
  "a killed writer of a qcow2 image",
  async () => {
    const directory = await scratchDirectory();
    const script = join(await buildSources(join(directory, "built"), "crash-writer.ts"), "test", "crash-writer.js");
    const path = join(directory, "disk.qcow2");
    await createQcow2(path, SIZE, { clusterBits: 12 });
    const allowed: Allowed = Array.from({ length: SIZE / 512 }, () => new Set([0]));
    let version = 0;
    for (let run = 0; run < RUNS; run++) {
      const seed = Math.floor(Math.random() * 2 ** 31);
      version = await runAndKill(script, [path, "qcow2", String(version), String(seed)], Math.random() * 300, allowed);
      // Opening it waits for the lock, which the hole-punching helper of the killed process may hold a moment longer.
      const disk = await openDisk({ target: path, format: "qcow2" });
      await verify(disk, allowed).finally(() => disk.close());
      expect((await checkImage(path)).corruptions).toBe(0);
    }
  },
  RUNS * 20_000,
);

it(
  "a killed writer of an overlay file",
  async () => {
    const directory = await scratchDirectory();
    const script = join(await buildSources(join(directory, "built"), "crash-writer.ts"), "test", "crash-writer.js");
    const path = join(directory, "overlay");
    const allowed: Allowed = Array.from({ length: SIZE / 512 }, () => new Set([0]));
    let version = 0;
    for (let run = 0; run < RUNS; run++) {
      const seed = Math.floor(Math.random() * 2 ** 31);
      version = await runAndKill(
        script,
        [path, "overlay", String(version), String(seed)],
        Math.random() * 300,
        allowed,
      );
      const disk = await openFileOverlay(createMemoryDisk(SIZE), path);
      await verify(disk, allowed).finally(() => disk.close());
    }
  },
  RUNS * 20_000,
);
