import { Pte } from "./pte.ts";

// The page tables of 32-bit guests on a 64-bit Xen (xen/include/public/arch-x86/xen-x86_32.h, PAE): the guest's root is an
// L3 table of four entries, which Xen puts into slot 0 of an L4 table of its own.

/** Entries of an L3 table; Xen clears the others, which a processor in long mode would follow. */
export const PAE_ROOT_ENTRIES = 4;
/** The L3 entry whose L2 table holds Xen's slots. It must be there, its table serves no other entry, and it never changes. */
export const PAE_TOP_ENTRY = 3;
/** First slot of that L2 table that is Xen's: address 0xF5800000. */
export const PAE_FIRST_XEN_SLOT = 428;
/** Where guests find their machine-to-physical table of 4-byte entries (MACH2PHYS_VIRT_START_PAE). */
export const PAE_MACH2PHYS_START = 0xf5800000;

const ROOT_FLAGS = Pte.present | Pte.rw | Pte.user | Pte.accessed;

/** Slot 0 of Xen's L4 table for a guest's L3 table, as (lo, hi). */
export function paeRootEntry(l3Mfn: number): readonly [lo: number, hi: number] {
  return [((l3Mfn << 12) | ROOT_FLAGS) >>> 0, Math.floor(l3Mfn / 0x100000)];
}
