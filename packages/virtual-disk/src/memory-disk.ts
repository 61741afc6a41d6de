// A disk in this process's memory. What was never written takes none.

import { type BlockDevice, DiskError } from "./block-device.ts";
import { BufferCursor, fillZero, gather, scatter } from "./buffer-list.ts";
import { checkDiscard, checkTransfer, checkWritable, closedError } from "./requests.ts";

export interface MemoryDiskOptions {
  name?: string;
  /** The first bytes of the disk, copied. */
  contents?: Uint8Array;
  readOnly?: boolean;
  /** Default 512. */
  sectorBytes?: 512 | 4096;
}

const PAGE_BYTES = 65536;

/** A disk of zeros, or of `contents`. */
export function createMemoryDisk(sizeBytes: number, options: MemoryDiskOptions = {}): BlockDevice {
  const name = options.name ?? "memory disk";
  const sectorBytes = options.sectorBytes ?? 512;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes % sectorBytes !== 0) {
    throw new DiskError(
      "EINVAL",
      name,
      `The size of ${name}, ${sizeBytes} bytes, is not a multiple of ${sectorBytes}.`,
    );
  }
  if (options.contents && options.contents.byteLength > sizeBytes) {
    throw new DiskError("EINVAL", name, `The contents of ${name} are larger than its ${sizeBytes} bytes.`);
  }
  const pages = new Map<number, Uint8Array>();
  let closed = false;

  const copyIn = (offset: number, buffers: readonly Uint8Array[], lengthBytes: number): void => {
    forEachPage(offset, buffers, lengthBytes, (index, skip, views) => {
      let page = pages.get(index);
      if (!page) pages.set(index, (page = new Uint8Array(PAGE_BYTES)));
      gather(views, page.subarray(skip));
    });
  };
  if (options.contents) copyIn(0, [options.contents], options.contents.byteLength);

  const disk: BlockDevice = {
    name,
    sizeBytes,
    readOnly: options.readOnly ?? false,
    sectorBytes,
    discardGranularityBytes: options.readOnly ? 0 : sectorBytes,
    async read(offset, buffers) {
      const lengthBytes = checkTransfer(disk, offset, buffers);
      if (closed) throw closedError(name);
      forEachPage(offset, buffers, lengthBytes, (index, skip, views) => {
        const page = pages.get(index);
        if (page) scatter(page.subarray(skip), views);
        else fillZero(views);
      });
    },
    async write(offset, buffers) {
      const lengthBytes = checkTransfer(disk, offset, buffers);
      checkWritable(disk);
      if (closed) throw closedError(name);
      copyIn(offset, buffers, lengthBytes);
    },
    async flush() {
      if (closed) throw closedError(name);
    },
    async discard(offset, lengthBytes) {
      checkDiscard(disk, offset, lengthBytes);
      if (closed) throw closedError(name);
      for (let at = offset; at < offset + lengthBytes; ) {
        const index = Math.floor(at / PAGE_BYTES);
        const end = Math.min(offset + lengthBytes, (index + 1) * PAGE_BYTES);
        if (end - at === PAGE_BYTES) pages.delete(index);
        else pages.get(index)?.fill(0, at - index * PAGE_BYTES, end - index * PAGE_BYTES);
        at = end;
      }
    },
    async close() {
      closed = true;
      pages.clear();
    },
  };
  return disk;
}

function forEachPage(
  offset: number,
  buffers: readonly Uint8Array[],
  lengthBytes: number,
  visit: (index: number, skip: number, views: Uint8Array[]) => void,
): void {
  const cursor = new BufferCursor(buffers);
  for (let at = offset; at < offset + lengthBytes; ) {
    const index = Math.floor(at / PAGE_BYTES);
    const size = Math.min(offset + lengthBytes, (index + 1) * PAGE_BYTES) - at;
    visit(index, at - index * PAGE_BYTES, cursor.take(size));
    at += size;
  }
}
