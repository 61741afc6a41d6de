import {
  type Abi,
  BLKIF_DISCARD_SECURE,
  BLKIF_MAX_SEGMENTS_PER_REQUEST,
  BLKIF_OP_DISCARD,
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_INDIRECT,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_OP_WRITE_BARRIER,
  BLKIF_RSP_EOPNOTSUPP,
  BLKIF_RSP_ERROR,
  BLKIF_RSP_OKAY,
} from "@xen-node/xen-abi";
import type { GuestPages } from "./guest-pages.ts";
import {
  type RequestLayout,
  requestLayouts,
  SECTOR_BYTES,
  SEGMENT_BYTES,
  SEGMENTS_PER_INDIRECT_PAGE,
} from "./request-layout.ts";
import { SegmentList } from "./segment-list.ts";

/** What a request is checked against. */
export interface RequestTarget {
  readonly sizeBytes: number;
  readonly sectorBytes: number;
  readonly readOnly: boolean;
  readonly discards: boolean;
}

/** A request that is answered without asking the disk. */
export interface Verdict {
  readonly status: number;
  readonly reason: string;
}

const error = (reason: string): Verdict => ({ status: BLKIF_RSP_ERROR, reason });
const unsupported = (reason: string): Verdict => ({ status: BLKIF_RSP_EOPNOTSUPP, reason });

/** There is nothing to do. */
const NOTHING_TO_DO: Verdict = { status: BLKIF_RSP_OKAY, reason: "" };
const UNKNOWN_OPERATION = unsupported("an unknown operation");
const BAD_INDIRECT = error("an indirect request for something other than reading or writing");
const BAD_COUNT = error("a number of segments that is not allowed");
const BAD_SEGMENT = error("a segment outside of its page");
const BAD_INDIRECT_PAGE = error("an indirect page that can't be read");
const BEYOND_END = error("sectors beyond the end");
const MISALIGNED = error("sectors not aligned to the disk's");
const READ_ONLY = error("a write to a read-only disk");
const NO_MEDIUM = error("no medium is inserted");
const NO_DISCARD = unsupported("a discard, which the disk can't do");
const NO_SECURE_DISCARD = unsupported("a secure discard, which the disk can't do");

/** From this upper half on, a sector number can't be held exactly by a number; no disk is that large. */
const EXACT_HIGH = 0x200000;

/**
 * Reads requests out of their private copies and checks all that can be checked before data pages are mapped
 * (xen/include/public/io/blkif.h). The last request's fields stand in it until the next is read.
 */
export class RequestReader {
  idLow = 0;
  idHigh = 0;
  /** BLKIF_OP_*; of an indirect request, the operation meant, which is also the one to be answered. */
  operation = 0;
  /** In bytes. */
  offset = 0;
  lengthBytes = 0;
  readonly segments: SegmentList;
  private readonly layout: RequestLayout;
  private readonly maxIndirectSegments: number;
  private readonly indirectPage = new Uint8Array(4096);
  private readonly indirectView = new DataView(this.indirectPage.buffer);

  constructor(abi: Abi, maxIndirectSegments: number) {
    this.layout = requestLayouts[abi];
    this.maxIndirectSegments = maxIndirectSegments;
    this.segments = new SegmentList(Math.max(BLKIF_MAX_SEGMENTS_PER_REQUEST, maxIndirectSegments));
  }

  /**
   * @param copy the request, which nobody else can change.
   * @param target undefined: no medium is inserted.
   * @returns undefined for a good request; else how it is to be answered at once.
   */
  read(copy: DataView, target: RequestTarget | undefined, pages: GuestPages): Verdict | undefined {
    const { layout, segments } = this;
    this.idLow = copy.getUint32(layout.id, true);
    this.idHigh = copy.getUint32(layout.id + 4, true);
    this.operation = copy.getUint8(layout.operation);
    this.offset = 0;
    this.lengthBytes = 0;
    segments.clear();
    switch (this.operation) {
      case BLKIF_OP_READ:
      case BLKIF_OP_WRITE:
      case BLKIF_OP_WRITE_BARRIER:
      case BLKIF_OP_FLUSH_DISKCACHE:
        return this.readDirect(copy, target);
      case BLKIF_OP_DISCARD:
        return this.readDiscard(copy, target);
      case BLKIF_OP_INDIRECT:
        return this.readIndirect(copy, target, pages);
      default:
        return UNKNOWN_OPERATION;
    }
  }

  private readDirect(copy: DataView, target: RequestTarget | undefined): Verdict | undefined {
    const { layout, segments, operation } = this;
    const count = copy.getUint8(layout.second);
    if (count > BLKIF_MAX_SEGMENTS_PER_REQUEST) return BAD_COUNT;
    if (count === 0) {
      if (operation === BLKIF_OP_READ || operation === BLKIF_OP_WRITE) return BAD_COUNT;
      // Nothing was written to a disk that can't be written to, and a frontend that gets an error gives up flushing.
      return target === undefined || target.readOnly ? NOTHING_TO_DO : undefined;
    }
    if (!segments.append(copy, layout.segments, count)) return BAD_SEGMENT;
    return this.checkRange(copy, target, segments.sectors);
  }

  private readDiscard(copy: DataView, target: RequestTarget | undefined): Verdict | undefined {
    const { layout } = this;
    if (target === undefined) return NO_MEDIUM;
    if (!target.discards) return NO_DISCARD;
    if ((copy.getUint8(layout.second) & BLKIF_DISCARD_SECURE) !== 0) return NO_SECURE_DISCARD;
    const high = copy.getUint32(layout.discardSectors + 4, true);
    if (high >= EXACT_HIGH) return BEYOND_END;
    const sectors = high * 2 ** 32 + copy.getUint32(layout.discardSectors, true);
    return this.checkRange(copy, target, sectors) ?? (sectors === 0 ? NOTHING_TO_DO : undefined);
  }

  private readIndirect(copy: DataView, target: RequestTarget | undefined, pages: GuestPages): Verdict | undefined {
    const { layout, segments } = this;
    this.operation = copy.getUint8(layout.second);
    if (this.operation !== BLKIF_OP_READ && this.operation !== BLKIF_OP_WRITE) return BAD_INDIRECT;
    const count = copy.getUint16(layout.indirectSegments, true);
    if (count === 0 || count > this.maxIndirectSegments) return BAD_COUNT;
    for (let page = 0, left = count; left > 0; page++) {
      const here = Math.min(left, SEGMENTS_PER_INDIRECT_PAGE);
      const ref = copy.getUint32(layout.indirectRefs + 4 * page, true);
      if (!pages.copy(ref, this.indirectPage.subarray(0, here * SEGMENT_BYTES))) return BAD_INDIRECT_PAGE;
      if (!segments.append(this.indirectView, 0, here)) return BAD_SEGMENT;
      left -= here;
    }
    return this.checkRange(copy, target, segments.sectors);
  }

  private checkRange(copy: DataView, target: RequestTarget | undefined, sectors: number): Verdict | undefined {
    if (target === undefined) return NO_MEDIUM;
    if (this.operation !== BLKIF_OP_READ && target.readOnly) return READ_ONLY;
    const high = copy.getUint32(this.layout.sector + 4, true);
    if (high >= EXACT_HIGH) return BEYOND_END;
    const sector = high * 2 ** 32 + copy.getUint32(this.layout.sector, true);
    if (sector + sectors > Math.floor(target.sizeBytes / SECTOR_BYTES)) return BEYOND_END;
    const unit = target.sectorBytes / SECTOR_BYTES;
    if (unit > 1 && (sector % unit !== 0 || sectors % unit !== 0 || !this.segments.aligned(unit))) return MISALIGNED;
    this.offset = sector * SECTOR_BYTES;
    this.lengthBytes = sectors * SECTOR_BYTES;
    return undefined;
  }
}
