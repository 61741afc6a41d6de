// The reference counts of an image's clusters, and the allocator over them. All changes are in memory until a commit
// writes them. Its methods are called one at a time (under the image's allocation mutex).
import { DiskError } from "../block-device.ts";
import type { ImageFile } from "../image-file.ts";
import type { Qcow2Header } from "./header.ts";
import { ENTRY_BYTES, MAX_REFCOUNT_TABLE_BYTES, writeU64 } from "./layout.ts";
import { readRefcount, writeRefcount } from "./refcount-block.ts";
import { type Table, TableCache, type TableSnapshot } from "./table-cache.ts";

/** Clusters, all of them with a refcount of 1 from now on. */
export interface ClusterRun {
  first: number;
  count: number;
  /** The file has never had anything there: it reads as zeros. */
  fresh: boolean;
}

/** What a commit writes of the refcounts. */
export interface RefcountSnapshot {
  blocks: TableSnapshot[];
  /** Entries of the refcount table that changed in place, and where it lay then. */
  tableOffset: number;
  entries: { index: number; offset: number }[];
  /** The whole table, where it moved. */
  movedTable: { offset: number; clusters: number; bytes: Buffer } | undefined;
}

export class Refcounts {
  readonly blocks: TableCache;
  /** Clusters of the header, the L1 and refcount tables, refcount blocks and L2 tables: never handed out as data. */
  readonly metadataClusters = new Set<number>([0]);
  readonly #file: ImageFile;
  readonly #clusterBytes: number;
  readonly #order: number;
  readonly #perBlock: number;
  /** Offset of each refcount block; 0: none, all its refcounts are 0. */
  #table: Float64Array;
  #tableOffset: number;
  #tableClusters: number;
  #tableMoved = false;
  #tableToMove = false;
  readonly #dirtyEntries = new Set<number>();
  /** No cluster below is free. */
  #freeHint = 1;
  /** From this cluster on, the file has never had anything. */
  #freshFrom: number;
  readonly #onTableFreed: (offset: number, lengthBytes: number) => void;

  constructor(
    file: ImageFile,
    header: Qcow2Header,
    table: Float64Array,
    fileBytes: number,
    cacheBytes: number,
    onTableFreed: (offset: number, lengthBytes: number) => void,
  ) {
    this.#file = file;
    this.#clusterBytes = header.clusterBytes;
    this.#order = header.refcountOrder;
    this.#perBlock = (header.clusterBytes * 8) / 2 ** header.refcountOrder;
    this.#table = table;
    this.#tableOffset = header.refcountTableOffset;
    this.#tableClusters = header.refcountTableClusters;
    this.#freshFrom = Math.ceil(fileBytes / header.clusterBytes);
    this.#onTableFreed = onTableFreed;
    this.blocks = new TableCache(file, header.clusterBytes, cacheBytes, "refcount block");
    this.#noteRange(this.#tableOffset, this.#tableClusters * header.clusterBytes);
    for (const offset of table) if (offset > 0) this.metadataClusters.add(offset / header.clusterBytes);
  }

  /** The file must be at least this long for every cluster that is in use. */
  get endBytes(): number {
    return this.#freshFrom * this.#clusterBytes;
  }

  get isDirty(): boolean {
    return this.blocks.dirtyCount > 0 || this.#dirtyEntries.size > 0 || this.#tableMoved;
  }

  /** Up to `most` clusters in a row, at least one. Rejects with DiskError. */
  allocate(most: number): Promise<ClusterRun> {
    return this.#allocate(most, false);
  }

  /** Takes one reference off each of the clusters; resolves to the ones that nobody refers to any more. */
  async release(first: number, count: number): Promise<number[]> {
    const freed: number[] = [];
    for (let cluster = first; cluster < first + count; cluster++) {
      const index = Math.floor(cluster / this.#perBlock);
      const offset = index < this.#table.length ? this.#table[index] : 0;
      if (offset === 0) throw this.#corrupt(`cluster ${cluster} is in use without a refcount`);
      const block = this.blocks.get(offset) ?? (await this.blocks.load(offset));
      const refcount = readRefcount(block.bytes, cluster % this.#perBlock, this.#order);
      if (refcount === 0) throw this.#corrupt(`cluster ${cluster} is in use with a refcount of 0`);
      this.#set(block, cluster % this.#perBlock, refcount - 1);
      if (refcount === 1) freed.push(cluster);
    }
    return freed;
  }

  /** Makes freed clusters available again; apart from `release` so that holes can be punched between. */
  offer(cluster: number): void {
    if (cluster < this.#freeHint) this.#freeHint = cluster;
  }

  snapshot(): RefcountSnapshot {
    const moved = this.#tableMoved;
    const entries = moved ? [] : [...this.#dirtyEntries].map((index) => ({ index, offset: this.#table[index] }));
    const movedTable = moved
      ? { offset: this.#tableOffset, clusters: this.#tableClusters, bytes: this.#tableImage() }
      : undefined;
    this.#tableMoved = false;
    this.#dirtyEntries.clear();
    return { blocks: this.blocks.snapshotDirty(), tableOffset: this.#tableOffset, entries, movedTable };
  }

  restore(snapshot: RefcountSnapshot): void {
    this.blocks.restore(snapshot.blocks);
    if (snapshot.movedTable) this.#tableMoved = true;
    for (const { index } of snapshot.entries) this.#dirtyEntries.add(index);
  }

  /** Writes changed entries of the refcount table. */
  async writeEntries(snapshot: RefcountSnapshot): Promise<void> {
    for (const { index, offset } of snapshot.entries) {
      const bytes = Buffer.alloc(ENTRY_BYTES);
      writeU64(bytes, offset, 0);
      await this.#file.write(snapshot.tableOffset + index * ENTRY_BYTES, [bytes]);
    }
  }

  async #allocate(count: number, exact: boolean): Promise<ClusterRun> {
    const run = await this.#findFree(count, exact);
    for (let cluster = run.first; cluster < run.first + run.count; cluster++) {
      if (this.metadataClusters.has(cluster)) {
        throw this.#corrupt(`the refcounts say that cluster ${cluster}, which holds its tables, is free`);
      }
    }
    for (let cluster = run.first; cluster < run.first + run.count; cluster++) await this.#setUsed(cluster);
    if (this.#freeHint >= run.first) this.#freeHint = run.first + run.count;
    const fresh = run.first >= this.#freshFrom;
    this.#freshFrom = Math.max(this.#freshFrom, run.first + run.count);
    if (this.#tableToMove) await this.#moveTable();
    return { ...run, fresh };
  }

  async #findFree(count: number, exact: boolean): Promise<{ first: number; count: number }> {
    let first = 0;
    let length = 0;
    // Beyond the end of the file hardly anything can be in use: a bound for tables that claim it.
    const lastCluster = this.#freshFrom + 2 * this.#perBlock + count;
    for (let cluster = this.#freeHint; ; ) {
      if (cluster > lastCluster) throw this.#corrupt("its refcounts claim clusters far beyond the end of the file");
      const index = Math.floor(cluster / this.#perBlock);
      const offset = index < this.#table.length ? this.#table[index] : 0;
      if (offset === 0) {
        // None of its clusters is in use, and the block needs a home: the first of them or, so that a run can go on
        // over any number of new blocks, the run's first cluster.
        if (length > 0 && !exact) return { first, count: length };
        if (length === 0) {
          await this.#createBlock(index, cluster++);
        } else {
          await this.#createBlock(index, first++);
          length--;
        }
        continue;
      }
      const block = this.blocks.get(offset) ?? (await this.blocks.load(offset));
      for (let entry = cluster % this.#perBlock; entry < this.#perBlock; entry++, cluster++) {
        if (readRefcount(block.bytes, entry, this.#order) !== 0) {
          if (length > 0 && !exact) return { first, count: length };
          length = 0;
          continue;
        }
        if (length++ === 0) first = cluster;
        if (length === count) return { first, count };
      }
    }
  }

  async #createBlock(index: number, cluster: number): Promise<void> {
    if (index >= this.#table.length) this.#growTable(index + 1);
    const offset = cluster * this.#clusterBytes;
    this.#table[index] = offset;
    this.#dirtyEntries.add(index);
    this.blocks.add(offset, Buffer.alloc(this.#clusterBytes));
    await this.#setUsed(cluster);
    this.metadataClusters.add(cluster);
    this.#freshFrom = Math.max(this.#freshFrom, cluster + 1);
  }

  /** In memory; the table's place in the file is found once the allocation under way is done. */
  #growTable(entries: number): void {
    const perCluster = this.#clusterBytes / ENTRY_BYTES;
    const now = this.#table.length / perCluster;
    const clusters = Math.max(Math.ceil(entries / perCluster), now + Math.ceil(now / 2));
    if (clusters * this.#clusterBytes > MAX_REFCOUNT_TABLE_BYTES) {
      const { path } = this.#file;
      throw new DiskError("ENOSPC", path, `${path} cannot grow any more: its refcount table is at its largest.`);
    }
    const larger = new Float64Array(clusters * perCluster);
    larger.set(this.#table);
    this.#table = larger;
    this.#tableToMove = true;
  }

  async #moveTable(): Promise<void> {
    this.#tableToMove = false;
    const clusters = this.#table.length / (this.#clusterBytes / ENTRY_BYTES);
    const home = await this.#allocate(clusters, true);
    // The allocation may have grown the table once more; then that one found its own place, and this one is spare.
    if (this.#table.length / (this.#clusterBytes / ENTRY_BYTES) !== clusters) {
      this.#onTableFreed(home.first * this.#clusterBytes, clusters * this.#clusterBytes);
      return;
    }
    for (let i = 0; i < this.#tableClusters; i++) {
      this.metadataClusters.delete(this.#tableOffset / this.#clusterBytes + i);
    }
    this.#onTableFreed(this.#tableOffset, this.#tableClusters * this.#clusterBytes);
    this.#tableOffset = home.first * this.#clusterBytes;
    this.#tableClusters = clusters;
    this.#tableMoved = true;
    this.#noteRange(this.#tableOffset, clusters * this.#clusterBytes);
  }

  async #setUsed(cluster: number): Promise<void> {
    const offset = this.#table[Math.floor(cluster / this.#perBlock)];
    const block = this.blocks.get(offset) ?? (await this.blocks.load(offset));
    this.#set(block, cluster % this.#perBlock, 1);
  }

  #set(block: Table, entry: number, refcount: number): void {
    const bits = 2 ** this.#order;
    writeRefcount(block.bytes, entry, refcount, this.#order);
    this.blocks.markDirty(block, (entry * bits) >>> 3, Math.ceil(((entry + 1) * bits) / 8));
  }

  #noteRange(offset: number, lengthBytes: number): void {
    for (let at = offset; at < offset + lengthBytes; at += this.#clusterBytes) {
      this.metadataClusters.add(at / this.#clusterBytes);
    }
  }

  #tableImage(): Buffer {
    const bytes = Buffer.alloc(this.#table.length * ENTRY_BYTES);
    for (let i = 0; i < this.#table.length; i++) writeU64(bytes, this.#table[i], i * ENTRY_BYTES);
    return bytes;
  }

  #corrupt(what: string): DiskError {
    const { path } = this.#file;
    return new DiskError("EIO", path, `${path} is corrupt: ${what}; "qemu-img check -r all" may repair it.`);
  }
}
