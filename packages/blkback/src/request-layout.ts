import { type Abi, structsOf } from "@xen-node/xen-abi";

/**
 * Where a request's fields lie, as plain numbers for the hot path. `id` and `sector` lie at the same place in all three
 * kinds of request (xen/include/public/io/blkif.h).
 */
export interface RequestLayout {
  /** u8. */
  readonly operation: number;
  /** u8; of a discard request the flag, of an indirect request the operation meant. */
  readonly second: number;
  /** u16, of an indirect request. */
  readonly indirectSegments: number;
  /** u64. */
  readonly id: number;
  /** u64. */
  readonly sector: number;
  /** First of eleven segments of eight bytes. */
  readonly segments: number;
  /** First of eight u32. */
  readonly indirectRefs: number;
  /** u64. */
  readonly discardSectors: number;
}

function layoutOf(abi: Abi): RequestLayout {
  const { blkif_request, blkif_request_indirect, blkif_request_discard } = structsOf[abi];
  return {
    operation: blkif_request.offsets.operation,
    second: blkif_request.offsets.nr_segments,
    indirectSegments: blkif_request_indirect.offsets.nr_segments,
    id: blkif_request.offsets.id,
    sector: blkif_request.offsets.sector_number,
    segments: blkif_request.offsets.seg,
    indirectRefs: blkif_request_indirect.offsets.indirect_grefs,
    discardSectors: blkif_request_discard.offsets.nr_sectors,
  };
}

export const requestLayouts: { readonly [abi in Abi]: RequestLayout } = {
  x86_64: layoutOf("x86_64"),
  x86_32: layoutOf("x86_32"),
};

/** Bytes of a segment: a grant reference (u32), first and last sector (u8 each), padding. */
export const SEGMENT_BYTES = 8;
export const SEGMENTS_PER_INDIRECT_PAGE = 4096 / SEGMENT_BYTES;

/** The unit of all sector numbers of the protocol, whatever the disk's sectors are. */
export const SECTOR_BYTES = 512;
export const SECTORS_PER_PAGE = 4096 / SECTOR_BYTES;
