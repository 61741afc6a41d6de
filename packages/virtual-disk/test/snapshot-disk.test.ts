import fc from "fast-check";
import { expect, it } from "vitest";
import {
  type BlockDevice,
  createMemoryDisk,
  createMemoryOverlay,
  DiskError,
  type DiskSnapshot,
  faultyDisk,
  SnapshotDisk,
} from "../src/index.ts";
import { pattern, readAll } from "./array-model.ts";

const SIZE = 20 * 4096 + 512;

function filledDisk() {
  const contents = pattern(0, SIZE, 1);
  return { contents, below: createMemoryDisk(SIZE, { contents }) };
}

it("a disk, its snapshots and overlays over them each hold what was written to them alone", async () => {
  const range = fc.tuple(fc.nat(SIZE / 512 - 1), fc.integer({ min: 1, max: 40 })).map(([first, sectors]) => ({
    offset: first * 512,
    lengthBytes: Math.min(sectors, SIZE / 512 - first) * 512,
  }));
  const step = fc.oneof(
    fc.record({ kind: fc.constantFrom("write" as const, "discard" as const), range, fill: fc.nat(255), on: fc.nat(3) }),
    fc.record({ kind: fc.constantFrom("snapshot" as const, "settle" as const) }),
    fc.record({ kind: fc.constant("close" as const), on: fc.integer({ min: 1, max: 3 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { contents, below } = filledDisk();
      const parent = new SnapshotDisk(below);
      const disks: { disk: BlockDevice; model: Uint8Array }[] = [{ disk: parent, model: contents }];
      let underWay: Promise<unknown>[] = [];
      let written: { disk: unknown; start: number; end: number }[] = [];
      const settle = async (): Promise<void> => {
        await Promise.all(underWay);
        underWay = [];
        written = [];
      };
      for (const each of steps) {
        if (each.kind === "settle" || each.kind === "snapshot" || each.kind === "close") await settle();
        if (each.kind === "snapshot" && disks.length < 4) {
          const snapshot = parent.takeSnapshot();
          disks.push({ disk: createMemoryOverlay(snapshot.open()), model: disks[0].model.slice() });
          snapshot.release();
        }
        if (each.kind === "close" && each.on < disks.length) {
          const [{ disk }] = disks.splice(each.on, 1);
          await disk.close();
        }
        if (each.kind !== "write" && each.kind !== "discard") continue;
        const { disk, model } = disks[each.on % disks.length];
        const { offset, lengthBytes } = each.range;
        const end = offset + lengthBytes;
        if (written.some((other) => other.disk === disk && other.start < end && offset < other.end)) await settle();
        written.push({ disk, start: offset, end });
        const bytes = each.kind === "write" ? pattern(offset, lengthBytes, each.fill) : new Uint8Array(lengthBytes);
        model.set(bytes, offset);
        underWay.push(each.kind === "write" ? disk.write(offset, [bytes]) : disk.discard(offset, lengthBytes));
        // Those who read meanwhile see either, those over a snapshot what it was.
        for (const other of disks.filter((one) => one.disk !== disk && one.disk !== parent)) {
          const expected = other.model.slice(offset, end);
          const mayChange = written.some((one) => one.disk === other.disk && one.start < end && offset < one.end);
          const got = new Uint8Array(lengthBytes);
          underWay.push(
            other.disk.read(offset, [got]).then(() => {
              if (!mayChange && Buffer.compare(got, expected) !== 0) throw new Error(`a snapshot changed at ${offset}`);
            }),
          );
        }
      }
      await settle();
      for (const { disk, model } of disks) expect(Buffer.compare(await readAll(disk), model)).toBe(0);
      for (const { disk } of disks) await disk.close();
      await expect(below.read(0, [new Uint8Array(512)])).rejects.toThrow("closed");
    }),
    { numRuns: 60 },
  );
});

it("a read of a snapshot that a write overtakes has what was there before", async () => {
  const { contents, below } = filledDisk();
  let goOn: () => void = () => {};
  let holding = false;
  const disk = new SnapshotDisk({
    ...below,
    // The first read is answered late, with what is there by then.
    async read(offset, buffers) {
      if (holding) {
        holding = false;
        await new Promise<void>((resolve) => (goOn = resolve));
      }
      await below.read(offset, buffers);
    },
  });
  const view = disk.takeSnapshot().open();
  holding = true;
  const got = new Uint8Array(3 * 4096);
  const read = view.read(512, [got]);
  await disk.write(4096, [new Uint8Array(4096).fill(0xab)]);
  goOn();
  await read;
  expect(Buffer.compare(got, contents.subarray(512, 512 + got.length))).toBe(0);
});

it("the disk below stays open for its snapshots when the disk is closed, and is closed with the last", async () => {
  const { below } = filledDisk();
  let flushes = 0;
  let closes = 0;
  const disk = new SnapshotDisk({
    ...below,
    flush: async () => void flushes++,
    close: async () => void closes++,
  });
  const snapshot = disk.takeSnapshot();
  const [one, two] = [snapshot.open(), snapshot.open()];
  snapshot.release();
  expect(() => snapshot.open()).toThrow("closed");
  await disk.write(0, [new Uint8Array(512)]);
  await disk.close();
  await expect(disk.write(0, [new Uint8Array(512)])).rejects.toThrow("closed");
  expect([flushes, closes]).toEqual([1, 0]);
  await one.close();
  await two.read(0, [new Uint8Array(512)]);
  expect(closes).toBe(0);
  await two.close();
  expect(closes).toBe(1);
  await expect(one.write(0, [new Uint8Array(512)])).rejects.toThrow("only be read");
});

it("a snapshot that may keep no more is lost, and the disk's own writes go on; zeros cost nothing", async () => {
  const below = createMemoryDisk(1 << 20);
  const disk = new SnapshotDisk(below);
  const take = (): DiskSnapshot => disk.takeSnapshot({ limitBytes: 2 * 4096 });
  const ofZeros = take().open();
  for (let at = 0; at < 1 << 20; at += 65536) await disk.write(at, [new Uint8Array(65536).fill(1)]);
  expect(Buffer.compare(await readAll(ofZeros), new Uint8Array(1 << 20))).toBe(0);
  const ofOnes = take().open();
  await disk.write(0, [new Uint8Array(2 * 4096).fill(2)]);
  expect((await readAll(ofOnes))[0]).toBe(1);
  await disk.write(65536, [new Uint8Array(512).fill(2)]);
  await expect(ofOnes.read(0, [new Uint8Array(512)])).rejects.toMatchObject({ code: "EIO" });
  expect((await readAll(disk))[65536]).toBe(2);
  expect(Buffer.compare(await readAll(ofZeros), new Uint8Array(1 << 20))).toBe(0);
});

it("a write to what cannot be read is done, and costs the snapshots", async () => {
  const { below } = filledDisk();
  const broken = faultyDisk(below, ({ operation, offset }) =>
    operation === "read" && offset === 4096 ? new DiskError("EIO", "disk", "a bad sector.") : undefined,
  );
  const disk = new SnapshotDisk(broken);
  const view = disk.takeSnapshot().open();
  await disk.write(4096, [new Uint8Array(512)]);
  await expect(view.read(0, [new Uint8Array(512)])).rejects.toMatchObject({ code: "EIO" });
});
