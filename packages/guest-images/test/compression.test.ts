import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type Compression, detectCompression, unpack } from "../src/index.ts";
import { codeSample } from "./code-sample.ts";

const sample = codeSample();
const data = (name: string) => new Uint8Array(readFileSync(new URL(`data/${name}`, import.meta.url)));
const files: [string, Compression][] = [
  ["x86-crc32.xz", "xz"],
  ["x86-offset-crc64.xz", "xz"],
  ["blocks-sha256.xz", "xz"],
  ["sized-none.xz", "xz"],
  ["sample.bz2", "bzip2"],
  ["sample.zst", "zstd"],
  ["sample.lz4", "lz4"],
];

describe("unpack", () => {
  it.each(files)("%s", async (name, compression) => {
    const bytes = data(name);
    expect(detectCompression(bytes)).toBe(compression);
    const unpacked = await unpack(bytes, compression, sample.length);
    expect(Buffer.compare(unpacked, sample)).toBe(0);
  });

  it("gzip", async () => {
    const bytes = gzipSync(sample);
    expect(detectCompression(bytes)).toBe("gzip");
    expect(Buffer.compare(await unpack(bytes, "gzip"), sample)).toBe(0);
  });

  it("names the compressions and filters it cannot undo", async () => {
    expect(detectCompression(data("sample.lzma"))).toBe("lzma");
    await expect(unpack(data("sample.lzma"), "lzma")).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("lzma"),
    });
    const lzo = Uint8Array.of(0x89, 0x4c, 0x5a, 0x4f, 0, 0x0d, 0x0a, 0x1a);
    expect(detectCompression(lzo)).toBe("lzo");
    await expect(unpack(lzo, "lzo")).rejects.toMatchObject({ code: "unsupported" });
    await expect(unpack(data("delta.xz"), "xz")).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("delta"),
    });
  });

  it.each(files)("%s: a wrong promised size is found", async (name, compression) => {
    await expect(unpack(data(name), compression, sample.length + 1)).rejects.toMatchObject({ code: "corrupt" });
  });

  it("a size that no kernel has is refused before anything is unpacked", async () => {
    await expect(unpack(data("sample.zst"), "zstd", 0xfffffff0)).rejects.toMatchObject({ code: "corrupt" });
  });

  it.each([...files, ["gzip", "gzip"] as [string, Compression]])(
    "%s: cut at any place is an ImageError",
    async (name, compression) => {
      const bytes = name === "gzip" ? new Uint8Array(gzipSync(sample)) : data(name);
      for (const length of [6, 20, 100, bytes.length >> 1, bytes.length - 13]) {
        await expect(unpack(bytes.slice(0, length), compression, sample.length)).rejects.toMatchObject({
          name: "ImageError",
          code: expect.stringMatching(/^(corrupt|truncated)$/),
        });
      }
    },
  );

  it.each(["x86-crc32.xz", "x86-offset-crc64.xz", "blocks-sha256.xz"])(
    "%s: a flipped byte is found or does no harm",
    async (name) => {
      const bytes = data(name);
      for (let at = 0; at < bytes.length; at += at < 40 || at > bytes.length - 60 ? 1 : 397) {
        const damaged = bytes.slice();
        damaged[at] ^= 0x10;
        // Padding and the range coder's first byte carry nothing.
        const result = await unpack(damaged, "xz", sample.length).catch((error: unknown) => error);
        if (result instanceof Uint8Array) {
          expect(Buffer.compare(result, sample), `byte ${at}`).toBe(0);
        } else {
          expect(result, `byte ${at}`).toMatchObject({ name: "ImageError" });
        }
      }
    },
  );
});
