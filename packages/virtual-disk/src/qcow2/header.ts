// Reads and checks a qcow2 header. Nothing after it trusts the image further than what was checked here.
import { DiskError } from "../block-device.ts";
import type { ImageFile } from "../image-file.ts";
import * as layout from "./layout.ts";

const { HEADER, EXTENSION, INCOMPATIBLE } = layout;

export interface Qcow2Header {
  version: 2 | 3;
  clusterBits: number;
  clusterBytes: number;
  /** Of the virtual disk: whole sectors of 512 bytes. */
  sizeBytes: number;
  l1Entries: number;
  l1Offset: number;
  refcountTableOffset: number;
  refcountTableClusters: number;
  /** A refcount has 2^refcountOrder bits. */
  refcountOrder: number;
  snapshots: number;
  dirty: boolean;
  corrupt: boolean;
  hasAutoclearBits: boolean;
  /** It may hold dirty bitmaps, in clusters that no table refers to which is read here. */
  hasBitmaps: boolean;
  backingFile: string | undefined;
  backingFormat: string | undefined;
}

export async function readQcow2Header(file: ImageFile): Promise<Qcow2Header> {
  const { path } = file;
  const refuse = (what: string): DiskError => new DiskError("EINVAL", path, `${path} ${what}.`);
  const malformed = (what: string): DiskError => refuse(`is not a usable qcow2 image: ${what}`);

  const fileBytes = await file.size();
  const start = Buffer.alloc(112);
  const startBytes = await file.read(0, [start]);
  if (startBytes < layout.HEADER_BYTES_V2 || start.readUInt32BE(HEADER.magic) !== layout.QCOW2_MAGIC) {
    throw refuse("does not begin with a qcow2 header");
  }
  const version = start.readUInt32BE(HEADER.version);
  if (version !== 2 && version !== 3) throw refuse(`is a qcow2 image of version ${version}; versions 2 and 3 are read`);
  if (version === 3 && startBytes < layout.HEADER_BYTES_V3) throw malformed("its header is cut off");

  const clusterBits = start.readUInt32BE(HEADER.clusterBits);
  if (clusterBits < layout.MIN_CLUSTER_BITS || clusterBits > layout.MAX_CLUSTER_BITS) {
    throw malformed(`clusters of 2^${clusterBits} bytes do not exist`);
  }
  const clusterBytes = 2 ** clusterBits;
  const headerBytes = version === 3 ? start.readUInt32BE(HEADER.headerLength) : layout.HEADER_BYTES_V2;
  if (version === 3 && (headerBytes < layout.HEADER_BYTES_V3 || headerBytes > clusterBytes)) {
    throw malformed(`a header of ${headerBytes} bytes does not fit`);
  }
  const first = Buffer.alloc(Math.min(clusterBytes, fileBytes));
  await file.readFully(0, [first], first.byteLength);
  if (first.byteLength < headerBytes) throw malformed("its header is cut off");

  const extensions = readExtensions(first, headerBytes, malformed);
  const incompatible = version === 3 ? bitsOf(first, HEADER.incompatibleFeatures) : [];
  if (extensions.has(EXTENSION.encryption) || first.readUInt32BE(HEADER.cryptMethod) !== 0) {
    throw refuse("is an encrypted qcow2 image, and encryption is not supported");
  }
  for (const bit of incompatible) {
    if (bit === INCOMPATIBLE.dirty || bit === INCOMPATIBLE.corrupt) continue;
    if (bit === INCOMPATIBLE.compressionType) {
      const type = headerBytes > HEADER.compressionType ? first[HEADER.compressionType] : 0;
      if (type === 0) continue;
      throw refuse(`is compressed by ${type === 1 ? "zstd" : `method ${type}`}, and only deflate is supported`);
    }
    const name = layout.INCOMPATIBLE_NAMES[bit] ?? featureName(extensions.get(EXTENSION.featureNames), bit);
    throw refuse(`uses the qcow2 feature "${name}", which is not supported`);
  }

  const refcountOrder = version === 3 ? first.readUInt32BE(HEADER.refcountOrder) : 4;
  if (refcountOrder > 6) throw malformed(`refcounts of 2^${refcountOrder} bits do not exist`);
  const size = layout.readU64(first, HEADER.size);
  const sizeBytes = size - (size % 512);
  if (!Number.isSafeInteger(size) || sizeBytes === 0) throw malformed(`a disk of ${size} bytes cannot be`);

  const insideFile = (offset: number, bytes: number): boolean =>
    offset > 0 && offset % clusterBytes === 0 && offset + bytes <= fileBytes;
  const l1Entries = first.readUInt32BE(HEADER.l1Size);
  const l1Offset = layout.readU64(first, HEADER.l1TableOffset);
  const l1Needed = Math.ceil(sizeBytes / (clusterBytes * (clusterBytes / layout.ENTRY_BYTES)));
  if (l1Entries * layout.ENTRY_BYTES > layout.MAX_L1_BYTES || l1Entries < l1Needed) {
    throw malformed(`an L1 table of ${l1Entries} entries does not fit a disk of ${sizeBytes} bytes`);
  }
  if (!insideFile(l1Offset, l1Entries * layout.ENTRY_BYTES)) throw malformed("its L1 table lies outside the file");

  const refcountTableOffset = layout.readU64(first, HEADER.refcountTableOffset);
  const refcountTableClusters = first.readUInt32BE(HEADER.refcountTableClusters);
  const refcountTableBytes = refcountTableClusters * clusterBytes;
  if (refcountTableBytes > layout.MAX_REFCOUNT_TABLE_BYTES || refcountTableClusters === 0) {
    throw malformed(`a refcount table of ${refcountTableClusters} clusters cannot be`);
  }
  // Its last cluster may be cut off by the end of the file: the rest reads as zeros.
  if (!insideFile(refcountTableOffset, 1)) throw malformed("its refcount table lies outside the file");

  return {
    version,
    clusterBits,
    clusterBytes,
    sizeBytes,
    l1Entries,
    l1Offset,
    refcountTableOffset,
    refcountTableClusters,
    refcountOrder,
    snapshots: first.readUInt32BE(HEADER.nbSnapshots),
    dirty: incompatible.includes(INCOMPATIBLE.dirty),
    corrupt: incompatible.includes(INCOMPATIBLE.corrupt),
    hasAutoclearBits: version === 3 && bitsOf(first, HEADER.autoclearFeatures).length > 0,
    hasBitmaps: extensions.has(EXTENSION.bitmaps),
    backingFile: readBackingFile(first, malformed),
    backingFormat: extensions.get(EXTENSION.backingFormat)?.toString("utf8"),
  };
}

function readExtensions(
  first: Buffer,
  headerBytes: number,
  malformed: (what: string) => DiskError,
): Map<number, Buffer> {
  const extensions = new Map<number, Buffer>();
  // The backing file's name ends the extensions, as does the cluster.
  const nameOffset = layout.readU64(first, HEADER.backingFileOffset);
  const end = nameOffset > 0 && nameOffset < first.byteLength ? nameOffset : first.byteLength;
  for (let at = headerBytes; at + 8 <= end; ) {
    const type = first.readUInt32BE(at);
    const bytes = first.readUInt32BE(at + 4);
    if (type === EXTENSION.end) break;
    if (bytes > end - at - 8) throw malformed(`a header extension of ${bytes} bytes does not fit`);
    extensions.set(type, first.subarray(at + 8, at + 8 + bytes));
    at += 8 + Math.ceil(bytes / 8) * 8;
  }
  return extensions;
}

function readBackingFile(first: Buffer, malformed: (what: string) => DiskError): string | undefined {
  const offset = layout.readU64(first, HEADER.backingFileOffset);
  const bytes = first.readUInt32BE(HEADER.backingFileSize);
  if (offset === 0 || bytes === 0) return undefined;
  if (bytes > layout.MAX_BACKING_NAME_BYTES || offset + bytes > first.byteLength) {
    throw malformed("the name of its backing file lies outside the first cluster");
  }
  return first.toString("utf8", offset, offset + bytes);
}

/** Numbers of the bits that are set in a 64-bit field. */
function bitsOf(bytes: Buffer, at: number): number[] {
  const bits: number[] = [];
  for (let bit = 0; bit < 64; bit++) if (bytes[at + 7 - (bit >> 3)] & (1 << (bit & 7))) bits.push(bit);
  return bits;
}

/** Entries of the feature name table: type (0: incompatible), bit, 46 bytes of name. */
function featureName(table: Buffer | undefined, bit: number): string {
  for (let at = 0; table && at + 48 <= table.byteLength; at += 48) {
    if (table[at] === 0 && table[at + 1] === bit) {
      const name = table.toString("latin1", at + 2, at + 48).replace(/\0.*$/s, "");
      return `${name} (bit ${bit})`;
    }
  }
  return `bit ${bit}`;
}
