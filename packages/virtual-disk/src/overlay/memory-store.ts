import { DiskError } from "../block-device.ts";
import { BufferCursor, gather, scatter } from "../buffer-list.ts";
import { BlockStates } from "./block-states.ts";
import type { OverlayStore } from "./overlay-store.ts";

/** Keeps changed blocks in this process's memory, at most `limitBytes` of them; ENOSPC beyond. */
export function createMemoryStore(
  name: string,
  sizeBytes: number,
  blockBytes: number,
  limitBytes: number,
): OverlayStore {
  const blocks = new Map<number, Uint8Array>();
  const forEachBlock = (
    offset: number,
    buffers: readonly Uint8Array[],
    lengthBytes: number,
    visit: (index: number, skip: number, views: Uint8Array[]) => void,
  ): void => {
    const cursor = new BufferCursor(buffers);
    for (let at = offset; at < offset + lengthBytes; ) {
      const index = Math.floor(at / blockBytes);
      const size = Math.min(offset + lengthBytes, (index + 1) * blockBytes) - at;
      visit(index, at - index * blockBytes, cursor.take(size));
      at += size;
    }
  };
  return {
    name,
    states: new BlockStates(new Uint8Array(BlockStates.bytesFor(Math.ceil(sizeBytes / blockBytes)))),
    async read(offset, buffers, lengthBytes) {
      forEachBlock(offset, buffers, lengthBytes, (index, skip, views) => {
        const block = blocks.get(index);
        if (block) scatter(block.subarray(skip), views);
      });
    },
    async write(offset, buffers, lengthBytes) {
      forEachBlock(offset, buffers, lengthBytes, (index, skip, views) => {
        let block = blocks.get(index);
        if (!block) {
          if ((blocks.size + 1) * blockBytes > limitBytes) {
            throw new DiskError("ENOSPC", name, `The overlay of ${name} has reached its limit of ${limitBytes} bytes.`);
          }
          blocks.set(index, (block = new Uint8Array(blockBytes)));
        }
        gather(views, block.subarray(skip));
      });
    },
    async drop(offset, lengthBytes) {
      for (let at = offset; at < offset + lengthBytes; at += blockBytes) blocks.delete(Math.floor(at / blockBytes));
    },
    async flush() {},
    async close() {
      blocks.clear();
    },
  };
}
