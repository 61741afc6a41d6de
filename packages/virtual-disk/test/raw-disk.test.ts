import { open, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { DiskError } from "../src/block-device.ts";
import { openRawDisk } from "../src/raw-disk.ts";
import { compareWithModel, operations, pattern, readAll } from "./array-model.ts";
import { scratchDirectory } from "./scratch.ts";

const SIZE = 2 ** 20;

async function sparse(bytes = SIZE): Promise<string> {
  const path = join(await scratchDirectory(), "disk.img");
  await writeFile(path, "");
  await truncate(path, bytes);
  return path;
}

describe("a raw disk", () => {
  it("is what an array is", async () => {
    const path = await sparse();
    await fc.assert(
      fc.asyncProperty(operations(SIZE, 2 ** 17, 60), async (sequence) => {
        await truncate(path, 0);
        await truncate(path, SIZE);
        await compareWithModel(() => openRawDisk(path, { sharing: "shared" }), new Uint8Array(SIZE), sequence);
      }),
      { numRuns: 10 },
    );
  });

  it("takes more buffers than one system call does, views of a WebAssembly.Memory, shared or not", async () => {
    const path = await sparse();
    const disk = await openRawDisk(path);
    for (const shared of [false, true]) {
      const memory = new WebAssembly.Memory({ initial: 40, maximum: 40, shared });
      const bytes = new Uint8Array(memory.buffer);
      const written = pattern(0, SIZE, shared ? 1 : 2);
      bytes.set(written, 65536);
      const views = Array.from({ length: 2048 }, (_, i) => bytes.subarray(65536 + i * 512, 65536 + (i + 1) * 512));
      await disk.write(0, views);
      bytes.fill(0);
      await disk.read(0, views);
      expect(Buffer.compare(bytes.subarray(65536, 65536 + SIZE), written)).toBe(0);
    }
    await disk.close();
  });

  it("gives space back on discard, whole and in many pieces", async () => {
    const path = await sparse();
    const disk = await openRawDisk(path);
    expect(disk.discardGranularityBytes).toBe(4096);
    await disk.write(0, [pattern(0, SIZE, 9)]);
    await disk.flush();
    expect((await stat(path)).blocks * 512).toBeGreaterThanOrEqual(SIZE);
    await Promise.all(Array.from({ length: 100 }, (_, i) => disk.discard(i * 8192, 4096)));
    await disk.flush();
    expect((await stat(path)).blocks * 512).toBeLessThanOrEqual(SIZE - 90 * 4096); // The file system counts its own tables too.
    const expected = pattern(0, SIZE, 9);
    for (let i = 0; i < 100; i++) expected.fill(0, i * 8192, i * 8192 + 4096);
    expect(Buffer.compare(await readAll(disk), expected)).toBe(0);
    await disk.discard(0, SIZE);
    expect((await stat(path)).blocks).toBe(0);
    expect((await stat(path)).size).toBe(SIZE);
    await disk.close();
  });

  it("does not offer discard when it is switched off or read-only", async () => {
    const path = await sparse();
    const disk = await openRawDisk(path, { discard: false });
    await expect(disk.discard(0, 4096)).rejects.toMatchObject({ code: "EOPNOTSUPP" });
    await disk.close();
    const readOnly = await openRawDisk(path, { readOnly: true });
    expect(readOnly.discardGranularityBytes).toBe(0);
    await expect(readOnly.write(0, [new Uint8Array(512)])).rejects.toMatchObject({ code: "EROFS" });
    await readOnly.close();
  });

  it("rejects requests outside itself", async () => {
    const disk = await openRawDisk(await sparse());
    for (const [offset, bytes] of [
      [SIZE, 512],
      [SIZE - 512, 1024],
      [-512, 512],
      [Number.NaN, 512],
      [2 ** 60, 512],
    ]) {
      await expect(disk.read(offset, [new Uint8Array(bytes)])).rejects.toMatchObject({ code: "EINVAL" });
      await expect(disk.write(offset, [new Uint8Array(bytes)])).rejects.toMatchObject({ code: "EINVAL" });
      await expect(disk.discard(offset, bytes)).rejects.toMatchObject({ code: "EINVAL" });
    }
    await disk.read(SIZE, []);
    await disk.close();
    await expect(disk.read(0, [new Uint8Array(512)])).rejects.toMatchObject({ code: "EBADF" });
  });

  it("says that the file was truncated under it, and reads again when it has grown", async () => {
    const path = await sparse();
    const disk = await openRawDisk(path);
    await truncate(path, 4096);
    await disk.read(0, [new Uint8Array(4096)]);
    const failure = await disk.read(2048, [new Uint8Array(4096)]).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DiskError);
    expect(failure).toMatchObject({ code: "EIO", file: path, message: expect.stringContaining("was truncated") });
    await truncate(path, SIZE);
    await disk.read(2048, [new Uint8Array(4096)]);
    await disk.close();
  });

  it("does not show the bytes after the last whole sector", async () => {
    const path = await sparse(4096 + 511);
    const disk = await openRawDisk(path);
    expect(disk.sizeBytes).toBe(4096);
    await disk.close();
  });

  it("grows, and sees that it was resized from outside", async () => {
    const path = await sparse();
    const disk = await openRawDisk(path);
    disk.onResize = vi.fn();
    await disk.resize(2 * SIZE);
    expect((await stat(path)).size).toBe(2 * SIZE);
    expect(disk.onResize).toHaveBeenLastCalledWith(2 * SIZE);
    await disk.write(2 * SIZE - 512, [new Uint8Array(512)]);
    await expect(disk.resize(SIZE)).rejects.toMatchObject({ code: "EINVAL" });
    await truncate(path, SIZE + 100);
    expect(await disk.refreshSize()).toBe(SIZE);
    expect(disk.onResize).toHaveBeenLastCalledWith(SIZE);
    expect(disk.onResize).toHaveBeenCalledTimes(2);
    await disk.close();
  });

  it("maps a full file system to ENOSPC", async () => {
    // A device that is always full.
    const device = await open("/dev/full", "r+").catch(() => undefined);
    if (!device) return;
    await device.close();
    await expect(openRawDisk("/dev/full")).rejects.toMatchObject({ code: "EINVAL" });
    const { hostError } = await import("../src/host-errors.ts");
    const { writeAt } = await import("../src/file-io.ts");
    const full = await open("/dev/full", "r+");
    const failure = await writeAt(full.fd, 0, [new Uint8Array(512)]).catch((error) =>
      hostError(error, "f", "write to"),
    );
    expect(failure).toMatchObject({
      code: "ENOSPC",
      message: "Could not write to f: its file system is full (ENOSPC).",
    });
    await full.close();
  });

  it("waits with close for what is under way", async () => {
    const disk = await openRawDisk(await sparse());
    const writes = Array.from({ length: 16 }, (_, i) => disk.write(i * 65536, [pattern(0, 65536, i)]));
    await disk.close();
    await Promise.all(writes);
  });
});
