import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BlockDevice, DiskError } from "../src/block-device.ts";
import { createExtentsDisk } from "../src/extents-disk.ts";
import { faultyDisk } from "../src/faulty-disk.ts";
import { createMemoryDisk } from "../src/memory-disk.ts";
import { createMemoryOverlay, openFileOverlay } from "../src/overlay/overlay-disk.ts";
import { compareWithModel, operations, pattern, readAll } from "./array-model.ts";
import { scratchDirectory } from "./scratch.ts";

const SIZE = 300 * 512 * 7;

/** The same disk however often it is "opened". */
const kept = (disk: BlockDevice) => async (): Promise<BlockDevice> =>
  Object.assign(Object.create(disk), { close: async () => {} });

describe("disks are what an array is:", () => {
  it("memory", async () => {
    await fc.assert(
      fc.asyncProperty(operations(SIZE, 2 ** 18, 50), async (sequence) => {
        const contents = pattern(0, 100_000, 3);
        const model = new Uint8Array(SIZE);
        model.set(contents);
        const disk = createMemoryDisk(SIZE, { contents });
        await compareWithModel(async () => ({ ...disk, close: async () => {} }), model, sequence);
      }),
      { numRuns: 15 },
    );
  });

  it("extents", async () => {
    await fc.assert(
      fc.asyncProperty(operations(SIZE, 2 ** 18, 50), async (sequence) => {
        const first = createMemoryDisk(2 ** 20);
        const second = createMemoryDisk(2 ** 20);
        const disk = createExtentsDisk([
          { device: first, offsetBytes: 4096, lengthBytes: 512 },
          { device: second, offsetBytes: 512, lengthBytes: 700 * 512 },
          { device: first, offsetBytes: 8192, lengthBytes: SIZE - 701 * 512 },
        ]);
        await compareWithModel(async () => ({ ...disk, close: async () => {} }), new Uint8Array(SIZE), sequence);
        const untouched = new Uint8Array(512);
        await first.read(0, [untouched]);
        expect(untouched).toEqual(new Uint8Array(512));
      }),
      { numRuns: 15 },
    );
  });

  it.each([4096, 65536])("an overlay in memory in blocks of %i", async (blockBytes) => {
    const contents = pattern(0, SIZE, 8);
    const base = createMemoryDisk(SIZE, { contents, readOnly: true });
    await fc.assert(
      fc.asyncProperty(operations(SIZE, 2 ** 18, 50), async (sequence) => {
        await compareWithModel(kept(slow(createMemoryOverlay(slow(base), { blockBytes }))), contents.slice(), sequence);
        expect(Buffer.compare(await readAll(base), contents)).toBe(0);
      }),
      { numRuns: 15 },
    );
  });

  it("an overlay in a file, opened again and again", async () => {
    const directory = await scratchDirectory();
    const contents = pattern(0, SIZE, 8);
    let run = 0;
    await fc.assert(
      fc.asyncProperty(operations(SIZE, 2 ** 18, 50), async (sequence) => {
        const path = join(directory, String(run++));
        const open = () => openFileOverlay(createMemoryDisk(SIZE, { contents }), path, { sharing: "shared" });
        await compareWithModel(open, contents.slice(), sequence);
      }),
      { numRuns: 8 },
    );
  });
});

/** Each request waits a turn of the event loop, so that requests overlap. */
function slow(disk: BlockDevice): BlockDevice {
  return faultyDisk(disk, () => new Promise((resolve) => setImmediate(resolve)));
}

describe("an overlay", () => {
  it("in memory stops at its limit and keeps what it had", async () => {
    const disk = createMemoryOverlay(createMemoryDisk(SIZE), { limitBytes: 8192 });
    await disk.write(0, [pattern(0, 8192, 1)]);
    await expect(disk.write(8192, [new Uint8Array(512)])).rejects.toMatchObject({ code: "ENOSPC" });
    await disk.write(4096, [pattern(4096, 4096, 2)]);
    await disk.discard(0, 4096);
    await disk.write(8192, [new Uint8Array(512).fill(7)]);
    const bytes = new Uint8Array(1024);
    await disk.read(8192, [bytes]);
    expect(bytes).toEqual(new Uint8Array(1024).fill(7, 0, 512));
  });

  it("file is refused over another disk or when it is something else", async () => {
    const path = join(await scratchDirectory(), "overlay");
    await openFileOverlay(createMemoryDisk(SIZE), path).then((disk) => disk.close());
    await expect(openFileOverlay(createMemoryDisk(SIZE + 512), path)).rejects.toThrow(/is an overlay for a disk of/);
    await expect(openFileOverlay(createMemoryDisk(SIZE), path, { blockBytes: 8192 })).rejects.toThrow(/blocks of 4096/);
    await expect(openFileOverlay(createMemoryDisk(SIZE), import.meta.filename, { sharing: "shared" })).rejects.toThrow(
      /is not an overlay file/,
    );
  });
});

describe("extents", () => {
  it("refuse a write that touches a read-only one, whole", async () => {
    const device = createMemoryDisk(8192);
    const disk = createExtentsDisk([
      { device, offsetBytes: 0, lengthBytes: 4096 },
      { device, offsetBytes: 4096, lengthBytes: 4096, readOnly: true },
    ]);
    const failure = disk.write(2048, [new Uint8Array(4096).fill(1)]);
    await expect(failure).rejects.toMatchObject({ code: "EROFS" });
    expect(await readAll(disk)).toEqual(new Uint8Array(8192));
    await expect(disk.discard(0, 8192)).rejects.toMatchObject({ code: "EROFS" });
    await disk.write(0, [new Uint8Array(4096).fill(1)]);
    expect(disk.readOnly).toBe(false);
  });

  it("refuse what does not lie on its device in whole sectors", () => {
    const device = createMemoryDisk(8192);
    for (const [offsetBytes, lengthBytes] of [
      [4096, 8192],
      [100, 512],
      [0, 100],
      [0, 0],
      [-512, 512],
    ]) {
      expect(() => createExtentsDisk([{ device, offsetBytes, lengthBytes }])).toThrow(DiskError);
    }
    expect(() => createExtentsDisk([])).toThrow(DiskError);
  });
});

describe("a faulty disk", () => {
  it("rejects and delays what its plan says", async () => {
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const disk = faultyDisk(createMemoryDisk(4096), ({ operation, offset, index }) => {
      if (operation === "write" && offset === 512) return new DiskError("EIO", "disk", "The disk has a bad sector.");
      return index === 1 ? gate : undefined;
    });
    await expect(disk.write(512, [new Uint8Array(512)])).rejects.toThrow("bad sector");
    let done = false;
    const delayed = disk.write(0, [new Uint8Array(512).fill(1)]).then(() => (done = true));
    await disk.flush();
    expect(done).toBe(false);
    release();
    await delayed;
    expect((await readAll(disk))[0]).toBe(1);
  });
});
