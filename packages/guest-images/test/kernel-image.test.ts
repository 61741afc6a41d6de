import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type ImageErrorCode, loadKernelImage, readKernelImage } from "../src/index.ts";
import { concat, lz4Literals, makeBzImage, makeElf, pvKernel, pvNotes, withSize, xenNote } from "./elf-maker.ts";

const kernel = pvKernel();
const gzipped = () => new Uint8Array(gzipSync(kernel));

describe("readKernelImage", () => {
  it("reads a plain ELF kernel", async () => {
    const image = await readKernelImage(kernel);
    expect(image).toMatchObject({ container: "elf", compression: null });
    expect(image.elf.entry).toBe(-0x80000000 + 0x1000);
    expect(image.notes).toMatchObject({ source: "PT_NOTE", virtBase: -0x80000000, entry: -0x7ffff000, paddrOffset: 0 });
  });

  it("unpacks a gzipped ELF kernel", async () => {
    const image = await readKernelImage(gzipped());
    expect(image).toMatchObject({ container: "compressed-elf", compression: "gzip" });
    expect(Buffer.compare(image.elf.source.bytes(0, kernel.length), kernel)).toBe(0);
  });

  it.each([
    ["gzip", gzipped()],
    ["lz4", withSize(lz4Literals(kernel), kernel.length)],
  ])("unpacks a %s bzImage", async (compression, payload) => {
    const image = await readKernelImage(makeBzImage(payload));
    expect(image).toMatchObject({ container: "bzimage", compression });
    expect(Buffer.compare(image.elf.source.bytes(0, kernel.length), kernel)).toBe(0);
  });

  it("takes a setup size of 0 for 4 sectors", async () => {
    const bytes = makeBzImage(gzipped(), { setupSectors: 4 });
    bytes[0x1f1] = 0;
    expect((await readKernelImage(bytes)).container).toBe("bzimage");
  });

  const damaged = gzipped();
  damaged[damaged.length >> 1] ^= 0xff;
  const bigEndian = kernel.slice();
  bigEndian[5] = 2;
  const wrongClass = kernel.slice();
  wrongClass[4] = 7;
  const arm64Image = new Uint8Array(4096);
  arm64Image.set([0x41, 0x52, 0x4d, 0x64], 0x38);
  const withNotes = (notes: Uint8Array) => makeElf({ segments: [{ type: 4, content: notes }] });

  const bad: [string, Uint8Array, ImageErrorCode, RegExp][] = [
    ["empty file", new Uint8Array(0), "missing", /empty/],
    ["text", new TextEncoder().encode("CONFIG_XEN_PV=y\n".repeat(9)), "not-a-kernel", /neither an ELF/],
    ["gzipped text", gzipSync("hello"), "not-a-kernel", /holds no ELF/],
    ["ELF cut in its header", kernel.slice(0, 40), "truncated", /inside its header/],
    ["ELF cut in its program headers", kernel.slice(0, 100), "truncated", /program headers/],
    ["ELF cut in a segment", kernel.slice(0, 2000), "truncated", /segment 0/],
    ["ELF of no class", wrongClass, "corrupt", /class 7/],
    ["big-endian ELF", bigEndian, "architecture", /big-endian/],
    ["AArch64 ELF", makeElf({ machine: 183 }), "architecture", /AArch64/],
    ["AArch64 boot image", arm64Image, "architecture", /AArch64/],
    ["gzipped AArch64 boot image", gzipSync(arm64Image), "architecture", /AArch64/],
    ["no notes", makeElf({}), "not-pv", /no Xen notes/],
    ["another loader", withNotes(concat(xenNote(5, "xen-3.0"), xenNote(8, "special"))), "not-pv", /loader "special"/],
    ["another interface", withNotes(concat(xenNote(5, "xen-9"), xenNote(8, "generic"))), "not-pv", /"xen-9"/],
    ["unknown required feature", withNotes(pvNotes(xenNote(10, "!time_travel"))), "not-pv", /time_travel/],
    ["PADDR_OFFSET alone", withNotes(pvNotes(xenNote(4, 0n))), "corrupt", /VIRT_BASE/],
    ["non-canonical VIRT_BASE", withNotes(pvNotes(xenNote(3, 0x800000000000n))), "corrupt", /VIRT_BASE/],
    ["note cut short", withNotes(pvNotes().slice(0, -4)), "corrupt", /note reaches beyond/],
    ["old boot protocol", makeBzImage(gzipped(), { protocol: 0x0207 }), "unsupported", /protocol 2\.07/],
    ["bzImage cut in its header", makeBzImage(gzipped()).slice(0, 0x220), "truncated", /inside its header/],
    ["bzImage cut in its payload", makeBzImage(gzipped()).slice(0, -10), "truncated", /compressed kernel reaches/],
    ["bzImage without a payload", makeBzImage(gzipped(), { length: 0 }), "corrupt", /length of 0/],
    ["bzImage of unknown compression", makeBzImage(new Uint8Array(99)), "unsupported", /not known here/],
    ["bzImage with a damaged payload", makeBzImage(damaged), "corrupt", /gzip payload is damaged/],
    ["bzImage that holds no ELF", makeBzImage(gzipSync("hello")), "corrupt", /no ELF kernel/],
    ["bzImage with a lying size", makeBzImage(withSize(lz4Literals(kernel), 1)), "corrupt", /instead of 1/],
  ];
  it.each(bad)("refuses: %s", async (_name, bytes, code, message) => {
    await expect(readKernelImage(bytes)).rejects.toMatchObject({
      name: "ImageError",
      code,
      message: expect.stringMatching(message),
    });
  });

  it("says that a file is missing", async () => {
    await expect(loadKernelImage("no/such/vmlinuz")).rejects.toMatchObject({
      code: "missing",
      message: expect.stringContaining("no/such/vmlinuz"),
    });
  });

  it("recognises a 32-bit PV kernel", async () => {
    const bytes = new Uint8Array(52 + 32 + pvNotes().length);
    const view = new DataView(bytes.buffer);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
    view.setUint16(18, 3, true);
    view.setUint32(24, 0xc0100000, true);
    view.setUint32(28, 52, true);
    view.setUint16(42, 32, true);
    view.setUint16(44, 1, true);
    view.setUint32(52, 4, true);
    view.setUint32(56, 84, true);
    view.setUint32(68, pvNotes().length, true);
    bytes.set(pvNotes(), 84);
    const { elf } = await readKernelImage(bytes);
    expect(elf).toMatchObject({ elfClass: 1, machine: 3, entry: 0xc0100000 });
  });
});
