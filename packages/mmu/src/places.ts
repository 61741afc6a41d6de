import { type MachineMemory, PAGE_SIZE } from "./memory.ts";

const NONE = 0;
/** Halves of an address space: programs have the lower one, kernels the upper. */
export const HALF = { LOWER: 1, UPPER: 2, BOTH: 3 } as const;

/** Of an address, by its high 32 bits. */
export const halfOf = (hi: number): number => (hi < 0 || hi > 0x7fffffff ? HALF.UPPER : HALF.LOWER);

/**
 * Where bytes of frames can lie: the host pages (byte offset / 4096) behind the frame table. A place belongs to one frame,
 * or is lent to several that have the same bytes, or is free. Two are nobody's: one that stays zero, and one that takes what
 * is written when there is no other left.
 */
export class Places {
  /** Always zero. It is lent without being counted. */
  readonly zero: number;
  /** For writes that nobody will read. */
  readonly sink: number;
  /**
   * By place: 1 = the processor keeps decoded instructions of these bytes. Frames that share a place share them; writes must
   * be reported.
   */
  readonly hasCode: Uint8Array;
  /** By place with code: in which halves of address spaces jumps may lead there, as bits of `HALF`. */
  readonly jumpedTo: Uint8Array;
  /** A place is lent no more: it may be written to. */
  onUnlent: (place: number) => void = () => {};
  /** Places that are lent, and the frames that borrow them; the zero page does not count. */
  lentPlaces = 0;
  lentFrames = 0;
  /** How many there are for frames. */
  total: number;
  /** How often one was taken. */
  taken = 0;
  /** How many frames borrow a place; 0 = it is somebody's own, or free. By place - `first`. */
  private readonly borrowers: Uint32Array;
  private readonly nextFree: Uint32Array;
  private readonly first: number;
  private freeHead = NONE;
  private recycled = 0;
  /** Places from here to freshEnd were never used, so they are zero. */
  private fresh: number;
  private freshEnd: number;

  /** @param count places beside the two that are nobody's */
  constructor(
    private readonly memory: MachineMemory,
    count: number,
  ) {
    const { buffer } = memory.memory;
    const words = (label: string) => new Uint32Array(buffer, memory.reserve(4 * (count + 2), 4, label), count + 2);
    this.borrowers = words("places: borrowers");
    this.nextFree = words("places: free list");
    this.first = memory.reserve((count + 2) * PAGE_SIZE, PAGE_SIZE, "frames") / PAGE_SIZE;
    this.zero = this.first;
    this.sink = this.first + 1;
    this.fresh = this.first + 2;
    this.freshEnd = this.fresh + count;
    this.total = count;
    this.hasCode = new Uint8Array(this.freshEnd);
    this.jumpedTo = new Uint8Array(this.freshEnd);
  }

  /** Bytes of memory that a place costs. */
  static readonly bytes = PAGE_SIZE + 8;
  /** Bytes beside those of the places that are counted. */
  static readonly overhead = 2 * (PAGE_SIZE + 8) + PAGE_SIZE;

  /** Places that nobody has. */
  get free(): number {
    return this.freshEnd - this.fresh + this.recycled;
  }

  /** One past the last of them. */
  get end(): number {
    return this.freshEnd;
  }

  /** Is this a place for frames, be it free or not? */
  has(place: number): boolean {
    return place >= this.first && place < this.freshEnd;
  }

  /** A jump cache is about to lead to code in a place, at an address whose high 32 bits are these. */
  noteJump(place: number, hi: number): void {
    this.jumpedTo[place] |= halfOf(hi);
  }

  /** Nothing is decoded of a place any more. */
  forgetCode(place: number): void {
    this.hasCode[place] = 0;
    this.jumpedTo[place] = 0;
  }

  /** How many frames borrow a place. */
  borrowersOf(place: number): number {
    return this.borrowers[place - this.first];
  }

  /**
   * Takes a place for one frame alone.
   * @param keep how many must be left
   * @param clear whether it must be zero; else its bytes are arbitrary
   * @returns 0 if there is none
   */
  take(keep: number, clear: boolean): number {
    if (this.free <= keep) return NONE;
    this.taken++;
    const place = this.freeHead;
    if (place === NONE) return this.fresh++;
    this.freeHead = this.nextFree[place - this.first];
    this.recycled--;
    if (clear) this.memory.u8.fill(0, place * PAGE_SIZE, (place + 1) * PAGE_SIZE);
    return place;
  }

  /** Gives back a place that belonged to one frame. */
  give(place: number): void {
    this.nextFree[place - this.first] = this.freeHead;
    this.freeHead = place;
    this.recycled++;
  }

  /** One more frame borrows a place. */
  lend(place: number): void {
    if (place === this.zero) return;
    if (this.borrowers[place - this.first]++ === 0) this.lentPlaces++;
    this.lentFrames++;
  }

  /** A frame borrows a place no more. True if it was the last one: the place is its own now. */
  leave(place: number): boolean {
    if (place === this.zero) return false;
    this.lentFrames--;
    if (--this.borrowers[place - this.first] !== 0) return false;
    this.lentPlaces--;
    this.onUnlent(place);
    return true;
  }

  /** Never-used places at the top become a private region: its host address, or -1. */
  carve(byteLength: number, align: number): number {
    const top = this.freshEnd * PAGE_SIZE;
    const start = Math.floor((top - byteLength) / align) * align;
    const end = Math.floor(start / PAGE_SIZE);
    if (end < this.fresh) return -1;
    this.total -= this.freshEnd - end;
    this.freshEnd = end;
    return start;
  }

  /** Free places that were used before, for audits. */
  *recycledPlaces(): Generator<number> {
    for (let place = this.freeHead; place !== NONE; place = this.nextFree[place - this.first]) yield place;
  }

  /** Was this place ever taken? For audits. */
  wasUsed(place: number): boolean {
    return place < this.fresh;
  }
}
