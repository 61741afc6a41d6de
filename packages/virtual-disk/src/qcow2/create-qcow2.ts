// Makes an empty qcow2 image of version 3.
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { DiskError } from "../block-device.ts";
import { hostError } from "../host-errors.ts";
import * as layout from "./layout.ts";

const { ENTRY_BYTES, EXTENSION, HEADER } = layout;
const HEADER_BYTES = 112;

export interface CreateQcow2Options {
  /** Path of the backing file as the image stores it: relative to the image's directory, or absolute. */
  backing?: string;
  /** Format of the backing file. Default "raw"; it is always stored, so that nobody has to guess it. */
  backingFormat?: "raw" | "qcow2";
  /** A cluster has 2^clusterBits bytes: 9 to 21, default 16. */
  clusterBits?: number;
}

/** Rejects with EEXIST if there is such a file, and with EINVAL if the disk cannot be. */
export async function createQcow2(path: string, sizeBytes: number, options: CreateQcow2Options = {}): Promise<void> {
  const image = layOut(path, sizeBytes, options);
  try {
    const file = await open(path, "wx");
    try {
      await file.truncate(image.fileBytes);
      for (const { offset, bytes } of image.parts) await file.write(bytes, 0, bytes.byteLength, offset);
      await file.sync();
    } finally {
      await file.close();
    }
    // The name, too, must survive a crash.
    const directory = await open(dirname(path), "r");
    await directory.sync().finally(() => directory.close());
  } catch (error) {
    throw hostError(error, path, "create");
  }
}

interface NewImage {
  fileBytes: number;
  parts: { offset: number; bytes: Buffer }[];
}

/** Header, refcount table, refcount blocks, L1: each at a cluster, one after the other; L1 is all zeros. */
function layOut(path: string, sizeBytes: number, options: CreateQcow2Options): NewImage {
  const refuse = (what: string): DiskError => new DiskError("EINVAL", path, `Could not create ${path}: ${what}.`);
  const clusterBits = options.clusterBits ?? 16;
  if (
    !Number.isInteger(clusterBits) ||
    clusterBits < layout.MIN_CLUSTER_BITS ||
    clusterBits > layout.MAX_CLUSTER_BITS
  ) {
    throw refuse(`clusterBits is ${clusterBits}, and must be from 9 to 21`);
  }
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes % 512 !== 0) {
    throw refuse(`a disk of ${sizeBytes} bytes is not a positive number of 512-byte sectors`);
  }
  const clusterBytes = 2 ** clusterBits;
  const l1Entries = Math.ceil(sizeBytes / (clusterBytes * (clusterBytes / ENTRY_BYTES)));
  if (l1Entries * ENTRY_BYTES > layout.MAX_L1_BYTES) throw refuse(`a disk of ${sizeBytes} bytes needs larger clusters`);
  const backing = Buffer.from(options.backing ?? "");
  const format = Buffer.from(options.backing === undefined ? "" : (options.backingFormat ?? "raw"));
  const extensionBytes = format.byteLength > 0 ? 8 + Math.ceil(format.byteLength / 8) * 8 : 0;
  const backingOffset = HEADER_BYTES + extensionBytes + 8;
  if (backing.byteLength > layout.MAX_BACKING_NAME_BYTES || backingOffset + backing.byteLength > clusterBytes) {
    throw refuse("the name of its backing file is too long");
  }

  const l1Clusters = Math.ceil((l1Entries * ENTRY_BYTES) / clusterBytes);
  const perBlock = clusterBytes / 2;
  let blocks = 1;
  let tableClusters = 1;
  const clusters = (): number => 1 + tableClusters + blocks + l1Clusters;
  while (blocks * perBlock < clusters() || tableClusters * (clusterBytes / ENTRY_BYTES) < blocks) {
    blocks = Math.ceil(clusters() / perBlock);
    tableClusters = Math.ceil((blocks * ENTRY_BYTES) / clusterBytes);
  }
  const firstBlock = 1 + tableClusters;

  const header = Buffer.alloc(backingOffset + backing.byteLength);
  header.writeUInt32BE(layout.QCOW2_MAGIC, HEADER.magic);
  header.writeUInt32BE(3, HEADER.version);
  header.writeUInt32BE(clusterBits, HEADER.clusterBits);
  layout.writeU64(header, sizeBytes, HEADER.size);
  header.writeUInt32BE(l1Entries, HEADER.l1Size);
  layout.writeU64(header, (firstBlock + blocks) * clusterBytes, HEADER.l1TableOffset);
  layout.writeU64(header, clusterBytes, HEADER.refcountTableOffset);
  header.writeUInt32BE(tableClusters, HEADER.refcountTableClusters);
  header.writeUInt32BE(4, HEADER.refcountOrder);
  header.writeUInt32BE(HEADER_BYTES, HEADER.headerLength);
  if (backing.byteLength > 0) {
    layout.writeU64(header, backingOffset, HEADER.backingFileOffset);
    header.writeUInt32BE(backing.byteLength, HEADER.backingFileSize);
    header.writeUInt32BE(EXTENSION.backingFormat, HEADER_BYTES);
    header.writeUInt32BE(format.byteLength, HEADER_BYTES + 4);
    format.copy(header, HEADER_BYTES + 8);
    backing.copy(header, backingOffset);
  }
  const table = Buffer.alloc(blocks * ENTRY_BYTES);
  for (let i = 0; i < blocks; i++) layout.writeU64(table, (firstBlock + i) * clusterBytes, i * ENTRY_BYTES);
  const refcounts = Buffer.alloc(blocks * clusterBytes);
  for (let i = 0; i < clusters(); i++) refcounts.writeUInt16BE(1, i * 2);
  return {
    fileBytes: clusters() * clusterBytes,
    parts: [
      { offset: 0, bytes: header },
      { offset: clusterBytes, bytes: table },
      { offset: firstBlock * clusterBytes, bytes: refcounts },
    ],
  };
}
