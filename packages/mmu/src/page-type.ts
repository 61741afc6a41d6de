/**
 * What a frame is used as. It has one type as long as its type count is above zero, `none` exactly when it is zero.
 * l1-l4 equal the level. `shared` is a Xen frame that a guest may only read.
 */
export const PageType = {
  none: 0,
  l1: 1,
  l2: 2,
  l3: 3,
  l4: 4,
  segDesc: 5,
  writable: 6,
  shared: 7,
} as const;

/** Name of a `PageType` value, for messages. */
export function pageTypeName(type: number): string {
  return ["none", "l1", "l2", "l3", "l4", "segDesc", "writable", "shared"][type] ?? `type ${type}`;
}

export const FrameFlags = {
  /** A type and a general reference are held by a guest's pin. */
  pinned: 1,
  /** Every entry of this table obeys the rules and holds its references. */
  validated: 2,
  /** Validation or devalidation is under way: entries below `progress` hold references, the others none. */
  partial: 4,
  /** Its place is lent to nobody: something is kept of it that is not in its bytes. */
  unlendable: 8,
  /** The owner's own general reference. */
  allocated: 16,
  /** The hypervisor's frame, shared with its owner, which cannot give it back; holds one type reference. */
  xenHeap: 32,
  /** Partial, on the way to type none. */
  devalidating: 64,
  /** On the work list of unfinished devalidations. */
  queued: 128,
  /** Its place is not its own: nobody may write there. */
  borrowed: 256,
} as const;

/** Owner of hypervisor frames (xen/include/public/xen.h). */
export const DOMID_XEN = 0x7ff2;
/** Owner of I/O memory (xen/include/public/xen.h). */
export const DOMID_IO = 0x7ff1;
/** Internal: owner of frames on the free list. */
export const DOMID_FREE = 0x7fff;
