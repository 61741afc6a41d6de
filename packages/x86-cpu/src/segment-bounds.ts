import {
  CS,
  DS,
  ES,
  FETCH_LAST,
  READ_BOUNDS,
  SEG_ATTR,
  SEG_BASE,
  SEG_LIMIT,
  SS,
  VECTOR,
  WRITE_BOUNDS,
} from "./state.ts";

/** Bits of SEG_ATTR (Intel SDM vol. 3, 3.4.5.1). */
const ATTR = { WRITABLE: 1 << 1, EXPAND_DOWN: 1 << 2, CODE: 1 << 3, S: 1 << 4, P: 1 << 7, DB: 1 << 14 } as const;
const SEGMENTS = 6;
/** The segments of data that may be flat. */
const BASED = [DS, ES, SS];
const ALL = 0xffffffff;

/**
 * What compatibility mode's segments allow (Intel SDM vol. 3, 5.3-5.5), derived from their hidden parts into the words that
 * generated code compares with.
 *
 * Accesses by way of CS, FS and GS are always compared. Those by DS, ES and SS, and fetches, are compared in code of
 * CodeMode.SEGMENTED alone, which runs where one of the four is restricted. A segment whose base is 0 and that reaches from 0 to
 * 4 GiB - 1 needs no comparison: what is left of it, an operand that would wrap, is refused where the soft TLB misses.
 */
export class SegmentBounds {
  /** DS, ES, SS or CS is not flat. */
  restricted = false;
  /** The hidden parts as they were when the words were derived: limits, attributes, and bases. */
  private readonly seen = new Int32Array(2 * SEGMENTS + BASED.length).fill(-1);

  constructor(
    private readonly i32: Int32Array,
    private readonly u32: Uint32Array,
  ) {}

  /** To be called when hidden parts may have changed, where compatibility mode runs. Answers `restricted`. */
  update(): boolean {
    const { i32, seen } = this;
    const first = SEG_LIMIT(0) >> 2;
    let same = true;
    for (let i = 0; i < BASED.length; i++) same = same && seen[2 * SEGMENTS + i] === i32[SEG_BASE(BASED[i]) >> 2];
    // Limits and attributes follow each other.
    for (let i = 0; i < 2 * SEGMENTS; i++) same = same && seen[i] === i32[first + i];
    if (!same) this.derive();
    return this.restricted;
  }

  private derive(): void {
    const { i32, u32, seen } = this;
    seen.set(i32.subarray(SEG_LIMIT(0) >> 2, (SEG_LIMIT(0) >> 2) + 2 * SEGMENTS));
    BASED.forEach((segment, i) => {
      seen[2 * SEGMENTS + i] = i32[SEG_BASE(segment) >> 2];
    });
    for (let segment = 0; segment < SEGMENTS; segment++) this.deriveOne(segment);
    u32[FETCH_LAST >> 2] = u32[SEG_LIMIT(CS) >> 2];
    const flat = BASED.every((segment) => this.isFlat(segment));
    this.restricted = !flat || u32[FETCH_LAST >> 2] !== ALL;
  }

  private deriveOne(segment: number): void {
    const { i32, u32 } = this;
    const attributes = i32[SEG_ATTR(segment) >> 2];
    const limit = u32[SEG_LIMIT(segment) >> 2];
    const usable = (attributes & (ATTR.P | ATTR.S)) === (ATTR.P | ATTR.S);
    const code = (attributes & ATTR.CODE) !== 0;
    const readable = usable && (!code || (attributes & ATTR.WRITABLE) !== 0);
    const writable = usable && !code && (attributes & ATTR.WRITABLE) !== 0;
    let first = 0;
    let last = limit;
    if (!code && (attributes & ATTR.EXPAND_DOWN) !== 0) {
      first = limit + 1;
      last = (attributes & ATTR.DB) !== 0 ? ALL : 0xffff;
    }
    const none = first > last;
    const put = (at: number, allowed: boolean): void => {
      u32[at >> 2] = allowed && !none ? first : ALL;
      u32[(at >> 2) + 1] = allowed && !none ? last : 0;
    };
    put(READ_BOUNDS(segment), readable);
    put(WRITE_BOUNDS(segment), writable);
  }

  private isFlat(segment: number): boolean {
    const word = WRITE_BOUNDS(segment) >> 2;
    return this.u32[word] === 0 && this.u32[word + 1] === ALL && this.i32[SEG_BASE(segment) >> 2] === 0;
  }

  /** Whether `size` bytes at an offset may be accessed. */
  allows(segment: number, offset: number, size: number, write: boolean): boolean {
    const word = (write ? WRITE_BOUNDS(segment) : READ_BOUNDS(segment)) >> 2;
    return offset >= this.u32[word] && offset + size - 1 <= this.u32[word + 1];
  }

  /** Whether code may be fetched at an offset. */
  fetches(offset: number): boolean {
    return offset <= this.u32[FETCH_LAST >> 2];
  }
}

/** The exception of an access that a segment refuses; its error code is 0. */
export const boundsVector = (segment: number): number => (segment === SS ? VECTOR.SS : VECTOR.GP);
