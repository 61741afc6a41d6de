import { open, readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { openDisk } from "../src/open-disk.ts";
import { createQcow2 } from "../src/qcow2/create-qcow2.ts";
import { HEADER, readU64 } from "../src/qcow2/layout.ts";
import { checkImage, qemuImg, scratchDirectory, withoutQemuImg } from "./scratch.ts";

const CLUSTER = 2 ** 16;
const SIZE = 64 * CLUSTER;

describe.skipIf(withoutQemuImg)("clusters that are counted and not referred to", () => {
  let path = "";

  beforeEach(async () => {
    path = join(await scratchDirectory(), "disk.qcow2");
    await createQcow2(path, SIZE);
    await openAndClose((disk) => disk.write(5 * CLUSTER, [Buffer.alloc(3 * CLUSTER, 7)]));
    await truncate(path, SIZE);
  });

  async function openAndClose(
    work: (disk: Awaited<ReturnType<typeof openDisk>>) => Promise<unknown> = async () => undefined,
    readOnly = false,
  ): Promise<void> {
    const disk = await openDisk({ target: path, format: "qcow2", readOnly });
    await work(disk);
    await disk.close();
  }

  /** Changes the refcounts of clusters, as one who is killed between counting and referring does. */
  async function count(clusters: readonly number[], refcount: number): Promise<void> {
    const image = await readFile(path);
    const block = readU64(image, readU64(image, HEADER.refcountTableOffset));
    const file = await open(path, "r+");
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16BE(refcount);
    for (const cluster of clusters) await file.write(bytes, 0, 2, block + 2 * cluster);
    await file.close();
  }

  it("are freed when the image is opened for writing", async () => {
    await count([20, 21, 40], 1);
    expect(await checkImage(path)).toEqual({ corruptions: 0, leaks: 3 });
    await openAndClose(undefined, true);
    expect(await checkImage(path)).toEqual({ corruptions: 0, leaks: 3 });
    await openAndClose(async (disk) => {
      const bytes = Buffer.alloc(5 * CLUSTER);
      await disk.read(4 * CLUSTER, [bytes]);
      expect(bytes.indexOf(7)).toBe(CLUSTER);
      expect(bytes.lastIndexOf(7)).toBe(4 * CLUSTER - 1);
    });
    expect(await checkImage(path)).toEqual({ corruptions: 0, leaks: 0 });
  });

  it("are left alone with other damage, in images with snapshots, and where a cluster is in use", async () => {
    await qemuImg("snapshot", "-c", "before", path);
    await count([40], 1);
    await openAndClose();
    expect(await checkImage(path)).toEqual({ corruptions: 0, leaks: 1 });
    await qemuImg("snapshot", "-d", "before", path);
    // A cluster that is in use and not counted.
    const image = await readFile(path);
    const l2 = readU64(image, readU64(image, HEADER.l1TableOffset)) % 2 ** 56;
    const data = (readU64(image, l2 + 5 * 8) % 2 ** 56) / CLUSTER;
    await count([data], 0);
    await openAndClose();
    expect((await checkImage(path)).corruptions).toBeGreaterThan(0);
    expect((await checkImage(path)).leaks).toBe(1);
  });
});
