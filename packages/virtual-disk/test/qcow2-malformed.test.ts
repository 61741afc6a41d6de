// Images that lie: opening and using them ends in a DiskError or in bytes, never in anything else, and soon.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { DiskError } from "../src/block-device.ts";
import { createQcow2 } from "../src/qcow2/create-qcow2.ts";
import { openQcow2Disk } from "../src/qcow2/open-qcow2.ts";
import { pattern } from "./array-model.ts";
import { scratchDirectory } from "./scratch.ts";

const SIZE = 2 ** 20;
const CLUSTER_BITS = 12;
const CLUSTER = 2 ** CLUSTER_BITS;

let path: string;
let sound: Buffer;

beforeEach(async () => {
  path = join(await scratchDirectory(), "disk.qcow2");
  await createQcow2(path, SIZE, { clusterBits: CLUSTER_BITS, backing: "base", backingFormat: "raw" });
  const disk = await openQcow2Disk(path, { openBacking: async () => noBacking() });
  await disk.write(0, [pattern(0, 128 * 1024, 1)]);
  await disk.close();
  sound = await readFile(path);
});

function noBacking() {
  return {
    name: "base",
    sizeBytes: 4096,
    readOnly: true,
    sectorBytes: 512,
    discardGranularityBytes: 0,
    read: async (_: number, buffers: readonly Uint8Array[]) => buffers.forEach((buffer) => void buffer.fill(1)),
    write: async () => {},
    flush: async () => {},
    discard: async () => {},
    close: async () => {},
  };
}

/** Opens and uses the image in every way; anything but a DiskError fails. */
async function use(image: Buffer, readOnly: boolean): Promise<DiskError[]> {
  await writeFile(path, image);
  const errors: DiskError[] = [];
  const attempt = async <T>(operation: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await operation();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      errors.push(error);
    }
  };
  const disk = await attempt(() =>
    openQcow2Disk(path, { readOnly, sharing: "shared", discard: false, openBacking: async () => noBacking() }),
  );
  if (!disk) return errors;
  const within = (offset: number) => offset + 8192 <= disk.sizeBytes;
  for (const offset of [0, 4096, 65536, SIZE - 8192].filter(within)) {
    await attempt(() => disk.read(offset, [new Uint8Array(8192)]));
    if (readOnly) continue;
    await attempt(() => disk.write(offset + 512, [new Uint8Array(4096)]));
    await attempt(() => disk.flush());
  }
  await attempt(() => disk.close());
  // Nothing may make the file large.
  expect((await readFile(path)).byteLength).toBeLessThan(64 * 2 ** 20);
  return errors;
}

describe("a malformed image", () => {
  it("with any bytes of its header and tables changed", async () => {
    const tables = Math.min(sound.byteLength, 6 * CLUSTER);
    const extreme = fc.constantFrom(0, 1, 0x40, 0x7f, 0x80, 0xc0, 0xff);
    const change = fc.tuple(fc.oneof(fc.nat(111), fc.nat(tables - 1)), fc.oneof(fc.nat(255), extreme), fc.nat(7));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), fc.boolean(), async (changes, readOnly) => {
        const image = Buffer.from(sound);
        for (const [at, value, length] of changes) image.fill(value, at, at + 1 + length);
        await use(image, readOnly);
      }),
      { numRuns: 150 },
    );
  });

  it("cut off anywhere", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(6 * CLUSTER), fc.boolean(), async (length, readOnly) => {
        await use(sound.subarray(0, length), readOnly);
      }),
      { numRuns: 60 },
    );
  });

  const l1 = () => Number(sound.readBigUInt64BE(40));
  const l2 = () => Number(sound.readBigUInt64BE(l1()) & 0xfffffffffe00n);

  it.each<[string, (image: Buffer) => void, RegExp]>([
    ["L1 outside the file", (image) => image.writeBigUInt64BE(2n ** 40n, 40), /L1 table lies outside/],
    ["an L1 of 2^32 - 1 entries", (image) => image.writeUInt32BE(0xffffffff, 36), /L1 table of 4294967295 entries/],
    ["an L1 that is too short", (image) => image.writeUInt32BE(0, 36), /L1 table of 0 entries/],
    ["no refcount table", (image) => image.writeUInt32BE(0, 56), /refcount table of 0 clusters/],
    ["a giant refcount table", (image) => image.writeUInt32BE(0x7fffffff, 56), /refcount table of/],
    ["clusters of 2^40 bytes", (image) => image.writeUInt32BE(40, 20), /clusters of 2\^40/],
    ["version 7", (image) => image.writeUInt32BE(7, 4), /version 7/],
    ["a size of 2^63", (image) => image.writeBigUInt64BE(2n ** 63n, 24), /cannot be/],
    ["encryption", (image) => image.writeUInt32BE(2, 32), /encrypted/],
    ["an external data file", (image) => image.writeBigUInt64BE(4n, 72), /"external data file"/],
    ["extended L2 entries", (image) => image.writeBigUInt64BE(16n, 72), /"extended L2 entries"/],
    ["an unknown feature", (image) => image.writeBigUInt64BE(2n ** 40n, 72), /"bit 40"/],
    ["zstd", (image) => image.writeBigUInt64BE(8n, 72) && image.writeUInt8(1, 104), /zstd/],
    ["the dirty bit", (image) => image.writeBigUInt64BE(1n, 72), /lazy refcounts/],
    ["the corrupt bit", (image) => image.writeBigUInt64BE(2n, 72), /marked as corrupt/],
    ["an endless extension", (image) => image.writeUInt32BE(0xfffffff0, 116), /header extension/],
    ["a backing name outside", (image) => image.writeUInt32BE(1023 * 4, 16), /backing file/],
    ["an L2 table at itself's entry", (image) => image.writeBigUInt64BE(1n << 63n, l1()), /./],
    ["an L2 table outside the file", (image) => image.writeBigUInt64BE((1n << 63n) | (1n << 45n), l1()), /L2 table/],
    ["an L2 table between clusters", (image) => image.writeBigUInt64BE((1n << 63n) | 0x600n, l1()), /not aligned/],
    ["data outside the file", (image) => image.writeBigUInt64BE((1n << 63n) | (1n << 45n), l2()), /beyond the end/],
    ["data where the header is", (image) => image.writeBigUInt64BE((1n << 63n) | BigInt(CLUSTER), l2()), /tables are/],
    ["refcounts of 0", (image) => image.fill(0, 2 * CLUSTER, 3 * CLUSTER), /refcounts say/],
    ["a refcount block outside", (image) => image.writeBigUInt64BE(1n << 45n, CLUSTER), /refcount block/],
    [
      "compressed data that is none",
      (image) => image.writeBigUInt64BE((1n << 62n) | 0x5000n, l2()),
      /does not unpack|short/,
    ],
  ])("with %s is told as such", async (what, change, sentence) => {
    const image = Buffer.from(sound);
    change(image);
    const errors = await use(image, false);
    if (what.startsWith("an L2 table at itself")) return;
    expect(errors.map((error) => error.message).join("\n")).toMatch(sentence);
    for (const error of errors) expect(error.message).toContain(path);
  });

  it("whose every refcount block is the same full one does not keep the allocator busy", async () => {
    const image = Buffer.from(sound);
    image.fill(0xff, 2 * CLUSTER, 3 * CLUSTER);
    for (let at = CLUSTER; at < 2 * CLUSTER; at += 8) image.writeBigUInt64BE(BigInt(2 * CLUSTER), at);
    const errors = await use(image, false);
    expect(errors.some((error) => error.message.includes("far beyond the end"))).toBe(true);
  });

  it("can be read with the dirty or corrupt bit", async () => {
    for (const bits of [1n, 2n]) {
      const image = Buffer.from(sound);
      image.writeBigUInt64BE(bits, 72);
      expect(await use(image, true)).toEqual([]);
    }
  });
});
