import { execFileSync } from "node:child_process";
import { appendFile, mkdtemp, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { slicedCrc32 } from "../src/checksum.ts";
import {
  asByteSource,
  type ByteSource,
  crc32,
  loadKernelImage,
  openByteSource,
  readKernelImage,
} from "../src/index.ts";
import { makeBzImage, makeElf, pvKernel } from "./elf-maker.ts";

let folder: string;
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "xen-node-test-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

const file = async (content: Uint8Array): Promise<string> => {
  const path = join(folder, `file-${files++}`);
  await writeFile(path, content);
  return path;
};

const pattern = (length: number) => Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) & 0xff);

/** All of a part's pieces, each copied before the next one comes. */
const copied = (source: ByteSource, offset: number, length: number): Uint8Array => {
  const parts: Buffer[] = [];
  for (const piece of source.pieces(offset, length)) parts.push(Buffer.from(piece));
  return new Uint8Array(Buffer.concat(parts));
};

describe("a byte source", () => {
  const content = pattern(700_001);

  it("gives memory's own bytes", () => {
    const source = asByteSource(content);
    expect(source.size).toBe(content.length);
    expect(source.bytes(5, 3).buffer).toBe(content.buffer);
    expect(Buffer.compare(copied(source, 1, 700_000), content.subarray(1))).toBe(0);
  });

  it("gives a file's bytes, at once and in pieces that one buffer is enough for", async () => {
    const source = await openByteSource(await file(content));
    expect(source.size).toBe(content.length);
    expect(source.bytes(300_000, 10)).toEqual(content.subarray(300_000, 300_010));
    expect(Buffer.compare(copied(source, 3, 699_990), content.subarray(3, 699_993))).toBe(0);
    expect([...source.pieces(7, 0)]).toEqual([]);
    const buffers = new Set([...source.pieces(0, content.length)].map(({ buffer }) => buffer));
    expect(buffers.size).toBe(1);
  });

  it("goes on with a file that was removed", async () => {
    const path = await file(content);
    const source = await openByteSource(path);
    await rm(path);
    await writeFile(path, "another");
    expect(source.bytes(0, 9)).toEqual(content.subarray(0, 9));
  });

  it("reads a pipe to its end", async () => {
    const path = join(folder, "pipe");
    execFileSync("mkfifo", [path]);
    const [source] = await Promise.all([openByteSource(path), writeFile(path, content)]);
    expect(Buffer.compare(source.bytes(0, source.size), content)).toBe(0);
  });

  it("refuses what lies beyond the end", async () => {
    for (const source of [asByteSource(content), await openByteSource(await file(content))]) {
      const error = expect.objectContaining({ name: "ImageError", code: "truncated" });
      expect(() => source.bytes(content.length - 1, 2)).toThrow(error);
      expect(() => [...source.pieces(content.length - 1, 2)]).toThrow(error);
    }
  });

  it("refuses a file that shrinks while it is read", async () => {
    const path = await file(content);
    const source = await openByteSource(path);
    const pieces = source.pieces(0, content.length)[Symbol.iterator]();
    pieces.next();
    await truncate(path, 300_000);
    expect(() => pieces.next()).toThrow(
      expect.objectContaining({ code: "truncated", message: expect.stringMatching(/has 300000 bytes.*byte 700001/) }),
    );
  });

  it("refuses a file that was changed in place, but not one that was only read", async () => {
    const path = await file(content);
    const source = await openByteSource(path);
    const { mtime } = await stat(path);
    await utimes(path, new Date(), mtime);
    expect(source.bytes(0, 4)).toEqual(content.subarray(0, 4));
    await utimes(path, new Date(), new Date(mtime.getTime() + 50));
    const changed = expect.objectContaining({ code: "corrupt", message: expect.stringMatching(/changed/) });
    expect(() => source.bytes(0, 4)).toThrow(changed);
    const grown = await openByteSource(path);
    await appendFile(path, "more");
    expect(() => grown.bytes(0, 4)).toThrow(changed);
  });

  it("says why something cannot be opened", async () => {
    await expect(openByteSource(folder)).rejects.toMatchObject({ code: "EISDIR" });
    await expect(openByteSource(join(folder, "none"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("kernels in files", () => {
  it("are read as kernels in memory are", async () => {
    const bytes = makeElf({
      segments: [{ type: 1, content: pattern(5000) }],
      sections: [{ name: ".text", type: 1, content: pattern(70) }],
    });
    for (const image of [pvKernel(), makeBzImage(gzipSync(pvKernel()))]) {
      const { elf, ...fromMemory } = await readKernelImage(image);
      const { elf: loaded, ...fromFile } = await loadKernelImage(await file(image));
      expect(fromFile).toEqual(fromMemory);
      expect({ ...loaded, source: undefined }).toEqual({ ...elf, source: undefined });
    }
    await expect(loadKernelImage(await file(bytes))).rejects.toMatchObject({ code: "not-pv" });
    await expect(loadKernelImage(await file(bytes.subarray(0, 4000)))).rejects.toMatchObject({ code: "truncated" });
    await expect(loadKernelImage(await file(new Uint8Array()))).rejects.toMatchObject({ code: "missing" });
  });

  it("that are packed are taken from where unpacked ones are kept", async () => {
    const packed = makeBzImage(gzipSync(pvKernel()));
    const get = vi.fn(async () => asByteSource(pvKernel()));
    const image = await readKernelImage(packed, { unpackedKernels: { get } });
    expect(image).toMatchObject({ container: "bzimage", compression: "gzip", notes: { guestOs: "linux" } });
    const [[source, unpack]] = get.mock.calls as unknown as [[ByteSource, () => Promise<Uint8Array>]];
    expect(Buffer.compare(source.bytes(0, source.size), packed)).toBe(0);
    expect(Buffer.compare(await unpack(), pvKernel())).toBe(0);
  });

  it("that need no unpacking are not kept elsewhere", async () => {
    const get = vi.fn();
    await readKernelImage(pvKernel(), { unpackedKernels: { get } });
    expect(get).not.toHaveBeenCalled();
  });
});

describe("crc32", () => {
  it("goes on from the bytes before", () => {
    const content = pattern(1001);
    expect(crc32(Buffer.from("123456789"))).toBe(0xcbf43926);
    expect(crc32(content.subarray(300), crc32(content.subarray(0, 300)))).toBe(crc32(content));
    // Older Nodes have none of their own.
    expect(slicedCrc32(content.subarray(300), slicedCrc32(content.subarray(0, 300), 0))).toBe(crc32(content));
  });
});
