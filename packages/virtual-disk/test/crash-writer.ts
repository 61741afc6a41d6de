// Run as a process of its own by crash.test.ts, which kills it: writes to an image and says what it has done.
// Arguments: the image, its kind, the first version, a seed. Each line of its output is one JSON array:
// ["w", first sector, count, version] before a write, ["d", first sector, count, version] before a discard,
// ["f", version] after a flush that began when everything up to that version had resolved.
import { writeSync } from "node:fs";
import { createMemoryDisk, openDisk, openFileOverlay } from "../src/index.ts";

const [path, kind, firstVersion, seed] = process.argv.slice(2);
const disk =
  kind === "qcow2"
    ? await openDisk({ target: path, format: "qcow2" })
    : await openFileOverlay(createMemoryDisk(16 * 2 ** 20), path);
const sectors = disk.sizeBytes / 512;
let state = Number(seed) >>> 0;
const chance = (below: number): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const say = (...line: (string | number)[]): void => {
  writeSync(1, `${JSON.stringify(line)}\n`);
};

say("open");
let version = Number(firstVersion);
for (;;) {
  const jobs: Promise<void>[] = [];
  // Together, and in places of their own.
  const stride = Math.floor(sectors / 8);
  for (let lane = 0; lane < 8; lane++) {
    version++;
    const count = 1 + chance(chance(4) === 0 ? 600 : 16);
    const first = lane * stride + chance(stride - count);
    const discard = chance(5) === 0;
    say(discard ? "d" : "w", first, count, version);
    if (discard) jobs.push(disk.discard(first * 512, count * 512));
    else {
      const bytes = Buffer.alloc(count * 512);
      for (let at = 0; at < bytes.byteLength; at += 8) {
        bytes.writeUInt32LE(version, at);
        bytes.writeUInt32LE(first + Math.floor(at / 512), at + 4);
      }
      jobs.push(disk.write(first * 512, [bytes]));
    }
  }
  await Promise.all(jobs);
  if (chance(2) === 0) {
    const covered = version;
    await disk.flush();
    say("f", covered);
  }
}
