import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { openDisk } from "../src/open-disk.ts";
import { createQcow2 } from "../src/qcow2/create-qcow2.ts";
import { openQcow2Disk } from "../src/qcow2/open-qcow2.ts";
import { compareWithModel, operations, pattern } from "./array-model.ts";
import { checkImage, qemuImg, scratchDirectory, withoutQemuImg } from "./scratch.ts";

const SIZE = 2 ** 20 + 512;
/** For a longer search. */
const RUNS = Number(process.env.VIRTUAL_DISK_RUNS ?? 3);

/** Our bytes as qemu-img reads them. */
async function qemuReads(image: string, raw: string, model: Uint8Array): Promise<void> {
  await writeFile(raw, model);
  expect(await qemuImg("compare", "-f", "qcow2", "-F", "raw", image, raw)).toContain("identical");
}

vi.setConfig({ testTimeout: 300_000 });

describe.skipIf(withoutQemuImg)("qcow2 against an array and qemu-img", () => {
  it.each([
    { clusterBits: 9, longestBytes: 65536 },
    { clusterBits: 12, longestBytes: 2 ** 19 },
    { clusterBits: 16, longestBytes: 2 ** 20 },
    { clusterBits: 21, longestBytes: 2 ** 20 },
  ])("an image of our own, 2^$clusterBits bytes a cluster", async ({ clusterBits, longestBytes }) => {
    const directory = await scratchDirectory();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(operations(SIZE, longestBytes, 60), async (sequence) => {
        const path = join(directory, `${run++}.qcow2`);
        await createQcow2(path, SIZE, { clusterBits });
        const model = new Uint8Array(SIZE);
        // Small caches, so that tables are evicted and commits forced.
        const open = () =>
          openQcow2Disk(path, { l2CacheBytes: 1, refcountCacheBytes: 1, sharing: "shared", discard: true });
        await compareWithModel(open, model, sequence);
        expect(await checkImage(path)).toEqual({ corruptions: 0, leaks: 0 });
        await qemuReads(path, join(directory, "model"), model);
      }),
      { numRuns: RUNS },
    );
  });

  it.each([
    { options: "compat=1.1", backed: true },
    { options: "compat=0.10", backed: true },
    { options: "compat=0.10", backed: false },
    { options: "compat=1.1,refcount_bits=1", backed: false },
    { options: "compat=1.1,refcount_bits=2,cluster_size=512", backed: true },
    { options: "compat=1.1,refcount_bits=8,cluster_size=4096", backed: true },
    { options: "compat=1.1,refcount_bits=64,lazy_refcounts=on,cluster_size=4096", backed: false },
    { options: "compat=1.1,preallocation=metadata", backed: false },
    { options: "compat=1.1,cluster_size=4096,preallocation=falloc", backed: false },
  ])("an image of qemu-img's with $options, backed: $backed", async ({ options, backed }) => {
    const directory = await scratchDirectory();
    const basePath = join(directory, "base");
    // The backing file is shorter than the disk.
    const base = pattern(0, 2 ** 19 + 1024, 77);
    await writeFile(basePath, base);
    let run = 0;
    await fc.assert(
      fc.asyncProperty(operations(SIZE, 2 ** 18, 50), async (sequence) => {
        const path = join(directory, `${run++}.qcow2`);
        const backing = backed ? ["-b", "base", "-F", "raw"] : [];
        await qemuImg("create", "-q", "-f", "qcow2", ...backing, "-o", options, path, String(SIZE));
        const model = new Uint8Array(SIZE);
        if (backed) model.set(base);
        await compareWithModel(() => openDisk({ target: path, format: "qcow2", sharing: "shared" }), model, sequence);
        expect(await checkImage(path)).toEqual({ corruptions: 0, leaks: 0 });
        await qemuReads(path, join(directory, "model"), model);
      }),
      { numRuns: RUNS },
    );
  });

  it("a compressed image in front of a chain, with an internal snapshot that stays as it was", async () => {
    const directory = await scratchDirectory();
    const first = pattern(0, SIZE, 5);
    await writeFile(join(directory, "raw"), first);
    await qemuImg("convert", "-c", "-O", "qcow2", join(directory, "raw"), join(directory, "base.qcow2"));
    const path = join(directory, "disk.qcow2");
    const packed = join(directory, "packed.qcow2");
    await qemuImg("convert", "-c", "-O", "qcow2", "-B", "base.qcow2", "-F", "qcow2", join(directory, "raw"), packed);
    await fc.assert(
      fc.asyncProperty(operations(SIZE, 2 ** 18, 40), operations(SIZE, 2 ** 18, 40), async (before, after) => {
        await copyFile(packed, path);
        const open = () => openDisk({ target: path, format: "qcow2", sharing: "shared" });
        const model = first.slice();
        await compareWithModel(open, model, before);
        await qemuImg("snapshot", "-c", "one", path);
        const kept = model.slice();
        await compareWithModel(open, model, after);
        expect(await checkImage(path)).toEqual({ corruptions: 0, leaks: 0 });
        await qemuReads(path, join(directory, "model"), model);
        await qemuImg("snapshot", "-a", "one", path);
        await qemuReads(path, join(directory, "model"), kept);
      }),
      { numRuns: RUNS },
    );
  });

  it("wholly compressed clusters that are read, overwritten and discarded", async () => {
    const directory = await scratchDirectory();
    const first = new Uint8Array(SIZE);
    for (let i = 0; i < SIZE; i++) first[i] = (i >> 9) & 0xff;
    await writeFile(join(directory, "raw"), first);
    for (const clusterSize of ["512", "65536", "2M"]) {
      const packed = join(directory, `${clusterSize}.qcow2`);
      await qemuImg(
        "convert",
        "-c",
        "-O",
        "qcow2",
        "-o",
        `cluster_size=${clusterSize}`,
        join(directory, "raw"),
        packed,
      );
      const path = join(directory, "disk.qcow2");
      await fc.assert(
        fc.asyncProperty(operations(SIZE, 2 ** 18, 60), async (sequence) => {
          await copyFile(packed, path);
          const model = first.slice();
          await compareWithModel(() => openQcow2Disk(path, { sharing: "shared" }), model, sequence);
          expect(await checkImage(path)).toEqual({ corruptions: 0, leaks: 0 });
          await qemuReads(path, join(directory, "model"), model);
        }),
        { numRuns: RUNS },
      );
    }
  });
});
