// Clusters that are counted but that nothing refers to: what a program that was killed between counting and referring leaves
// behind. They do no harm but take room, and "qemu-img check" speaks of them; so whoever opens an image for writing frees them.
import type { ImageFile } from "../image-file.ts";
import type { Qcow2Header } from "./header.ts";
import * as layout from "./layout.ts";
import { readRefcount, writeRefcount } from "./refcount-block.ts";

const { ENTRY_BYTES } = layout;

/** Images with more than this are left as they are: 4 TiB, and tables for 8 TiB, at clusters of 64 KiB. */
const MAX_CLUSTERS = 2 ** 26;
const MAX_TABLE_BYTES = 2 ** 30;

/** An image of which more is wrong than leaks, or that is too large to be looked through at every opening. */
class LeftAlone extends Error {}

/**
 * Frees clusters that nothing refers to, and answers how many. Reads all of the
 * image's tables: 1 MiB for each 8 GiB of the disk that are in use, at clusters of 64 KiB. Images with snapshots, with dirty
 * bitmaps or with other damage, and very large ones, are left as they are.
 */
export async function freeLeakedClusters(file: ImageFile, header: Qcow2Header): Promise<number> {
  if (header.snapshots > 0 || header.hasBitmaps) return 0;
  try {
    const table = await readTable(file, header.refcountTableOffset, header.refcountTableClusters * header.clusterBytes);
    const references = await countReferences(file, header, table);
    return await lowerRefcounts(file, header, table, references);
  } catch (error) {
    if (error instanceof LeftAlone) return 0;
    throw error;
  }
}

/** A table, with zeros where the file ends before it. */
async function readTable(file: ImageFile, offset: number, bytes: number): Promise<Buffer> {
  const table = Buffer.alloc(bytes);
  await file.read(offset, [table]);
  return table;
}

/** Offsets of a refcount table's blocks; bits 0-8 are reserved. */
function* blocksOf(table: Buffer): Generator<{ index: number; offset: number }> {
  for (let index = 0; index < table.byteLength / ENTRY_BYTES; index++) {
    const entry = layout.readU64(table, index * ENTRY_BYTES);
    const offset = entry - (entry % 512);
    if (offset > 0) yield { index, offset };
  }
}

async function countReferences(file: ImageFile, header: Qcow2Header, refcountTable: Buffer): Promise<Uint32Array> {
  const { clusterBytes } = header;
  const clusters = Math.ceil((await file.size()) / clusterBytes);
  if (clusters > MAX_CLUSTERS) throw new LeftAlone();
  const references = new Uint32Array(clusters);
  let tableBytes = 0;
  const refer = (offset: number, bytes: number): void => {
    const last = Math.floor((offset + bytes - 1) / clusterBytes);
    for (let cluster = Math.floor(offset / clusterBytes); cluster <= last; cluster++) {
      if (cluster >= clusters) throw new LeftAlone();
      references[cluster]++;
    }
  };
  refer(0, 1);
  refer(header.l1Offset, header.l1Entries * ENTRY_BYTES);
  refer(header.refcountTableOffset, header.refcountTableClusters * clusterBytes);
  for (const { offset } of blocksOf(refcountTable)) {
    refer(offset, clusterBytes);
    if (references[Math.floor(offset / clusterBytes)] > 1) throw new LeftAlone();
  }
  const l1 = await readTable(file, header.l1Offset, header.l1Entries * ENTRY_BYTES);
  for (let i = 0; i < l1.byteLength; i += ENTRY_BYTES) {
    const offset = layout.entryOffset(l1.readUInt32BE(i), l1.readUInt32BE(i + 4));
    if (offset === 0) continue;
    refer(offset, clusterBytes);
    tableBytes += clusterBytes;
    if (tableBytes > MAX_TABLE_BYTES || references[Math.floor(offset / clusterBytes)] > 1) throw new LeftAlone();
    const l2 = await readTable(file, offset, clusterBytes);
    for (let at = 0; at < clusterBytes; at += ENTRY_BYTES) referByEntry(l2, at, header, refer);
  }
  return references;
}

function referByEntry(
  l2: Buffer,
  at: number,
  { clusterBits, clusterBytes }: Qcow2Header,
  refer: (offset: number, bytes: number) => void,
): void {
  const high = l2.readUInt32BE(at);
  const low = l2.readUInt32BE(at + 4);
  if (layout.entryKind(high, low) === "compressed") {
    const { offset, lengthBytes } = layout.compressedRange(high, low, clusterBits);
    refer(offset, lengthBytes);
    return;
  }
  // A cluster that reads as zeros may keep its place in the file.
  const offset = layout.entryOffset(high, low);
  if (offset > 0) refer(offset, clusterBytes);
}

async function lowerRefcounts(
  file: ImageFile,
  header: Qcow2Header,
  table: Buffer,
  references: Uint32Array,
): Promise<number> {
  const { clusterBytes, refcountOrder } = header;
  const perBlock = (clusterBytes * 8) / 2 ** refcountOrder;
  const changed: { offset: number; bytes: Buffer }[] = [];
  let leaked = 0;
  let counted = 0;
  for (const { index, offset } of blocksOf(table)) {
    const bytes = await readTable(file, offset, clusterBytes);
    let isChanged = false;
    for (let entry = 0; entry < perBlock; entry++) {
      const refcount = readRefcount(bytes, entry, refcountOrder);
      const cluster = index * perBlock + entry;
      const wanted = cluster < references.length ? references[cluster] : 0;
      if (refcount < wanted) throw new LeftAlone();
      if (wanted > 0) counted++;
      // Counted too often but in use: that says more, of snapshots that are gone, than is known here.
      if (wanted > 0 || refcount === 0) continue;
      writeRefcount(bytes, entry, 0, refcountOrder);
      isChanged = true;
      leaked++;
    }
    if (isChanged) changed.push({ offset, bytes });
  }
  // References to clusters that no block counts.
  if (counted < references.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0)) throw new LeftAlone();
  for (const { offset, bytes } of changed) await file.write(offset, [bytes]);
  if (changed.length > 0) await file.datasync();
  return leaked;
}
