import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { asByteSource, type ByteSource } from "@xen-node/guest-images";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { KernelCache } from "../src/fetch/kernel-cache.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "xen-node-test-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** An ELF file without segments, with zeros in it, that differs from others by its number. */
function elf(number: number): Uint8Array {
  const bytes = new Uint8Array(10 * 4096 + 17);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes[4096 * 3] = number;
  bytes.fill(0x5a, 4096 * 5 + 9, 4096 * 7);
  bytes[bytes.length - 1] = 1;
  return bytes;
}

const packed = (number: number): ByteSource => asByteSource(gzipSync(elf(number)));
const all = (source: ByteSource): Buffer => Buffer.from(source.bytes(0, source.size));

/** Gets kernel `number` from the cache; tells whether it had to be unpacked. */
async function get(number: number, cache = new KernelCache(folder)): Promise<"unpacked" | "kept"> {
  const unpack = vi.fn(async () => elf(number));
  const source = await cache.get(packed(number), unpack);
  expect(Buffer.compare(all(source), elf(number))).toBe(0);
  return unpack.mock.calls.length === 0 ? "kept" : "unpacked";
}

describe("the cache of unpacked kernels", () => {
  it("unpacks a kernel once, and each kernel for itself", async () => {
    expect(await get(1)).toBe("unpacked");
    expect(await get(1)).toBe("kept");
    expect(await get(2)).toBe("unpacked");
    expect(await get(1)).toBe("kept");
    expect(await readdir(folder)).toHaveLength(2);
  });

  it("leaves the memory of what it kept: the kernel is in its file", async () => {
    const unpacked = elf(1);
    const source = await new KernelCache(folder).get(packed(1), async () => unpacked);
    unpacked.fill(0xff);
    expect(Buffer.compare(all(source), elf(1))).toBe(0);
  });

  const damages: [string, (path: string) => Promise<void>][] = [
    [
      "with another byte",
      async (path) => {
        const bytes = await readFile(path);
        bytes[4096 * 6] ^= 1;
        await writeFile(path, bytes);
      },
    ],
    ["cut short", (path) => truncate(path, 4096 * 8)],
    ["grown by zeros", (path) => truncate(path, 4096 * 11)],
    ["empty", (path) => truncate(path, 0)],
  ];
  it.each(damages)("unpacks again what is damaged: %s", async (_name, damage) => {
    await get(1);
    const [name] = await readdir(folder);
    await damage(join(folder, name));
    expect(await get(1)).toBe("unpacked");
    expect(await get(1)).toBe("kept");
  });

  it("does without a folder that cannot be written", async () => {
    // Root may write everywhere, but nobody into a file.
    const file = join(folder, "file");
    await writeFile(file, "");
    for (const path of [file, join(file, "kernels"), "/proc/none/kernels"]) {
      expect(await get(1, new KernelCache(path))).toBe("unpacked");
      expect(await get(1, new KernelCache(path))).toBe("unpacked");
    }
  });

  it("makes its folder and those around it", async () => {
    const path = join(folder, "a", "b", "kernels");
    expect(await get(1, new KernelCache(path))).toBe("unpacked");
    expect(await get(1, new KernelCache(path))).toBe("kept");
  });

  it("does without an entry that cannot be replaced", async () => {
    await get(1);
    const [name] = await readdir(folder);
    await rm(join(folder, name));
    // A folder in its place is neither a kernel nor removed as one.
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, "something"), "");
    expect(await get(1)).toBe("unpacked");
    expect(await get(1)).toBe("unpacked");
    expect(await readdir(folder)).toEqual([name]);
  });

  it("serves several at once, and leaves nothing unfinished", async () => {
    const caches = Array.from({ length: 6 }, () => new KernelCache(folder));
    const kernels = Array.from({ length: 24 }, (_, index) => get(index % 3, caches[index % caches.length]));
    await Promise.all(kernels);
    const names = await readdir(folder);
    expect(names.filter((name) => /^[0-9a-f]{64}-[0-9a-f]{8}$/.test(name))).toHaveLength(3);
    expect(names).toHaveLength(3);
    for (const number of [0, 1, 2]) expect(await get(number)).toBe("kept");
  });

  it("keeps the eight that were used last", async () => {
    const usedAt = async (name: string, ms: number): Promise<void> => {
      const path = join(folder, name);
      await utimes(path, new Date(ms), (await stat(path)).mtime);
    };
    const seen = new Set<string>();
    for (let number = 0; number < 8; number++) {
      await get(number);
      // Times of access may be coarse, so that they are set further apart.
      for (const name of await readdir(folder))
        if (!seen.has(name)) await usedAt(name, Date.now() - 3e6 + number * 1e5);
      for (const name of await readdir(folder)) seen.add(name);
    }
    expect(await get(0)).toBe("kept");
    expect(await get(8)).toBe("unpacked");
    expect(await get(9)).toBe("unpacked");
    expect(await readdir(folder)).toHaveLength(8);
    for (const number of [0, 3, 4, 5, 6, 7, 8, 9]) expect(await get(number)).toBe("kept");
  });

  it("a kernel in use stays readable when it is used elsewhere or removed", async () => {
    const source = await new KernelCache(folder).get(packed(1), async () => elf(1));
    expect(await get(1)).toBe("kept");
    expect(Buffer.compare(all(source), elf(1))).toBe(0);
    await rm(folder, { recursive: true });
    expect(Buffer.compare(all(source), elf(1))).toBe(0);
    expect(await get(1)).toBe("unpacked");
  });

  it("removes what dead processes left unfinished, and nothing of living ones or of others", async () => {
    const old = new Date(Date.now() - 2 * 60 * 60 * 1000);
    for (const name of ["unfinished-old", "unfinished-new", "somebody-elses"]) await writeFile(join(folder, name), "");
    for (const name of ["unfinished-old", "somebody-elses"]) await utimes(join(folder, name), old, old);
    await get(1);
    expect((await readdir(folder)).filter((name) => name.includes("-") && !/^[0-9a-f]{64}/.test(name)).sort()).toEqual([
      "somebody-elses",
      "unfinished-new",
    ]);
  });

  it("passes on why a kernel cannot be unpacked, and keeps nothing", async () => {
    const unpack = async (): Promise<Uint8Array> => {
      throw new Error("damaged payload");
    };
    await expect(new KernelCache(folder).get(packed(1), unpack)).rejects.toThrow("damaged payload");
    expect(await readdir(folder)).toEqual([]);
  });
});
