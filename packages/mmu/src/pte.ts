/**
 * Bits of a 64-bit page-table entry, held as (lo, hi) uint32 pairs: Intel SDM vol. 3, 4.5.4. Names that begin with
 * `hi` are bits of the high word.
 */
export const Pte = {
  present: 1,
  rw: 2,
  user: 4,
  writeThrough: 8,
  cacheDisable: 0x10,
  accessed: 0x20,
  dirty: 0x40,
  /** PS at levels 2-4, PAT at level 1. */
  pageSize: 0x80,
  global: 0x100,
  /** Bit 52, Xen's software mark: the guest gave no USER bit, so this is a page of its kernel. */
  hiGuestKernel: 0x100000,
  /** Bit 62, Xen's software mark: the entry belongs to a grant map, whose handle holds the references. */
  hiGrant: 0x40000000,
  hiNoExecute: 0x80000000,
  /** Address bits 32-51. */
  hiAddress: 0xfffff,
} as const;

/** Bits that a guest may not set in a present L1 entry: PWT, PCD, PAT. */
export const L1_DISALLOWED = 0x98;
/** Bits that a guest may not set in a present L2-L4 entry: PWT, PCD, PS, GLOBAL. */
export const TABLE_DISALLOWED = 0x198;

/** Machine frame number that an entry names. */
export function pteMfn(lo: number, hi: number): number {
  return (lo >>> 12) + (hi & 0xfffff) * 0x100000;
}

/** First and one past the last L4 slot that is Xen's (xen/include/public/arch-x86/xen-x86_64.h: the hole). */
export const FIRST_XEN_SLOT = 256;
export const END_XEN_SLOT = 272;
