// Snapshots of a disk that goes on being written: before a block changes, what it held is kept for them. So the image below
// always holds what was written to the disk, whatever becomes of the snapshots.
import type { BlockDevice } from "../block-device.ts";
import { PendingBlocks } from "../pending-blocks.ts";
import { closedError } from "../requests.ts";
import { keptBytes, PRESERVED_BYTES, PreservedBlocks } from "./preserved-blocks.ts";
import { SnapshotView } from "./snapshot-view.ts";

export interface SnapshotOptions {
  /** The most memory that the snapshot's blocks may take; with more it is lost, and its reads reject. Default 1 GiB. */
  limitBytes?: number | undefined;
}

/** What a disk held at a moment. */
export interface DiskSnapshot {
  /** A read-only disk of it, as often as one likes; each is closed by itself. */
  open(): BlockDevice;
  /** No more are opened. The snapshot ends with the last of them. */
  release(): void;
}

/** Blocks are kept in pieces of so many, to bound the memory that a large request takes. */
const MOST_AT_ONCE = 256;

/** A disk of which snapshots can be taken. It owns the disk below, which stays open until the last snapshot has ended. */
export class SnapshotDisk implements BlockDevice {
  readonly #device: BlockDevice;
  /** By age. */
  readonly #snapshots = new Set<PreservedBlocks>();
  readonly #pending = new PendingBlocks();
  #closed: Promise<void> | undefined;
  onResize?: (sizeBytes: number) => void;

  constructor(device: BlockDevice) {
    this.#device = device;
    device.onResize = (sizeBytes) => this.onResize?.(sizeBytes);
  }

  get name(): string {
    return this.#device.name;
  }

  get sizeBytes(): number {
    return this.#device.sizeBytes;
  }

  get readOnly(): boolean {
    return this.#device.readOnly;
  }

  get sectorBytes(): number {
    return this.#device.sectorBytes;
  }

  get discardGranularityBytes(): number {
    return this.#device.discardGranularityBytes;
  }

  get hasSnapshots(): boolean {
    return this.#snapshots.size > 0;
  }

  /** Keeps what the disk holds now. No write or discard may be under way. */
  takeSnapshot(options: SnapshotOptions = {}): DiskSnapshot {
    if (this.#closed) throw closedError(this.name);
    const blocks = new PreservedBlocks(options.limitBytes ?? 2 ** 30);
    this.#snapshots.add(blocks);
    const { sizeBytes } = this;
    let holders = 1;
    const leave = async (): Promise<void> => {
      if (--holders > 0) return;
      this.#snapshots.delete(blocks);
      blocks.clear();
      if (this.#closed && this.#snapshots.size === 0) await this.#device.close();
    };
    let released = false;
    return {
      open: () => {
        if (released) throw closedError(this.name);
        holders++;
        return new SnapshotView(this.#device, sizeBytes, blocks, leave);
      },
      release: () => {
        if (released) return;
        released = true;
        // Whoever closed the disk has been told already that its writes are safe.
        leave().catch(() => {});
      },
    };
  }

  async read(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    if (this.#closed) throw closedError(this.name);
    await this.#device.read(offset, buffers);
  }

  async write(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    if (this.#closed) throw closedError(this.name);
    if (this.hasSnapshots) {
      let lengthBytes = 0;
      for (const { byteLength } of buffers) lengthBytes += byteLength;
      await this.#preserve(offset, lengthBytes);
    }
    await this.#device.write(offset, buffers);
  }

  async flush(): Promise<void> {
    if (this.#closed) throw closedError(this.name);
    await this.#device.flush();
  }

  async discard(offset: number, lengthBytes: number): Promise<void> {
    if (this.#closed) throw closedError(this.name);
    if (this.hasSnapshots) await this.#preserve(offset, lengthBytes);
    await this.#device.discard(offset, lengthBytes);
  }

  /** The disk below is closed now or, with all that was written on stable storage, stays open for the snapshots. */
  close(): Promise<void> {
    if (this.#closed === undefined) {
      const { readOnly } = this.#device;
      this.#closed = this.hasSnapshots ? (readOnly ? Promise.resolve() : this.#device.flush()) : this.#device.close();
    }
    return this.#closed;
  }

  /** Whether what a block holds must be kept before it changes. What the youngest snapshot has kept, older ones have, too. */
  #isWanted(block: number): boolean {
    let youngest: PreservedBlocks | undefined;
    for (const snapshot of this.#snapshots) if (!snapshot.lost) youngest = snapshot;
    return youngest !== undefined && !youngest.has(block);
  }

  /** Resolves when all snapshots have what the range holds. Requests outside of the disk are for the device to refuse. */
  async #preserve(offset: number, lengthBytes: number): Promise<void> {
    const end = offset + lengthBytes;
    if (!(offset >= 0 && lengthBytes > 0 && end <= this.sizeBytes)) return;
    const last = Math.floor((end - 1) / PRESERVED_BYTES);
    for (let block = Math.floor(offset / PRESERVED_BYTES); block <= last; ) {
      const pending = this.#pending.get(block);
      if (pending !== undefined) {
        await pending;
        continue;
      }
      let count = 0;
      const most = Math.min(MOST_AT_ONCE, last - block + 1);
      while (count < most && this.#isWanted(block + count) && this.#pending.get(block + count) === undefined) count++;
      if (count === 0) {
        block++;
        continue;
      }
      const release = this.#pending.claim(block, count);
      try {
        await this.#keep(block, count);
      } finally {
        release();
      }
      block += count;
    }
  }

  async #keep(first: number, count: number): Promise<void> {
    const start = first * PRESERVED_BYTES;
    const bytes = new Uint8Array(Math.min(count * PRESERVED_BYTES, this.sizeBytes - start));
    try {
      await this.#device.read(start, [bytes]);
    } catch {
      // The disk's own writes matter more: a sector that cannot be read may well be mended by one.
      for (const snapshot of this.#snapshots) snapshot.lose();
      return;
    }
    for (let i = 0; i < count; i++) {
      const kept = keptBytes(bytes.subarray(i * PRESERVED_BYTES, (i + 1) * PRESERVED_BYTES));
      for (const snapshot of this.#snapshots) snapshot.add(first + i, kept);
    }
  }
}
