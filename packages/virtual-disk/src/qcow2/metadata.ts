// What an open image keeps in memory: L1, the caches of L2 tables and refcounts, clusters waiting to be free, and the
// commit that brings it all to the file in an order that survives a crash at any moment.
//
// The order, with an fdatasync(2) between the steps:
//   1. new refcount blocks, and the refcount table where it moved (only when there are any);
//   2. pointers to those, raised refcounts, new L2 tables (the data was written before the commit);
//   3. changed entries of old L2 tables, and of L1;
//   4. only now refcounts are lowered in memory; the next commit writes them.
// So a table never refers to what is not there or not counted. A crash between the steps leaks clusters at worst.
import { GroupCommit } from "../group-commit.ts";
import type { ImageFile } from "../image-file.ts";
import { Mutex } from "../mutex.ts";
import type { RequestEpochs } from "../request-epochs.ts";
import type { Qcow2Header } from "./header.ts";
import * as layout from "./layout.ts";
import { type RefcountSnapshot, Refcounts } from "./refcounts.ts";
import { type Table, TableCache, type TableSnapshot } from "./table-cache.ts";

const { ENTRY_BYTES, HEADER } = layout;

/** The file grows ahead of the allocations by this much, sparsely. */
const GROWTH_BYTES = 4 << 20;

interface HostRange {
  offset: number;
  lengthBytes: number;
}

/** Freed clusters: no table refers to them any more, durably, but requests that began before may. */
interface Quarantine {
  mark: number;
  ranges: HostRange[];
}

interface Snapshot {
  l2: TableSnapshot[];
  l1: { index: number; high: number; low: number }[];
  refcounts: RefcountSnapshot;
  freed: HostRange[];
}

export interface MetadataOptions {
  l2CacheBytes: number;
  refcountCacheBytes: number;
  /** Freed clusters are given back to the host's file system. */
  punchHoles: boolean;
}

export class Qcow2Metadata {
  readonly l2: TableCache;
  readonly #file: ImageFile;
  readonly #clusterBytes: number;
  readonly #l1Offset: number;
  readonly #l1: Buffer;
  readonly #refcounts: Refcounts;
  readonly #epochs: RequestEpochs;
  readonly #punchHoles: boolean;
  readonly #dirtyL1 = new Set<number>();
  readonly #allocation = new Mutex();
  readonly #commits = new GroupCommit(() => this.#commit());
  #freed: HostRange[] = [];
  #quarantine: Quarantine[] = [];
  #fileBytes: number;

  private constructor(
    file: ImageFile,
    header: Qcow2Header,
    l1: Buffer,
    refcountTable: Float64Array,
    fileBytes: number,
    epochs: RequestEpochs,
    options: MetadataOptions,
  ) {
    this.#file = file;
    this.#clusterBytes = header.clusterBytes;
    this.#l1Offset = header.l1Offset;
    this.#l1 = l1;
    this.#fileBytes = fileBytes;
    this.#epochs = epochs;
    this.#punchHoles = options.punchHoles;
    this.l2 = new TableCache(file, header.clusterBytes, options.l2CacheBytes, "L2 table");
    this.#refcounts = new Refcounts(
      file,
      header,
      refcountTable,
      fileBytes,
      options.refcountCacheBytes,
      (offset, lengthBytes) => this.free(offset, lengthBytes),
    );
    for (let at = 0; at < l1.byteLength; at += header.clusterBytes) {
      this.#refcounts.metadataClusters.add((header.l1Offset + at) / header.clusterBytes);
    }
    for (let i = 0; i < l1.byteLength; i += ENTRY_BYTES) {
      const offset = layout.entryOffset(l1.readUInt32BE(i), l1.readUInt32BE(i + 4));
      if (offset > 0) this.#refcounts.metadataClusters.add(offset / header.clusterBytes);
    }
  }

  static async load(
    file: ImageFile,
    header: Qcow2Header,
    epochs: RequestEpochs,
    options: MetadataOptions,
  ): Promise<Qcow2Metadata> {
    const l1 = Buffer.alloc(header.l1Entries * ENTRY_BYTES);
    await file.readFully(header.l1Offset, [l1], l1.byteLength);
    const table = Buffer.alloc(header.refcountTableClusters * header.clusterBytes);
    await file.read(header.refcountTableOffset, [table]);
    const blocks = new Float64Array(table.byteLength / ENTRY_BYTES);
    // Bits 0-8 are reserved.
    for (let i = 0; i < blocks.length; i++) {
      const offset = layout.readU64(table, i * ENTRY_BYTES);
      blocks[i] = offset - (offset % 512);
    }
    return new Qcow2Metadata(file, header, l1, blocks, await file.size(), epochs, options);
  }

  /** Offset of the L2 table for an index of L1; 0: none. */
  l2Offset(index: number): number {
    return layout.entryOffset(
      this.#l1.readUInt32BE(index * ENTRY_BYTES),
      this.#l1.readUInt32BE(index * ENTRY_BYTES + 4),
    );
  }

  /** The L2 table, pinned, to be changed: made if there is none, copied if a snapshot shares it. */
  async acquireL2(index: number): Promise<Table> {
    if (this.#ownsL2(index)) return this.l2.acquire(this.l2Offset(index));
    return this.#allocation.run(async () => {
      // Another request may have made it while this one waited.
      if (this.#ownsL2(index)) return this.l2.acquire(this.l2Offset(index));
      const sharedOffset = this.l2Offset(index);
      const bytes = Buffer.alloc(this.#clusterBytes);
      if (sharedOffset > 0) bytes.set((await this.l2.load(sharedOffset)).bytes);
      const { first } = await this.#refcounts.allocate(1);
      await this.#growFile();
      const offset = first * this.#clusterBytes;
      this.#refcounts.metadataClusters.add(first);
      const table = this.l2.add(offset, bytes);
      table.pins++;
      this.#l1.writeUInt32BE((layout.COPIED_HIGH | layout.offsetHigh(offset)) >>> 0, index * ENTRY_BYTES);
      this.#l1.writeUInt32BE(layout.offsetLow(offset), index * ENTRY_BYTES + 4);
      this.#dirtyL1.add(index);
      if (sharedOffset > 0) {
        // The snapshot still refers to it.
        this.free(sharedOffset, this.#clusterBytes);
        this.l2.remove(sharedOffset);
      }
      return table;
    });
  }

  /** Up to `most` clusters in a row; `offset` is in the file, which is long enough for them. */
  allocate(most: number): Promise<{ offset: number; count: number; fresh: boolean }> {
    return this.#allocation.run(async () => {
      const { first, count, fresh } = await this.#refcounts.allocate(most);
      await this.#growFile();
      return { offset: first * this.#clusterBytes, count, fresh };
    });
  }

  /** Takes back an allocation that no table ever referred to. */
  async takeBack(offset: number, count: number): Promise<void> {
    await this.#allocation.run(() => this.#release([{ offset, lengthBytes: count * this.#clusterBytes }]));
  }

  /** No table in memory refers to the range any more. It is reused when that is durable and no request sees it. */
  free(offset: number, lengthBytes: number): void {
    this.#freed.push({ offset, lengthBytes });
  }

  /** False beyond the end of the file and where tables are. */
  mayHoldData(offset: number): boolean {
    const isTable = this.#refcounts.metadataClusters.has(offset / this.#clusterBytes);
    return offset < this.#refcounts.endBytes && !isTable;
  }

  flush(): Promise<void> {
    return this.#commits.flush();
  }

  /** Keeps the caches bounded: to be awaited by every request that changed tables. */
  async relieve(): Promise<void> {
    if (this.l2.isCrowded || this.#refcounts.blocks.isCrowded) await this.flush();
  }

  /** To be called when a request has ended: it may have been the last to see freed clusters. */
  onRequestEnd(): void {
    if (this.#quarantine.length === 0 || !this.#epochs.isPast(this.#quarantine[0].mark)) return;
    // A refcount that cannot be read stays raised; the clusters are leaked, and the next use of that block reports it.
    void this.#allocation.run(() => this.#releasePast()).catch(() => {});
  }

  /** When no request is under way: brings everything to the file, and the file to its length. */
  async close(): Promise<void> {
    await this.flush();
    await this.#allocation.run(() => this.#releasePast());
    if (this.#refcounts.isDirty) await this.flush();
    if (this.#fileBytes > this.#refcounts.endBytes) await this.#file.truncate(this.#refcounts.endBytes);
  }

  #ownsL2(index: number): boolean {
    return (this.#l1.readUInt32BE(index * ENTRY_BYTES) & layout.COPIED_HIGH) !== 0 && this.l2Offset(index) > 0;
  }

  async #growFile(): Promise<void> {
    if (this.#refcounts.endBytes <= this.#fileBytes) return;
    const bytes = this.#refcounts.endBytes + GROWTH_BYTES;
    await this.#file.truncate(bytes);
    this.#fileBytes = bytes;
  }

  async #releasePast(): Promise<void> {
    while (this.#quarantine.length > 0 && this.#epochs.isPast(this.#quarantine[0].mark)) {
      await this.#release(this.#quarantine.shift()?.ranges ?? []);
    }
  }

  async #release(ranges: readonly HostRange[]): Promise<void> {
    for (const { offset, lengthBytes } of ranges) {
      // A compressed cluster counts in every host cluster that it touches.
      const first = Math.floor(offset / this.#clusterBytes);
      const last = Math.floor((offset + lengthBytes - 1) / this.#clusterBytes);
      const freed = await this.#refcounts.release(first, last - first + 1);
      for (const cluster of freed) this.#refcounts.metadataClusters.delete(cluster);
      if (this.#punchHoles) {
        await Promise.all(freed.map((cluster) => this.#punch(cluster * this.#clusterBytes)));
      }
      for (const cluster of freed) this.#refcounts.offer(cluster);
    }
  }

  async #punch(offset: number): Promise<void> {
    // Only space is lost where it fails.
    await this.#file.punchHole(offset, this.#clusterBytes).catch(() => {});
  }

  #takeSnapshot(): Snapshot {
    const l1 = [...this.#dirtyL1].map((index) => ({
      index,
      high: this.#l1.readUInt32BE(index * ENTRY_BYTES),
      low: this.#l1.readUInt32BE(index * ENTRY_BYTES + 4),
    }));
    this.#dirtyL1.clear();
    const freed = this.#freed;
    this.#freed = [];
    return { l2: this.l2.snapshotDirty(), l1, refcounts: this.#refcounts.snapshot(), freed };
  }

  async #commit(): Promise<void> {
    const snapshot = await this.#allocation.run(() => this.#takeSnapshot());
    try {
      await this.#write(snapshot);
    } catch (error) {
      this.l2.restore(snapshot.l2);
      this.#refcounts.restore(snapshot.refcounts);
      for (const { index } of snapshot.l1) this.#dirtyL1.add(index);
      this.#freed = [...snapshot.freed, ...this.#freed];
      throw error;
    }
    this.l2.finish(snapshot.l2);
    this.#refcounts.blocks.finish(snapshot.refcounts.blocks);
    if (snapshot.freed.length > 0) {
      this.#quarantine.push({ mark: this.#epochs.now(), ranges: snapshot.freed });
      this.onRequestEnd();
    }
  }

  async #write({ l2, l1, refcounts }: Snapshot): Promise<void> {
    const file = this.#file;
    const { blocks } = this.#refcounts;
    const newBlocks = refcounts.blocks.filter((block) => block.wasNew);
    if (newBlocks.length > 0 || refcounts.movedTable) {
      for (const block of newBlocks) await blocks.write(block);
      if (refcounts.movedTable) await file.write(refcounts.movedTable.offset, [refcounts.movedTable.bytes]);
      await file.datasync();
    }
    await this.#refcounts.writeEntries(refcounts);
    if (refcounts.movedTable) {
      // Both fields lie in one sector.
      const pointer = Buffer.alloc(12);
      layout.writeU64(pointer, refcounts.movedTable.offset, 0);
      pointer.writeUInt32BE(refcounts.movedTable.clusters, 8);
      await file.write(HEADER.refcountTableOffset, [pointer]);
    }
    for (const block of refcounts.blocks) if (!block.wasNew) await blocks.write(block);
    for (const table of l2) if (table.wasNew) await this.l2.write(table);
    await file.datasync();
    const oldTables = l2.filter((table) => !table.wasNew);
    if (oldTables.length === 0 && l1.length === 0) return;
    for (const table of oldTables) await this.l2.write(table);
    for (const { index, high, low } of l1) {
      const entry = Buffer.alloc(ENTRY_BYTES);
      entry.writeUInt32BE(high, 0);
      entry.writeUInt32BE(low, 4);
      await file.write(this.#l1Offset + index * ENTRY_BYTES, [entry]);
    }
    await file.datasync();
  }
}
