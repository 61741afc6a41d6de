import type { FrameTable } from "./frames.ts";
import type { MachineMemory } from "./memory.ts";
import { DOMID_XEN, PageType } from "./page-type.ts";

/**
 * A zero-filled frame of the hypervisor's own, which no guest can get a type of; -1 if there is none left.
 * @param like a frame whose bytes it has instead, and whose place until something is written to it
 */
export function allocateXenFrame(frames: FrameTable, like?: number): number {
  const mfn = like === undefined ? frames.alloc(DOMID_XEN) : frames.allocLike(DOMID_XEN, like);
  if (mfn < 0) return -1;
  frames.type[mfn] = PageType.shared;
  frames.typeCount[mfn] = 1;
  frames.heldTypes[mfn] = 1;
  return mfn;
}

/** Gives such a frame back; nothing may lead to it any more. */
export function freeXenFrame(frames: FrameTable, mfn: number): void {
  frames.heldTypes[mfn] = 0;
  frames.typeCount[mfn] = 0;
  frames.type[mfn] = PageType.none;
  frames.free(mfn);
}

/** Stores an entry in a page table of the hypervisor's own. */
export function setTableEntry(
  memory: MachineMemory,
  frames: FrameTable,
  table: number,
  index: number,
  mfn: number,
  flags: number,
  hiFlags = 0,
): void {
  const word = frames.hostAddress(table) / 4 + index * 2;
  memory.u32[word] = (mfn << 12) | flags;
  memory.u32[word + 1] = Math.floor(mfn / 0x100000) | hiFlags;
}
