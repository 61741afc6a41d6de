// A disk in a qcow2 image. Data goes straight to and from the file, in parallel; only allocation waits its turn.

import { type BlockDevice, DiskError } from "../block-device.ts";
import { BufferCursor, fillZero, scatter, zeroBuffers } from "../buffer-list.ts";
import type { ImageFile } from "../image-file.ts";
import { PendingBlocks } from "../pending-blocks.ts";
import type { RequestEpochs } from "../request-epochs.ts";
import { checkDiscard, checkTransfer, checkWritable, closedError, Jobs, settleAll } from "../requests.ts";
import { CompressedClusters } from "./compressed-clusters.ts";
import type { Qcow2Header } from "./header.ts";
import * as layout from "./layout.ts";
import type { Qcow2Metadata } from "./metadata.ts";
import type { Table } from "./table-cache.ts";

const { ENTRY_BYTES, entryKind, entryOffset } = layout;

export interface Qcow2Parts {
  file: ImageFile;
  header: Qcow2Header;
  metadata: Qcow2Metadata;
  epochs: RequestEpochs;
  backing: BlockDevice | undefined;
  discard: boolean;
}

export class Qcow2Disk implements BlockDevice {
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly sectorBytes = 512;
  readonly discardGranularityBytes: number;
  onResize?: (sizeBytes: number) => void;
  readonly #file: ImageFile;
  readonly #header: Qcow2Header;
  readonly #clusterBytes: number;
  /** Guest bytes that one L2 table maps. */
  readonly #l2Span: number;
  readonly #metadata: Qcow2Metadata;
  readonly #epochs: RequestEpochs;
  readonly #backing: BlockDevice | undefined;
  readonly #compressed: CompressedClusters;
  readonly #pending = new PendingBlocks();
  #closed: Promise<void> | undefined;

  constructor({ file, header, metadata, epochs, backing, discard }: Qcow2Parts) {
    this.name = file.path;
    this.sizeBytes = header.sizeBytes;
    this.readOnly = file.readOnly;
    // Version 2 has no way to say that a cluster reads as zeros in front of a backing file.
    const canDiscard = discard && !file.readOnly && (header.version === 3 || !backing);
    this.discardGranularityBytes = canDiscard ? header.clusterBytes : 0;
    this.#file = file;
    this.#header = header;
    this.#clusterBytes = header.clusterBytes;
    this.#l2Span = header.clusterBytes * (header.clusterBytes / ENTRY_BYTES);
    this.#metadata = metadata;
    this.#epochs = epochs;
    this.#backing = backing;
    this.#compressed = new CompressedClusters(file, header.clusterBytes);
  }

  async read(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    const lengthBytes = checkTransfer(this, offset, buffers);
    await this.#asRequest(() => this.#readRange(offset, lengthBytes, buffers));
  }

  async write(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    const lengthBytes = checkTransfer(this, offset, buffers);
    checkWritable(this);
    await this.#asRequest(() => this.#writeRange(offset, lengthBytes, buffers));
    await this.#metadata.relieve();
  }

  async flush(): Promise<void> {
    if (this.#closed) throw closedError(this.name);
    if (!this.readOnly) await this.#metadata.flush();
  }

  /** The range reads as zeros; clusters wholly in it are free after the next flush. */
  async discard(offset: number, lengthBytes: number): Promise<void> {
    checkDiscard(this, offset, lengthBytes);
    await this.#asRequest(() => this.#discardRange(offset, offset + lengthBytes));
    await this.#metadata.relieve();
  }

  /** Waits for the requests under way and leaves a clean image. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#epochs.idle();
    try {
      if (!this.readOnly) await this.#metadata.close();
    } finally {
      await settleAll([this.#file.close(), this.#backing?.close() ?? Promise.resolve()]);
    }
  }

  async #asRequest(operation: () => Promise<void>): Promise<void> {
    if (this.#closed) throw closedError(this.name);
    const request = this.#epochs.begin();
    try {
      await operation();
    } finally {
      this.#epochs.end(request);
      this.#metadata.onRequestEnd();
    }
  }

  async #readRange(offset: number, lengthBytes: number, buffers: readonly Uint8Array[]): Promise<void> {
    const cursor = new BufferCursor(buffers);
    const jobs = new Jobs();
    const end = offset + lengthBytes;
    try {
      for (let at = offset; at < end; ) {
        const l1Index = Math.floor(at / this.#l2Span);
        const tableEnd = Math.min(end, (l1Index + 1) * this.#l2Span);
        const l2Offset = this.#metadata.l2Offset(l1Index);
        if (l2Offset === 0) {
          jobs.add(this.#readUnallocated(at, tableEnd - at, cursor.take(tableEnd - at)));
        } else {
          const table = this.#metadata.l2.get(l2Offset) ?? (await this.#metadata.l2.load(l2Offset));
          this.#readMapped(table.bytes, at, tableEnd, cursor, jobs);
        }
        at = tableEnd;
      }
    } finally {
      await jobs.settled();
    }
  }

  /** Starts the reads of a range that one L2 table maps, one for each run of clusters that lie together. */
  #readMapped(l2: Buffer, offset: number, end: number, cursor: BufferCursor, jobs: Jobs): void {
    for (let at = offset; at < end; ) {
      const entry = this.#entryAt(at);
      const high = l2.readUInt32BE(entry);
      const low = l2.readUInt32BE(entry + 4);
      const kind = entryKind(high, low);
      let runEnd = Math.min(end, this.#clusterEnd(at));
      if (kind === "compressed") {
        jobs.add(this.#readCompressed(high, low, at % this.#clusterBytes, cursor.take(runEnd - at)));
        at = runEnd;
        continue;
      }
      const host = entryOffset(high, low);
      for (let next = entry + ENTRY_BYTES, clusters = 1; runEnd < end; next += ENTRY_BYTES, clusters++) {
        const nextHigh = l2.readUInt32BE(next);
        const nextLow = l2.readUInt32BE(next + 4);
        if (entryKind(nextHigh, nextLow) !== kind) break;
        if (kind === "data" && entryOffset(nextHigh, nextLow) !== host + clusters * this.#clusterBytes) break;
        runEnd = Math.min(end, runEnd + this.#clusterBytes);
      }
      const views = cursor.take(runEnd - at);
      if (kind === "zero") fillZero(views);
      else if (kind === "unallocated") jobs.add(this.#readUnallocated(at, runEnd - at, views));
      else jobs.add(this.#readData(host, at % this.#clusterBytes, runEnd - at, views));
      at = runEnd;
    }
  }

  async #readData(host: number, skip: number, lengthBytes: number, views: Uint8Array[]): Promise<void> {
    this.#checkHost(host);
    const got = await this.#file.read(host + skip, views);
    if (got === lengthBytes) return;
    // The file may end within its last cluster; the rest is zeros. A cluster that begins beyond the end is a fault.
    const last = host + skip + lengthBytes - 1;
    if (last - (last % this.#clusterBytes) >= (await this.#file.size())) {
      throw new DiskError(
        "EIO",
        this.name,
        `${this.name} is corrupt or was truncated: data at byte ${host} lies beyond the end of the file.`,
      );
    }
    const cursor = new BufferCursor(views);
    cursor.take(got);
    fillZero(cursor.take(lengthBytes - got));
  }

  async #readCompressed(high: number, low: number, skip: number, views: Uint8Array[]): Promise<void> {
    const cluster = await this.#compressed.read(layout.compressedRange(high, low, this.#header.clusterBits));
    scatter(cluster.subarray(skip), views);
  }

  /** What no table maps comes from the backing file; beyond its end, and without one, there are zeros. */
  async #readUnallocated(offset: number, lengthBytes: number, views: Uint8Array[]): Promise<void> {
    const backed = this.#backing ? Math.min(lengthBytes, Math.max(0, this.#backing.sizeBytes - offset)) : 0;
    if (backed === 0 || !this.#backing) {
      fillZero(views);
      return;
    }
    const cursor = new BufferCursor(views);
    const fromBacking = cursor.take(backed);
    fillZero(cursor.take(lengthBytes - backed));
    await this.#backing.read(offset, fromBacking);
  }

  async #writeRange(offset: number, lengthBytes: number, buffers: readonly Uint8Array[]): Promise<void> {
    const cursor = new BufferCursor(buffers);
    const end = offset + lengthBytes;
    for (let at = offset; at < end; ) {
      const l1Index = Math.floor(at / this.#l2Span);
      const tableEnd = Math.min(end, (l1Index + 1) * this.#l2Span);
      const table = await this.#metadata.acquireL2(l1Index);
      try {
        await this.#writeMapped(table, at, tableEnd, cursor);
      } finally {
        table.pins--;
      }
      at = tableEnd;
    }
  }

  async #writeMapped(table: Table, offset: number, end: number, cursor: BufferCursor): Promise<void> {
    const jobs = new Jobs();
    try {
      for (let at = offset; at < end; ) {
        const cluster = Math.floor(at / this.#clusterBytes);
        const pending = this.#pending.get(cluster);
        if (pending) {
          await pending;
          continue;
        }
        const host = this.#writableHost(table, at);
        let runEnd = Math.min(end, this.#clusterEnd(at));
        let clusters = 1;
        for (; runEnd < end && !this.#pending.get(cluster + clusters); clusters++) {
          const next = this.#writableHost(table, runEnd);
          if (host === 0 ? next !== 0 : next !== host + clusters * this.#clusterBytes) break;
          runEnd = Math.min(end, runEnd + this.#clusterBytes);
        }
        const views = cursor.take(runEnd - at);
        if (host > 0) jobs.add(this.#file.write(host + (at % this.#clusterBytes), views));
        else {
          const release = this.#pending.claim(cluster, clusters);
          jobs.add(this.#writeNew(table, at, runEnd, views).finally(release));
        }
        at = runEnd;
      }
    } finally {
      await jobs.settled();
    }
  }

  /** The host cluster if it may be written in place, which it may if nothing else refers to it; otherwise 0. */
  #writableHost(table: Table, at: number): number {
    const entry = this.#entryAt(at);
    const high = table.bytes.readUInt32BE(entry);
    const low = table.bytes.readUInt32BE(entry + 4);
    if (entryKind(high, low) !== "data" || !(high & layout.COPIED_HIGH)) return 0;
    const host = entryOffset(high, low);
    this.#checkHost(host);
    if (!this.#metadata.mayHoldData(host)) {
      throw new DiskError(
        "EIO",
        this.name,
        `${this.name} is corrupt: data at byte ${host} lies beyond the end of the file or where its tables are.`,
      );
    }
    return host;
  }

  /** Writes to newly allocated clusters, fills up the first and last from what was there, and then maps them. */
  async #writeNew(table: Table, offset: number, end: number, views: readonly Uint8Array[]): Promise<void> {
    const cursor = new BufferCursor(views);
    for (let at = offset; at < end; ) {
      const firstCluster = Math.floor(at / this.#clusterBytes);
      const wanted = Math.ceil(end / this.#clusterBytes) - firstCluster;
      const { offset: host, count, fresh } = await this.#metadata.allocate(wanted);
      const runStart = firstCluster * this.#clusterBytes;
      const runEnd = runStart + count * this.#clusterBytes;
      const to = Math.min(end, runEnd);
      try {
        const head = at > runStart ? await this.#oldBytes(table, runStart, at, fresh) : undefined;
        const tail = to < runEnd ? await this.#oldBytes(table, to, runEnd, fresh) : undefined;
        const list = cursor.take(to - at);
        if (head) list.unshift(...head);
        if (tail) list.push(...tail);
        await this.#file.write(head ? host : host + at - runStart, list);
      } catch (error) {
        await this.#metadata.takeBack(host, count);
        throw error;
      }
      for (let i = 0; i < count; i++) {
        const hostCluster = host + i * this.#clusterBytes;
        const high = (layout.COPIED_HIGH | layout.offsetHigh(hostCluster)) >>> 0;
        this.#setEntry(table, runStart + i * this.#clusterBytes, high, layout.offsetLow(hostCluster));
      }
      at = to;
    }
  }

  /** The part of a cluster that a write leaves as it was; undefined if the new cluster has the same zeros already. */
  async #oldBytes(table: Table, from: number, to: number, fresh: boolean): Promise<Uint8Array[] | undefined> {
    if (this.#readsAsZero(table, from)) return fresh ? undefined : zeroBuffers(to - from);
    const bytes = Buffer.alloc(to - from);
    // The last cluster may pass the end of the disk; nothing is there.
    const length = Math.min(to, this.sizeBytes) - from;
    if (length > 0) await this.#readRange(from, length, [bytes.subarray(0, length)]);
    return [bytes];
  }

  #readsAsZero(table: Table, at: number): boolean {
    const entry = this.#entryAt(at);
    const kind = entryKind(table.bytes.readUInt32BE(entry), table.bytes.readUInt32BE(entry + 4));
    return kind === "zero" || (kind === "unallocated" && !this.#isBacked(at));
  }

  #isBacked(at: number): boolean {
    return this.#backing !== undefined && at < this.#backing.sizeBytes;
  }

  /** Replaces the entry of the cluster and frees what it referred to. */
  #setEntry(table: Table, at: number, high: number, low: number): void {
    const entry = this.#entryAt(at);
    const oldHigh = table.bytes.readUInt32BE(entry);
    const oldLow = table.bytes.readUInt32BE(entry + 4);
    table.bytes.writeUInt32BE(high, entry);
    table.bytes.writeUInt32BE(low, entry + 4);
    this.#metadata.l2.markDirty(table, entry, entry + ENTRY_BYTES);
    if (oldHigh & layout.COMPRESSED_HIGH) {
      const { offset, lengthBytes } = layout.compressedRange(oldHigh, oldLow, this.#header.clusterBits);
      this.#metadata.free(offset, lengthBytes);
    } else if (entryOffset(oldHigh, oldLow) > 0) {
      this.#metadata.free(entryOffset(oldHigh, oldLow), this.#clusterBytes);
    }
  }

  async #discardRange(offset: number, end: number): Promise<void> {
    for (let at = offset; at < end; ) {
      const l1Index = Math.floor(at / this.#l2Span);
      const tableEnd = Math.min(end, (l1Index + 1) * this.#l2Span);
      // Without a table and a backing file there are zeros already.
      if (this.#metadata.l2Offset(l1Index) > 0 || this.#isBacked(at)) {
        const table = await this.#metadata.acquireL2(l1Index);
        try {
          await this.#discardMapped(table, at, tableEnd);
        } finally {
          table.pins--;
        }
        await this.#metadata.relieve();
      }
      at = tableEnd;
    }
  }

  async #discardMapped(table: Table, offset: number, end: number): Promise<void> {
    for (let at = offset; at < end; ) {
      const cluster = Math.floor(at / this.#clusterBytes);
      const pending = this.#pending.get(cluster);
      if (pending) {
        await pending;
        continue;
      }
      const clusterEnd = this.#clusterEnd(at);
      // The disk may end within its last cluster, which is then whole all the same.
      const to = Math.min(end, clusterEnd);
      const whole = at % this.#clusterBytes === 0 && (to === clusterEnd || to === this.sizeBytes);
      if (!this.#readsAsZero(table, at)) {
        if (whole) this.#setEntry(table, at, 0, this.#isBacked(at) ? layout.ZERO_LOW : 0);
        else await this.#writeMapped(table, at, to, new BufferCursor(zeroBuffers(to - at)));
      }
      at = to;
    }
  }

  #checkHost(host: number): void {
    if (host % this.#clusterBytes !== 0 || !Number.isSafeInteger(host + this.sizeBytes)) {
      throw new DiskError("EIO", this.name, `${this.name} is corrupt: data at byte ${host} is not a cluster.`);
    }
  }

  #clusterEnd(at: number): number {
    return at - (at % this.#clusterBytes) + this.#clusterBytes;
  }

  /** Byte offset, in its L2 table, of the entry for a byte of the disk. */
  #entryAt(at: number): number {
    return Math.floor((at % this.#l2Span) / this.#clusterBytes) * ENTRY_BYTES;
  }
}
