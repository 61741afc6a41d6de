/** Bytes of indices before a shared ring's entries (xen/include/public/io/ring.h). */
const RING_HEADER = 64;

/**
 * Entries in a shared ring: the largest power of two that fits behind the header.
 * `ringEntries(structs.blkif_sring.fields.ring.stride)` is 32 for one page.
 * @param entryBytes size of one entry, the larger of request and response
 * @param ringBytes size of the pages that hold the ring
 */
export function ringEntries(entryBytes: number, ringBytes = 4096): number {
  const fit = Math.floor((ringBytes - RING_HEADER) / entryBytes);
  return fit < 1 ? 0 : 2 ** Math.floor(Math.log2(fit));
}
