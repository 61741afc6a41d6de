// Copy-on-write over a disk that is never written: reads of what was not changed go to the base, all changes to a store.
import { type BlockDevice, DiskError } from "../block-device.ts";
import { BufferCursor, fillZero, zeroBuffers } from "../buffer-list.ts";
import type { ImageFileOptions } from "../image-file.ts";
import { PendingBlocks } from "../pending-blocks.ts";
import { RequestEpochs } from "../request-epochs.ts";
import { checkDiscard, checkTransfer, closedError, Jobs, settleAll } from "../requests.ts";
import { BLOCK_BASE, BLOCK_DATA, BLOCK_ZERO } from "./block-states.ts";
import { openFileStore } from "./file-store.ts";
import { createMemoryStore } from "./memory-store.ts";
import type { OverlayStore } from "./overlay-store.ts";

export interface OverlayOptions {
  /** The unit of copying: a power of two from 4096 to 1 MiB. Default 4096. */
  blockBytes?: number;
}

export interface MemoryOverlayOptions extends OverlayOptions {
  /** The most memory that changed blocks may take; a write beyond rejects with ENOSPC. Default 1 GiB. */
  limitBytes?: number;
}

export interface FileOverlayOptions extends OverlayOptions, Pick<ImageFileOptions, "sharing"> {}

const DEFAULT_BLOCK_BYTES = 4096;
/** A large discard is done in parts of so many blocks. */
const DISCARD_BLOCKS = 4096;

/** Changes are kept in memory and lost when the disk is closed. Closing closes the base too. */
export function createMemoryOverlay(base: BlockDevice, options: MemoryOverlayOptions = {}): BlockDevice {
  const blockBytes = checkBlockBytes(base, options.blockBytes);
  const limitBytes = options.limitBytes ?? 2 ** 30;
  return new OverlayDisk(base, createMemoryStore(base.name, base.sizeBytes, blockBytes, limitBytes), blockBytes);
}

/**
 * Changes are kept in a sparse file, made if there is none, and found again when it is opened over the same base; what
 * a flush covered survives a crash. The base must not change between. Closing closes the base too.
 */
export async function openFileOverlay(
  base: BlockDevice,
  path: string,
  options: FileOverlayOptions = {},
): Promise<BlockDevice> {
  const blockBytes = checkBlockBytes(base, options.blockBytes);
  return new OverlayDisk(base, await openFileStore(path, base.sizeBytes, { ...options, blockBytes }), blockBytes);
}

function checkBlockBytes(base: BlockDevice, blockBytes = DEFAULT_BLOCK_BYTES): number {
  if (!Number.isInteger(Math.log2(blockBytes)) || blockBytes < 4096 || blockBytes > 1 << 20) {
    throw new DiskError("EINVAL", base.name, `An overlay of ${base.name} cannot have blocks of ${blockBytes} bytes.`);
  }
  return blockBytes;
}

class OverlayDisk implements BlockDevice {
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly = false;
  readonly sectorBytes: number;
  readonly discardGranularityBytes: number;
  onResize?: (sizeBytes: number) => void;
  readonly #base: BlockDevice;
  readonly #store: OverlayStore;
  readonly #blockBytes: number;
  readonly #pending = new PendingBlocks();
  readonly #epochs = new RequestEpochs();
  #closed: Promise<void> | undefined;

  constructor(base: BlockDevice, store: OverlayStore, blockBytes: number) {
    this.name = store.name;
    this.sizeBytes = base.sizeBytes;
    this.sectorBytes = base.sectorBytes;
    this.discardGranularityBytes = blockBytes;
    this.#base = base;
    this.#store = store;
    this.#blockBytes = blockBytes;
  }

  async read(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    const lengthBytes = checkTransfer(this, offset, buffers);
    await this.#asRequest(() => this.#readRange(offset, offset + lengthBytes, new BufferCursor(buffers)));
  }

  async write(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    const lengthBytes = checkTransfer(this, offset, buffers);
    await this.#asRequest(() => this.#writeRange(offset, offset + lengthBytes, new BufferCursor(buffers)));
  }

  async flush(): Promise<void> {
    if (this.#closed) throw closedError(this.name);
    await this.#store.flush();
  }

  /** The range reads as zeros; the store's space for whole blocks is given back. */
  async discard(offset: number, lengthBytes: number): Promise<void> {
    checkDiscard(this, offset, lengthBytes);
    await this.#asRequest(() => this.#discardRange(offset, offset + lengthBytes));
  }

  close(): Promise<void> {
    this.#closed ??= this.#epochs.idle().then(() => settleAll([this.#store.close(), this.#base.close()]));
    return this.#closed;
  }

  async #asRequest(operation: () => Promise<void>): Promise<void> {
    if (this.#closed) throw closedError(this.name);
    const request = this.#epochs.begin();
    try {
      await operation();
    } finally {
      this.#epochs.end(request);
    }
  }

  async #readRange(offset: number, end: number, cursor: BufferCursor): Promise<void> {
    const jobs = new Jobs();
    for (let at = offset; at < end; ) {
      const state = this.#stateAt(at);
      let runEnd = Math.min(end, this.#blockEnd(at));
      while (runEnd < end && this.#stateAt(runEnd) === state) runEnd = Math.min(end, runEnd + this.#blockBytes);
      const views = cursor.take(runEnd - at);
      if (state === BLOCK_BASE) jobs.add(this.#base.read(at, views));
      else if (state === BLOCK_DATA) jobs.add(this.#store.read(at, views, runEnd - at));
      else fillZero(views);
      at = runEnd;
    }
    await jobs.settled();
  }

  async #writeRange(offset: number, end: number, cursor: BufferCursor): Promise<void> {
    const jobs = new Jobs();
    for (let at = offset; at < end; ) {
      const pending = this.#pending.get(this.#blockOf(at));
      if (pending) {
        await pending;
        continue;
      }
      const inPlace = this.#stateAt(at) === BLOCK_DATA;
      let runEnd = Math.min(end, this.#blockEnd(at));
      while (
        runEnd < end &&
        (this.#stateAt(runEnd) === BLOCK_DATA) === inPlace &&
        !this.#pending.get(this.#blockOf(runEnd))
      ) {
        runEnd = Math.min(end, runEnd + this.#blockBytes);
      }
      const views = cursor.take(runEnd - at);
      if (inPlace) jobs.add(this.#store.write(at, views, runEnd - at));
      else {
        const first = this.#blockOf(at);
        const release = this.#pending.claim(first, this.#blockOf(runEnd - 1) - first + 1);
        jobs.add(this.#writeNew(at, runEnd, views).finally(release));
      }
      at = runEnd;
    }
    await jobs.settled();
  }

  /** Writes blocks that the store does not have yet, filled up from what was there, and then switches to them. */
  async #writeNew(offset: number, end: number, views: readonly Uint8Array[]): Promise<void> {
    const start = offset - (offset % this.#blockBytes);
    const stop = Math.min(this.sizeBytes, this.#blockEnd(end - 1));
    const list = [...views];
    if (offset > start) list.unshift(await this.#oldBytes(start, offset));
    if (end < stop) list.push(await this.#oldBytes(end, stop));
    await this.#store.write(start, list, stop - start);
    for (let at = start; at < stop; at += this.#blockBytes) this.#store.states.set(this.#blockOf(at), BLOCK_DATA);
  }

  async #oldBytes(from: number, to: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(to - from);
    await this.#readRange(from, to, new BufferCursor([bytes]));
    return bytes;
  }

  async #discardRange(offset: number, end: number): Promise<void> {
    for (let at = offset; at < end; ) {
      const block = this.#blockOf(at);
      const pending = this.#pending.get(block);
      if (pending) {
        await pending;
        continue;
      }
      const isWhole = (from: number): boolean =>
        from % this.#blockBytes === 0 && (from + this.#blockBytes <= end || end === this.sizeBytes);
      if (!isWhole(at)) {
        const to = Math.min(end, this.#blockEnd(at));
        if (this.#stateAt(at) !== BLOCK_ZERO) {
          await this.#writeRange(at, to, new BufferCursor(zeroBuffers(to - at)));
        }
        at = to;
        continue;
      }
      let count = 1;
      let to = Math.min(end, this.#blockEnd(at));
      while (to < end && isWhole(to) && count < DISCARD_BLOCKS && !this.#pending.get(block + count)) {
        to = Math.min(end, to + this.#blockBytes);
        count++;
      }
      const release = this.#pending.claim(block, count);
      try {
        for (let i = block; i < block + count; i++) this.#store.states.set(i, BLOCK_ZERO);
        await this.#store.drop(at, to - at);
      } finally {
        release();
      }
      at = to;
    }
  }

  #stateAt(at: number) {
    return this.#store.states.get(this.#blockOf(at));
  }

  #blockOf(at: number): number {
    return Math.floor(at / this.#blockBytes);
  }

  #blockEnd(at: number): number {
    return at - (at % this.#blockBytes) + this.#blockBytes;
  }
}
