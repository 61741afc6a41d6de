import { asByteSource, type ByteSource } from "./byte-source.ts";
import { type Compression, detectCompression } from "./compression.ts";
import { viewOf } from "./elf.ts";
import { ImageError } from "./image-error.ts";

// The x86 boot protocol (Linux: Documentation/arch/x86/boot.rst).
const SETUP_SECTS = 0x1f1;
const BOOT_FLAG = 0x1fe;
const HEADER_MAGIC = 0x202;
const PROTOCOL_VERSION = 0x206;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const HEADER_END = 0x250;
const SECTOR_BYTES = 512;
const MAGIC_HDRS = 0x53726448;
const VERSION_WITH_PAYLOAD = 0x0208;

export interface BzImagePayload {
  /** Where in the image the compressed stream lies, alone. */
  readonly offset: number;
  readonly length: number;
  readonly compression: Compression;
  /** Size of the kernel inside, as the build wrote it behind the stream. */
  readonly unpackedSize: number;
  /** Boot protocol version, 0x020f = 2.15. */
  readonly protocol: number;
}

/** As many bytes of an image as tell whether it is a bzImage. */
export const BZIMAGE_HEAD_BYTES = HEADER_END;

/** Is this a Linux x86 boot image, or the beginning of one? */
export function isBzImage(bytes: Uint8Array): boolean {
  return (
    bytes.length >= HEADER_MAGIC + 4 &&
    bytes[BOOT_FLAG] === 0x55 &&
    bytes[BOOT_FLAG + 1] === 0xaa &&
    viewOf(bytes).getUint32(HEADER_MAGIC, true) === MAGIC_HDRS
  );
}

/**
 * Finds the compressed kernel in a bzImage.
 * @throws ImageError `unsupported` (boot protocol before 2.08, unknown compression), `truncated`, `corrupt`
 */
export function readBzImage(image: Uint8Array | ByteSource): BzImagePayload {
  const source = asByteSource(image);
  if (source.size < HEADER_END) {
    throw new ImageError("truncated", `the bzImage ends inside its header, after ${source.size} bytes`);
  }
  const header = source.bytes(0, HEADER_END);
  const view = viewOf(header);
  const protocol = view.getUint16(PROTOCOL_VERSION, true);
  if (protocol < VERSION_WITH_PAYLOAD) {
    const version = `${protocol >> 8}.${String(protocol & 0xff).padStart(2, "0")}`;
    throw new ImageError(
      "unsupported",
      `the bzImage uses boot protocol ${version}, but only 2.08 and later say where the kernel lies`,
    );
  }
  // Zero means four, for the sake of the oldest boot loaders.
  const setupSectors = header[SETUP_SECTS] || 4;
  const start = (setupSectors + 1) * SECTOR_BYTES + view.getUint32(PAYLOAD_OFFSET, true);
  const length = view.getUint32(PAYLOAD_LENGTH, true);
  if (start + length > source.size) {
    throw new ImageError(
      "truncated",
      `the bzImage has ${source.size} bytes, but its compressed kernel reaches to byte ${start + length}`,
    );
  }
  if (length < 16) {
    throw new ImageError("corrupt", `the bzImage gives its compressed kernel a length of ${length} bytes`);
  }
  const compression = detectCompression(source.bytes(start, 16));
  if (compression === null) {
    throw new ImageError("unsupported", "the bzImage's kernel is compressed in a way that is not known here");
  }
  const unpackedSize = viewOf(source.bytes(start + length - 4, 4)).getUint32(0, true);
  // gzip ends with that very number itself; behind every other stream the kernel build appends it.
  const streamLength = compression === "gzip" ? length : length - 4;
  return { offset: start, length: streamLength, compression, unpackedSize, protocol };
}
