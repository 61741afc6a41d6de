// Layout of qcow2 images. Source: docs/interop/qcow2.txt of QEMU. All fields are big-endian.

/** "QFI\xfb" */
export const QCOW2_MAGIC = 0x514649fb;

export const HEADER_BYTES_V2 = 72;
export const HEADER_BYTES_V3 = 104;

/** Byte offsets in the header. */
export const HEADER = {
  magic: 0,
  version: 4,
  backingFileOffset: 8,
  backingFileSize: 16,
  clusterBits: 20,
  size: 24,
  cryptMethod: 32,
  l1Size: 36,
  l1TableOffset: 40,
  refcountTableOffset: 48,
  refcountTableClusters: 56,
  nbSnapshots: 60,
  snapshotsOffset: 64,
  incompatibleFeatures: 72,
  compatibleFeatures: 80,
  autoclearFeatures: 88,
  refcountOrder: 96,
  headerLength: 100,
  compressionType: 104,
} as const;

/** Bits of incompatible_features. */
export const INCOMPATIBLE = { dirty: 0, corrupt: 1, externalDataFile: 2, compressionType: 3, extendedL2: 4 } as const;

export const INCOMPATIBLE_NAMES: readonly string[] = [
  "dirty bit",
  "corrupt bit",
  "external data file",
  "compression type",
  "extended L2 entries",
];

/** Types of header extensions. */
export const EXTENSION = {
  end: 0,
  backingFormat: 0xe2792aca,
  featureNames: 0x6803f857,
  bitmaps: 0x23852875,
  encryption: 0x0537be77,
  externalDataFile: 0x44415441,
} as const;

/** Limits of QEMU's driver (block/qcow2.h), kept so that a header cannot ask for any amount of memory. */
export const MIN_CLUSTER_BITS = 9;
export const MAX_CLUSTER_BITS = 21;
export const MAX_L1_BYTES = 0x2000000;
export const MAX_REFCOUNT_TABLE_BYTES = 0x800000;
export const MAX_BACKING_NAME_BYTES = 1023;

/** Upper halves of the flags of an L1 or L2 entry. */
export const COPIED_HIGH = 0x80000000;
export const COMPRESSED_HIGH = 0x40000000;
/** Bit 0 of an L2 entry (version 3): the cluster reads as zeros. */
export const ZERO_LOW = 1;

export const ENTRY_BYTES = 8;

/** Bits 9-55 of an entry: a host offset, as a number that is exact below 2^53. */
export function entryOffset(high: number, low: number): number {
  return (high & 0x00ffffff) * 0x100000000 + ((low & 0xfffffe00) >>> 0);
}

export const offsetHigh = (offset: number): number => Math.floor(offset / 0x100000000);
export const offsetLow = (offset: number): number => offset >>> 0;

/** A 64-bit field as a number; larger than 2^53 it loses low bits but stays larger than any file. */
export function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 0x100000000 + bytes.readUInt32BE(at + 4);
}

export function writeU64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(offsetHigh(value), at);
  bytes.writeUInt32BE(offsetLow(value), at + 4);
}

/** Where a compressed cluster's bytes lie: any byte offset, in `lengthBytes` at most (whole sectors of the host). */
export interface CompressedRange {
  offset: number;
  lengthBytes: number;
}

export function compressedRange(high: number, low: number, clusterBits: number): CompressedRange {
  const offsetBits = 62 - (clusterBits - 8);
  const offsetHighBits = offsetBits - 32;
  const offsetHighPart = high & ((1 << offsetHighBits) - 1);
  const extraSectors = (high & 0x3fffffff) >>> offsetHighBits;
  const offset = offsetHighPart * 0x100000000 + low;
  return { offset, lengthBytes: (extraSectors + 1) * 512 - (offset % 512) };
}

/** Decoded kinds of an L2 entry. */
export type EntryKind = "unallocated" | "zero" | "data" | "compressed";

export function entryKind(high: number, low: number): EntryKind {
  if (high & COMPRESSED_HIGH) return "compressed";
  if (low & ZERO_LOW) return "zero";
  return entryOffset(high, low) === 0 ? "unallocated" : "data";
}
