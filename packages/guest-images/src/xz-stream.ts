import { createHash } from "node:crypto";
import * as xzModule from "xz-decompress";
import { undoX86BranchFilter } from "./bcj-x86.ts";
import { crc32, crc64 } from "./checksum.ts";
import { viewOf } from "./elf.ts";
import { ImageError } from "./image-error.ts";

// The decoder library knows LZMA2 alone and refuses streams with a branch filter, as kernels' are. So each block is given
// to it as a stream of its own that names LZMA2 only and has no check; the filter is undone and the check made here.
// Facts: "The .xz File Format", version 1.2.

// The library is a CommonJS bundle whose names Node cannot see; it types them as if it could.
const { XzReadableStream } = (xzModule as { default?: typeof xzModule }).default ?? xzModule;

const STREAM_HEADER_BYTES = 12;
const STREAM_FOOTER_BYTES = 12;
const FILTER_X86 = 0x04;
const FILTER_LZMA2 = 0x21;
const CHECK_NONE = 0x00;
const CHECK_CRC32 = 0x01;
const CHECK_CRC64 = 0x04;
const CHECK_SHA256 = 0x0a;
const checkBytes = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const streamMagic = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];

const filterNames = new Map<number, string>([
  [0x03, "delta"],
  [0x05, "PowerPC branch"],
  [0x06, "IA-64 branch"],
  [0x07, "ARM branch"],
  [0x08, "ARM-Thumb branch"],
  [0x09, "SPARC branch"],
  [0x0a, "AArch64 branch"],
  [0x0b, "RISC-V branch"],
]);

interface BlockRecord {
  /** Header, data and check, without the padding to four bytes that lies between data and check. */
  readonly unpaddedSize: number;
  readonly uncompressedSize: number;
}

interface BlockHeader {
  readonly headerSize: number;
  readonly dictionaryProperty: number;
  /** Start offset of the x86 filter, or null without one. */
  readonly x86Start: number | null;
}

/**
 * Unpacks one .xz stream (any number of blocks; filters LZMA2, or x86 branch then LZMA2) and verifies its checks.
 * @throws ImageError `truncated`, `corrupt`, or `unsupported` for other filters
 */
export async function unpackXz(stream: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  if (
    stream.length < STREAM_HEADER_BYTES + STREAM_FOOTER_BYTES ||
    streamMagic.some((byte, at) => stream[at] !== byte)
  ) {
    throw new ImageError("truncated", "the xz payload is cut short or does not start with an xz header");
  }
  const view = viewOf(stream);
  if (crc32(stream.subarray(6, 8)) !== view.getUint32(8, true)) {
    throw new ImageError("corrupt", "the header of the xz payload fails its checksum");
  }
  const checkType = stream[7] & 0x0f;
  const records = readIndex(stream, view);
  const total = records.reduce((sum, record) => sum + record.uncompressedSize, 0);
  if (total > maxBytes) {
    throw new ImageError("corrupt", `the xz payload claims ${total} unpacked bytes, more than any kernel has`);
  }
  const output = new Uint8Array(total);
  let inputAt = STREAM_HEADER_BYTES;
  let outputAt = 0;
  for (const record of records) {
    const target = output.subarray(outputAt, outputAt + record.uncompressedSize);
    const paddedSize = (record.unpaddedSize + 3) & ~3;
    await unpackBlock(stream.subarray(inputAt, inputAt + paddedSize), record, checkType, target);
    inputAt += paddedSize;
    outputAt += record.uncompressedSize;
  }
  return output;
}

/** A multibyte integer of the format: seven bits a byte, least significant first. */
function readVarint(bytes: Uint8Array, start: number): { value: number; next: number } {
  let value = 0;
  for (let at = start, scale = 1; at < bytes.length && at < start + 7; at++, scale *= 128) {
    value += (bytes[at] & 0x7f) * scale;
    if (bytes[at] < 0x80) {
      return { value, next: at + 1 };
    }
  }
  throw new ImageError("corrupt", "the xz payload holds a malformed number");
}

function writeVarint(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 128)) {
    bytes.push((value % 128) | 0x80);
  }
  bytes.push(value);
  return bytes;
}

function readIndex(stream: Uint8Array, view: DataView): BlockRecord[] {
  const footer = stream.length - STREAM_FOOTER_BYTES;
  if (stream[footer + 10] !== 0x59 || stream[footer + 11] !== 0x5a) {
    throw new ImageError("truncated", "the xz payload is cut short: its footer is missing");
  }
  if (crc32(stream.subarray(footer + 4, footer + 10)) !== view.getUint32(footer, true)) {
    throw new ImageError("corrupt", "the footer of the xz payload fails its checksum");
  }
  const indexSize = (view.getUint32(footer + 4, true) + 1) * 4;
  const indexStart = footer - indexSize;
  if (indexSize < 8 || indexStart < STREAM_HEADER_BYTES) {
    throw new ImageError("corrupt", "the index of the xz payload is larger than the payload");
  }
  const index = stream.subarray(indexStart, footer - 4);
  if (index[0] !== 0 || crc32(index) !== view.getUint32(footer - 4, true)) {
    throw new ImageError("corrupt", "the index of the xz payload fails its checksum");
  }
  const records: BlockRecord[] = [];
  let { value: count, next } = readVarint(index, 1);
  let compressed = STREAM_HEADER_BYTES;
  for (; count > 0; count--) {
    const unpadded = readVarint(index, next);
    const uncompressed = readVarint(index, unpadded.next);
    next = uncompressed.next;
    records.push({ unpaddedSize: unpadded.value, uncompressedSize: uncompressed.value });
    compressed += Math.ceil(unpadded.value / 4) * 4;
  }
  if (compressed !== indexStart) {
    throw new ImageError("corrupt", "the xz payload's index does not match its blocks");
  }
  return records;
}

function readBlockHeader(block: Uint8Array): BlockHeader {
  const headerSize = (block[0] + 1) * 4;
  if (block[0] === 0 || headerSize > block.length) {
    throw new ImageError("corrupt", "a block of the xz payload has a malformed header");
  }
  const header = block.subarray(0, headerSize - 4);
  if (crc32(header) !== viewOf(block).getUint32(headerSize - 4, true)) {
    throw new ImageError("corrupt", "a block header of the xz payload fails its checksum");
  }
  let at = 2;
  if (header[1] & 0x40) {
    at = readVarint(header, at).next;
  }
  if (header[1] & 0x80) {
    at = readVarint(header, at).next;
  }
  let x86Start: number | null = null;
  let dictionaryProperty = -1;
  const filters = (header[1] & 3) + 1;
  for (let filter = 0; filter < filters; filter++) {
    const id = readVarint(header, at);
    const size = readVarint(header, id.next);
    at = size.next;
    const last = filter === filters - 1;
    if (id.value === FILTER_LZMA2 && last) {
      dictionaryProperty = header[at];
    } else if (id.value === FILTER_X86 && filter === 0 && !last) {
      x86Start = size.value === 4 ? viewOf(header).getUint32(at, true) : 0;
    } else {
      const name = filterNames.get(id.value) ?? `0x${id.value.toString(16)}`;
      throw new ImageError("unsupported", `the xz payload uses the ${name} filter, which is not supported here`);
    }
    at += size.value;
  }
  return { headerSize, dictionaryProperty, x86Start };
}

async function unpackBlock(
  block: Uint8Array,
  record: BlockRecord,
  checkType: number,
  target: Uint8Array,
): Promise<void> {
  const { headerSize, dictionaryProperty, x86Start } = readBlockHeader(block);
  const dataEnd = record.unpaddedSize - checkBytes[checkType];
  if (dataEnd <= headerSize) {
    throw new ImageError("corrupt", "a block of the xz payload holds no data");
  }
  const data = block.subarray(headerSize, dataEnd);
  const plain = plainStream(data, dictionaryProperty, record.uncompressedSize);
  let filled = 0;
  try {
    const reader = new XzReadableStream(streamOf(plain)).getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      target.set(next.value, filled);
      filled += next.value.length;
    }
  } catch (cause) {
    throw new ImageError("corrupt", "the xz payload is damaged and cannot be unpacked", { cause });
  }
  if (filled !== target.length) {
    throw new ImageError("corrupt", `the xz payload unpacks to ${filled} bytes instead of ${target.length}`);
  }
  if (x86Start !== null) {
    undoX86BranchFilter(target, x86Start);
  }
  verifyCheck(block.subarray(block.length - checkBytes[checkType]), checkType, target);
}

/** A complete stream of one block: LZMA2 alone, no check. */
function plainStream(data: Uint8Array, dictionaryProperty: number, uncompressedSize: number): Uint8Array[] {
  const streamFlags = Uint8Array.of(0, CHECK_NONE);
  const header = Uint8Array.of(2, 0, FILTER_LZMA2, 1, dictionaryProperty, 0, 0, 0);
  const unpaddedSize = header.length + 4 + data.length;
  const indexBody = [0, 1, ...writeVarint(unpaddedSize), ...writeVarint(uncompressedSize)];
  while (indexBody.length % 4 !== 0) {
    indexBody.push(0);
  }
  const index = Uint8Array.from(indexBody);
  const footer = new Uint8Array(6);
  viewOf(footer).setUint32(0, (index.length + 4) / 4 - 1, true);
  footer.set(streamFlags, 4);
  return [
    Uint8Array.from(streamMagic),
    streamFlags,
    checksumOf(streamFlags),
    header,
    checksumOf(header),
    data,
    new Uint8Array(-unpaddedSize & 3),
    index,
    checksumOf(index),
    checksumOf(footer),
    footer,
    Uint8Array.of(0x59, 0x5a),
  ].filter((part) => part.length > 0);
}

function checksumOf(bytes: Uint8Array): Uint8Array {
  const checksum = new Uint8Array(4);
  viewOf(checksum).setUint32(0, crc32(bytes), true);
  return checksum;
}

function streamOf(parts: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) {
        controller.enqueue(part);
      }
      controller.close();
    },
  });
}

function verifyCheck(check: Uint8Array, checkType: number, content: Uint8Array): void {
  const view = viewOf(check);
  let sound = true;
  if (checkType === CHECK_CRC32) {
    sound = crc32(content) === view.getUint32(0, true);
  } else if (checkType === CHECK_CRC64) {
    const { low, high } = crc64(content);
    sound = low === view.getUint32(0, true) && high === view.getUint32(4, true);
  } else if (checkType === CHECK_SHA256) {
    sound = createHash("sha256").update(content).digest().equals(check);
  } else if (checkType !== CHECK_NONE) {
    throw new ImageError("unsupported", `the xz payload uses check type ${checkType}, which the format reserves`);
  }
  if (!sound) {
    throw new ImageError("corrupt", "the xz payload fails its integrity check");
  }
}
