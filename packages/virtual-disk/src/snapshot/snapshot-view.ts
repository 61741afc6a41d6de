import { type BlockDevice, DiskError } from "../block-device.ts";
import { BufferCursor, scatter } from "../buffer-list.ts";
import { checkTransfer, closedError } from "../requests.ts";
import { PRESERVED_BYTES, type PreservedBlocks } from "./preserved-blocks.ts";

/** What a disk held at a moment, to be read. */
export class SnapshotView implements BlockDevice {
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly = true;
  readonly sectorBytes: number;
  readonly discardGranularityBytes = 0;
  onResize?: (sizeBytes: number) => void;
  readonly #device: BlockDevice;
  readonly #blocks: PreservedBlocks;
  readonly #leave: () => Promise<void>;
  #closed: Promise<void> | undefined;
  #active = 0;
  #onIdle: (() => void) | undefined;

  /** @param leave called once, when nothing of the disk is read any more */
  constructor(device: BlockDevice, sizeBytes: number, blocks: PreservedBlocks, leave: () => Promise<void>) {
    this.name = device.name;
    this.sizeBytes = sizeBytes;
    this.sectorBytes = device.sectorBytes;
    this.#device = device;
    this.#blocks = blocks;
    this.#leave = leave;
  }

  async read(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    const lengthBytes = checkTransfer(this, offset, buffers);
    if (this.#closed) throw closedError(this.name);
    if (lengthBytes === 0) return;
    this.#active++;
    try {
      if (!this.#isAllKept(offset, offset + lengthBytes)) await this.#device.read(offset, buffers);
      // Also over what was written while it was read: what it held was kept before that.
      this.#copyKept(offset, offset + lengthBytes, new BufferCursor(buffers));
    } finally {
      if (--this.#active === 0) this.#onIdle?.();
    }
    if (this.#blocks.lost)
      throw new DiskError(
        "EIO",
        this.name,
        `The snapshot of ${this.name} is lost: what was overwritten since could not be kept.`,
      );
  }

  async write(): Promise<void> {
    throw this.#refusal();
  }

  async flush(): Promise<void> {
    if (this.#closed) throw closedError(this.name);
  }

  async discard(): Promise<void> {
    throw this.#refusal();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    await this.#leave();
  }

  #refusal(): DiskError {
    return new DiskError("EROFS", this.name, `The snapshot of ${this.name} can only be read.`);
  }

  #isAllKept(offset: number, end: number): boolean {
    for (let at = offset; at < end; at = blockEnd(at)) if (!this.#blocks.has(blockOf(at))) return false;
    return true;
  }

  #copyKept(offset: number, end: number, cursor: BufferCursor): void {
    for (let at = offset; at < end; ) {
      const to = Math.min(end, blockEnd(at));
      const views = cursor.take(to - at);
      const kept = this.#blocks.get(blockOf(at));
      if (kept !== undefined) scatter(kept.subarray(at % PRESERVED_BYTES), views);
      at = to;
    }
  }
}

const blockOf = (at: number): number => Math.floor(at / PRESERVED_BYTES);
const blockEnd = (at: number): number => (blockOf(at) + 1) * PRESERVED_BYTES;
