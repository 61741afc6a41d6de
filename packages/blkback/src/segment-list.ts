import { SECTORS_PER_PAGE, SEGMENT_BYTES } from "./request-layout.ts";

/**
 * The segments of the request that is being looked at. One list serves all requests of a device: it is filled, checked and
 * used up before the next request is taken.
 */
export class SegmentList {
  readonly refs: Uint32Array;
  /** First sector of each segment in its page. */
  readonly firsts: Uint8Array;
  /** Sectors of each segment. */
  readonly lengths: Uint8Array;
  count = 0;
  /** Sectors of all of them together. */
  sectors = 0;

  constructor(capacity: number) {
    this.refs = new Uint32Array(capacity);
    this.firsts = new Uint8Array(capacity);
    this.lengths = new Uint8Array(capacity);
  }

  clear(): void {
    this.count = 0;
    this.sectors = 0;
  }

  /** Appends `count` segments from a private copy. False: one of them makes no sense. The caller minds the capacity. */
  append(copy: DataView, offset: number, count: number): boolean {
    for (let i = 0, at = offset; i < count; i++, at += SEGMENT_BYTES) {
      const first = copy.getUint8(at + 4);
      const last = copy.getUint8(at + 5);
      if (first > last || last >= SECTORS_PER_PAGE) return false;
      const index = this.count++;
      this.refs[index] = copy.getUint32(at, true);
      this.firsts[index] = first;
      this.lengths[index] = last - first + 1;
      this.sectors += last - first + 1;
    }
    return true;
  }

  /** Whether each segment is whole sectors of a disk whose sectors have `unit` units of 512 bytes. */
  aligned(unit: number): boolean {
    for (let i = 0; i < this.count; i++) if (this.lengths[i] % unit !== 0) return false;
    return true;
  }
}
