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
  /** The compressed stream alone. */
  readonly bytes: Uint8Array;
  readonly compression: Compression;
  /** Size of the kernel inside, as the build wrote it behind the stream. */
  readonly unpackedSize: number;
  /** Boot protocol version, 0x020f = 2.15. */
  readonly protocol: number;
}

/** Is this a Linux x86 boot image? */
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
export function readBzImage(bytes: Uint8Array): BzImagePayload {
  const view = viewOf(bytes);
  if (bytes.length < HEADER_END) {
    throw new ImageError("truncated", `the bzImage ends inside its header, after ${bytes.length} bytes`);
  }
  const protocol = view.getUint16(PROTOCOL_VERSION, true);
  if (protocol < VERSION_WITH_PAYLOAD) {
    const version = `${protocol >> 8}.${String(protocol & 0xff).padStart(2, "0")}`;
    throw new ImageError(
      "unsupported",
      `the bzImage uses boot protocol ${version}, but only 2.08 and later say where the kernel lies`,
    );
  }
  // Zero means four, for the sake of the oldest boot loaders.
  const setupSectors = bytes[SETUP_SECTS] || 4;
  const start = (setupSectors + 1) * SECTOR_BYTES + view.getUint32(PAYLOAD_OFFSET, true);
  const length = view.getUint32(PAYLOAD_LENGTH, true);
  if (start + length > bytes.length) {
    throw new ImageError(
      "truncated",
      `the bzImage has ${bytes.length} bytes, but its compressed kernel reaches to byte ${start + length}`,
    );
  }
  if (length < 16) {
    throw new ImageError("corrupt", `the bzImage gives its compressed kernel a length of ${length} bytes`);
  }
  const payload = bytes.subarray(start, start + length);
  const compression = detectCompression(payload);
  if (compression === null) {
    throw new ImageError("unsupported", "the bzImage's kernel is compressed in a way that is not known here");
  }
  const unpackedSize = view.getUint32(start + length - 4, true);
  // gzip ends with that very number itself; behind every other stream the kernel build appends it.
  const stream = compression === "gzip" ? payload : payload.subarray(0, length - 4);
  return { bytes: stream, compression, unpackedSize, protocol };
}
