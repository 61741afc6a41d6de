// A bounded cache of an image's tables of one cluster each: L2 tables, or refcount blocks. Changes stay in memory until
// a commit writes them; until then a table is not evicted.
import { DiskError } from "../block-device.ts";
import type { ImageFile } from "../image-file.ts";

export interface Table {
  /** In the file. */
  readonly offset: number;
  readonly bytes: Buffer;
  /** Users across an await; a pinned table is not evicted. */
  pins: number;
  /** No durable pointer leads to it yet. */
  isNew: boolean;
  /** The bytes that the file does not have yet; dirtyFrom >= dirtyTo: none. */
  dirtyFrom: number;
  dirtyTo: number;
  /** A commit is writing a copy. */
  committing: boolean;
  lastUsed: number;
}

/** What a commit writes of a table. */
export interface TableSnapshot {
  readonly table: Table;
  readonly wasNew: boolean;
  readonly from: number;
  readonly bytes: Buffer;
}

export class TableCache {
  readonly #file: ImageFile;
  readonly #tableBytes: number;
  readonly #capacity: number;
  readonly #kind: string;
  readonly #tables = new Map<number, Table>();
  readonly #loading = new Map<number, Promise<Table>>();
  readonly #dirty = new Set<Table>();
  #clock = 0;

  /** `kind` is for messages. At least four tables are kept. */
  constructor(file: ImageFile, tableBytes: number, capacityBytes: number, kind: string) {
    this.#file = file;
    this.#tableBytes = tableBytes;
    this.#capacity = Math.max(4, Math.floor(capacityBytes / tableBytes));
    this.#kind = kind;
  }

  /** Undefined if it has to be loaded. */
  get(offset: number): Table | undefined {
    const table = this.#tables.get(offset);
    if (table) table.lastUsed = ++this.#clock;
    return table;
  }

  load(offset: number): Promise<Table> {
    const cached = this.get(offset);
    if (cached) return Promise.resolve(cached);
    let loading = this.#loading.get(offset);
    if (!loading) {
      loading = this.#read(offset).finally(() => this.#loading.delete(offset));
      this.#loading.set(offset, loading);
    }
    return loading;
  }

  /** Loads if needed and pins: whoever changes the table over an await unpins it when done. */
  async acquire(offset: number): Promise<Table> {
    for (;;) {
      const table = this.get(offset);
      if (table) {
        table.pins++;
        return table;
      }
      await this.load(offset);
    }
  }

  /** A table that no durable pointer leads to yet; all of it is dirty. */
  add(offset: number, bytes: Buffer): Table {
    const table = this.#insert(offset, bytes);
    table.isNew = true;
    this.markDirty(table, 0, this.#tableBytes);
    return table;
  }

  /** Forgets a table whose cluster was freed, with its changes. */
  remove(offset: number): void {
    const table = this.#tables.get(offset);
    if (!table) return;
    this.#tables.delete(offset);
    this.#dirty.delete(table);
  }

  markDirty(table: Table, from: number, to: number): void {
    if (table.dirtyFrom >= table.dirtyTo) {
      table.dirtyFrom = from;
      table.dirtyTo = to;
      this.#dirty.add(table);
      return;
    }
    if (from < table.dirtyFrom) table.dirtyFrom = from;
    if (to > table.dirtyTo) table.dirtyTo = to;
  }

  get dirtyCount(): number {
    return this.#dirty.size;
  }

  /** More changes wait than the cache should hold: time for a commit. */
  get isCrowded(): boolean {
    return this.#dirty.size > this.#capacity / 2;
  }

  /** Copies all changes and marks the tables clean; `finish` or `restore` must follow for each snapshot. */
  snapshotDirty(): TableSnapshot[] {
    const snapshots = [...this.#dirty].map((table) => {
      const bytes = Buffer.from(table.bytes.subarray(table.dirtyFrom, table.dirtyTo));
      const snapshot = { table, wasNew: table.isNew, from: table.dirtyFrom, bytes };
      table.dirtyFrom = table.dirtyTo = 0;
      table.isNew = false;
      table.committing = true;
      return snapshot;
    });
    this.#dirty.clear();
    return snapshots;
  }

  async write(snapshot: TableSnapshot): Promise<void> {
    await this.#file.write(snapshot.table.offset + snapshot.from, [snapshot.bytes]);
  }

  finish(snapshots: readonly TableSnapshot[]): void {
    for (const { table } of snapshots) table.committing = false;
    this.#evict();
  }

  /** After a failed commit: the changes are dirty again. */
  restore(snapshots: readonly TableSnapshot[]): void {
    for (const { table, wasNew, from, bytes } of snapshots) {
      table.committing = false;
      table.isNew = wasNew;
      if (this.#tables.get(table.offset) === table) this.markDirty(table, from, from + bytes.byteLength);
    }
  }

  async #read(offset: number): Promise<Table> {
    const { path } = this.#file;
    if (offset % this.#tableBytes !== 0 || !Number.isSafeInteger(offset)) {
      throw new DiskError(
        "EIO",
        path,
        `${path} is corrupt: the ${this.#kind} at ${offset} is not aligned to a cluster.`,
      );
    }
    const bytes = Buffer.allocUnsafeSlow(this.#tableBytes);
    const got = await this.#file.read(offset, [bytes]);
    if (got !== bytes.byteLength) {
      throw new DiskError("EIO", path, `${path} is corrupt: the ${this.#kind} at ${offset} lies outside the file.`);
    }
    // Someone may have put a new table there meanwhile.
    return this.get(offset) ?? this.#insert(offset, bytes);
  }

  #insert(offset: number, bytes: Buffer): Table {
    const lastUsed = ++this.#clock;
    const table = { offset, bytes, pins: 0, isNew: false, dirtyFrom: 0, dirtyTo: 0, committing: false, lastUsed };
    this.#tables.set(offset, table);
    this.#evict();
    return table;
  }

  #evict(): void {
    while (this.#tables.size > this.#capacity) {
      let oldest: Table | undefined;
      for (const table of this.#tables.values()) {
        if (table.pins > 0 || table.committing || table.dirtyFrom < table.dirtyTo) continue;
        // The newest is the one that its caller is about to use.
        if (table.lastUsed !== this.#clock && (!oldest || table.lastUsed < oldest.lastUsed)) oldest = table;
      }
      if (!oldest) return;
      this.#tables.delete(oldest.offset);
    }
  }
}
