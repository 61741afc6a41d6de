/// <reference path="./lz4js.d.ts" />
/// <reference path="./seek-bzip.d.ts" />
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { viewOf } from "./elf.ts";
import { ImageError } from "./image-error.ts";

/** Compressions a Linux kernel can be built with. */
export type Compression = "gzip" | "bzip2" | "xz" | "lzma" | "lzo" | "lz4" | "zstd";

/** No kernel unpacks to more than this; a payload that claims more is damaged or hostile. */
export const MAX_UNPACKED_BYTES = 1024 * 1024 * 1024;

const LZ4_LEGACY_BLOCK_BYTES = 8 * 1024 * 1024;

// First bytes, as the kernel's own decompressor table and Xen's tools tell them apart.
const magics: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["lzma", [0x5d, 0x00, 0x00]],
  ["lzo", [0x89, 0x4c, 0x5a, 0x4f]],
  ["lz4", [0x02, 0x21, 0x4c, 0x18]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];

const gunzipAsync = promisify(gunzip);

/** Which compression the bytes start with, or null. */
export function detectCompression(bytes: Uint8Array): Compression | null {
  const found = magics.find(([, magic]) => magic.every((byte, at) => bytes[at] === byte));
  return found === undefined ? null : found[0];
}

/**
 * Unpacks a compressed kernel.
 * @param unpackedSize the size that the container promises, if it does
 * @throws ImageError `corrupt`, `truncated`, or `unsupported` (lzma and lzo: no sound decoder is at hand)
 */
export async function unpack(
  bytes: Uint8Array,
  compression: Compression,
  unpackedSize: number | null = null,
): Promise<Uint8Array> {
  if (unpackedSize !== null && unpackedSize > MAX_UNPACKED_BYTES) {
    throw new ImageError("corrupt", `the payload claims ${unpackedSize} unpacked bytes, more than any kernel has`);
  }
  const unpacked = await unpackStream(bytes, compression, unpackedSize);
  if (unpackedSize !== null && unpacked.length !== unpackedSize) {
    throw new ImageError(
      "corrupt",
      `the ${compression} payload unpacks to ${unpacked.length} bytes instead of ${unpackedSize}`,
    );
  }
  return unpacked;
}

// Decoders are loaded when they are needed: most kernels that are read have been unpacked before.

async function unpackStream(
  bytes: Uint8Array,
  compression: Compression,
  unpackedSize: number | null,
): Promise<Uint8Array> {
  switch (compression) {
    case "xz": {
      const { unpackXz } = await import("./xz-stream.ts");
      return unpackXz(bytes, MAX_UNPACKED_BYTES);
    }
    case "lz4":
      return unpackLz4Legacy(bytes);
    case "lzma":
    case "lzo":
      throw new ImageError(
        "unsupported",
        `the kernel is compressed with ${compression}, which is not supported; use one built with gzip, bzip2, xz, lz4 or zstd`,
      );
    default:
      break;
  }
  try {
    switch (compression) {
      case "gzip":
        return await gunzipAsync(bytes, { maxOutputLength: unpackedSize ?? MAX_UNPACKED_BYTES });
      case "bzip2": {
        const { default: Bunzip } = await import("seek-bzip");
        return Bunzip.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      }
      case "zstd": {
        const { decompress } = await import("fzstd");
        return decompress(bytes);
      }
    }
  } catch (cause) {
    const reason = cause instanceof Error ? ` (${cause.message})` : "";
    throw new ImageError("corrupt", `the ${compression} payload is damaged and cannot be unpacked${reason}`, { cause });
  }
}

/**
 * The "legacy" LZ4 frame that kernels use: magic, then blocks of at most 8 MiB of output, each after its compressed size.
 */
async function unpackLz4Legacy(bytes: Uint8Array): Promise<Uint8Array> {
  const { default: lz4 } = await import("lz4js");
  const view = viewOf(bytes);
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (let at = 4; at < bytes.length; ) {
    if (at + 4 > bytes.length || at + 4 + view.getUint32(at, true) > bytes.length) {
      throw new ImageError("truncated", "the lz4 payload ends inside a block");
    }
    const size = view.getUint32(at, true);
    if (size === 0) {
      break;
    }
    const block = new Uint8Array(LZ4_LEGACY_BLOCK_BYTES);
    const length = lz4.decompressBlock(bytes, block, at + 4, size, 0);
    if (!(length >= 0 && length <= block.length)) {
      throw new ImageError("corrupt", "the lz4 payload is damaged: a block unpacks to more than the format allows");
    }
    chunks.push(block.subarray(0, length));
    total += length;
    at += 4 + size;
  }
  const output = new Uint8Array(total);
  let filled = 0;
  for (const chunk of chunks) {
    output.set(chunk, filled);
    filled += chunk.length;
  }
  return output;
}
