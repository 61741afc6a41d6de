import { CPU_STATE_BYTES, type MachineMemory, PAGE_SIZE } from "./memory.ts";
import { DOMID_FREE, FrameFlags } from "./page-type.ts";

export interface FrameTableOptions {
  /**
   * Number of the first frame, a multiple of 512. Default 0x10000: numbers are names, and a base that is no offset
   * shows up mistakes.
   */
  firstMfn?: number;
}

const BYTES_PER_FRAME = 40;
const NO_FRAME = 0;

/**
 * Every frame's state, as arrays indexed by machine frame number that lie in machine memory. The frames themselves take
 * what is left of it. Counts are raised and lowered here; what they mean is PageTypes' business.
 */
export class FrameTable {
  readonly firstMfn: number;
  /** One past the last frame. */
  readonly endMfn: number;
  /** Host page (byte offset / 4096) of the frame's bytes; 0 = there is no such frame. */
  readonly place: Uint32Array;
  readonly typeCount: Uint32Array;
  readonly refCount: Uint32Array;
  /** The parts of the counts that callers of PageTypes' public get functions hold. */
  readonly heldRefs: Uint32Array;
  readonly heldTypes: Uint32Array;
  /** Linear page-table entries: > 0 how many of other tables point here, < 0 how many this table has. */
  readonly linear: Int32Array;
  /** Domain id; DOMID_FREE on the free list. */
  readonly owner: Uint16Array;
  /** Of a partial table: how many entries, from the first, hold references. */
  readonly progress: Uint16Array;
  /** PageType. */
  readonly type: Uint8Array;
  /** FrameFlags. */
  readonly flags: Uint8Array;
  /** 1: nothing has written to the frame since `DirtyLog` looked last. */
  readonly clean: Uint8Array;
  /** Bytes of a frame with hasCode are about to change, or the frame is about to be freed (offset 0, length 4096). */
  onCodeWrite: (mfn: number, offset: number, length: number) => void = () => {};
  /** A frame has no references left and goes to the free list. */
  onFree: (mfn: number) => void = () => {};

  private readonly nextFree: Uint32Array;
  private readonly ownedCounts = new Uint32Array(0x8000);
  private freeHead = NO_FRAME;
  private recycled = 0;
  /** Frames from here to freshEnd were never used, so they are zero. */
  private fresh: number;
  private freshEnd: number;

  /** @throws RangeError if the memory has no room for a single frame */
  constructor(
    private readonly memory: MachineMemory,
    options: FrameTableOptions = {},
  ) {
    const firstMfn = options.firstMfn ?? 0x10000;
    if (firstMfn <= 0 || firstMfn % 512 !== 0) throw new RangeError("firstMfn must be a positive multiple of 512");
    const room = memory.unreserved - firstMfn * BYTES_PER_FRAME - 3 * PAGE_SIZE;
    const count = Math.floor(room / (PAGE_SIZE + BYTES_PER_FRAME));
    if (count < 1) throw new RangeError("machine memory has no room for frames");
    this.firstMfn = this.fresh = firstMfn;
    this.endMfn = this.freshEnd = firstMfn + count;

    const entries = this.endMfn;
    const buffer = memory.memory.buffer;
    const array = (bytes: number, name: string) => memory.reserve(entries * bytes, 8, `frame table: ${name}`);
    this.place = new Uint32Array(buffer, array(4, "place"), entries);
    this.typeCount = new Uint32Array(buffer, array(4, "type counts"), entries);
    this.refCount = new Uint32Array(buffer, array(4, "reference counts"), entries);
    this.heldRefs = new Uint32Array(buffer, array(4, "held references"), entries);
    this.heldTypes = new Uint32Array(buffer, array(4, "held types"), entries);
    this.linear = new Int32Array(buffer, array(4, "linear counts"), entries);
    this.nextFree = new Uint32Array(buffer, array(4, "free list"), entries);
    this.owner = new Uint16Array(buffer, array(2, "owners"), entries);
    this.progress = new Uint16Array(buffer, array(2, "progress"), entries);
    this.type = new Uint8Array(buffer, array(1, "types"), entries);
    this.flags = new Uint8Array(buffer, array(1, "flags"), entries);
    this.clean = new Uint8Array(buffer, array(1, "dirty log"), entries);

    const firstPlace = memory.reserve(count * PAGE_SIZE, PAGE_SIZE, "frames") / PAGE_SIZE;
    for (let i = 0; i < count; i++) this.place[firstMfn + i] = firstPlace + i;
    this.owner.fill(DOMID_FREE);
    memory.seal((byteLength, align) => this.carve(byteLength, align));
  }

  /** Frames that `alloc` can still hand out. */
  get freeFrames(): number {
    return this.freshEnd - this.fresh + this.recycled;
  }

  /** How many frames name this domain as their owner, those included that others' references keep alive. */
  ownedBy(domid: number): number {
    return this.ownedCounts[domid & 0x7fff];
  }

  /** The first frame at or after `from` that the domain owns, or -1. Frames may come and go between calls. */
  nextOwned(domid: number, from: number = this.firstMfn): number {
    const owner = this.owner;
    for (let mfn = Math.max(from, this.firstMfn); mfn < this.freshEnd; mfn++) if (owner[mfn] === domid) return mfn;
    return -1;
  }

  /** Host address of the frame's first byte; 0 if there is no such frame. */
  hostAddress(mfn: number): number {
    return mfn >= this.firstMfn && mfn < this.endMfn ? (this.place[mfn] << 12) >>> 0 : 0;
  }

  /** Is this the number of a frame that memory stands behind? */
  exists(mfn: number): boolean {
    return mfn >= this.firstMfn && mfn < this.endMfn && this.place[mfn] !== 0;
  }

  /**
   * Gives a zero-filled frame to a domain, with one general reference (its own: FrameFlags.allocated).
   * @returns its number, or -1 if none is left
   */
  alloc(domid: number): number {
    let mfn: number;
    if (this.freeHead !== NO_FRAME) {
      mfn = this.freeHead;
      this.freeHead = this.nextFree[mfn];
      this.recycled--;
      const start = this.place[mfn] * PAGE_SIZE;
      this.memory.u8.fill(0, start, start + PAGE_SIZE);
    } else if (this.fresh < this.freshEnd) {
      mfn = this.fresh++;
    } else {
      return -1;
    }
    this.owner[mfn] = domid;
    this.ownedCounts[domid]++;
    this.refCount[mfn] = 1;
    this.flags[mfn] = FrameFlags.allocated;
    return mfn;
  }

  /**
   * Drops the owner's own reference. The frame goes back to the free list when nobody else refers to it.
   * @throws Error if the owner's reference is gone already: a mistake of the caller
   */
  free(mfn: number): void {
    if (!this.exists(mfn) || (this.flags[mfn] & FrameFlags.allocated) === 0) {
      throw new Error(`frame 0x${mfn.toString(16)} is not allocated`);
    }
    this.flags[mfn] &= ~FrameFlags.allocated;
    this.putRef(mfn);
  }

  /** Takes a general reference if the frame is in use, owned by this domain, and below the limit. */
  getRef(mfn: number, domid: number, limit: number): boolean {
    if (!(mfn >= this.firstMfn && mfn < this.endMfn) || this.owner[mfn] !== domid) return false;
    const count = this.refCount[mfn];
    if (count === 0 || count >= limit) return false;
    this.refCount[mfn] = count + 1;
    return true;
  }

  /** Drops a general reference; the last one frees the frame. */
  putRef(mfn: number): void {
    const count = this.refCount[mfn];
    if (count > 1) this.refCount[mfn] = count - 1;
    else this.release(mfn);
  }

  /** Hands a frame over to another owner with all its references. */
  setOwner(mfn: number, domid: number): void {
    this.ownedCounts[this.owner[mfn]]--;
    this.owner[mfn] = domid;
    this.ownedCounts[domid]++;
  }

  /** To be called before or after the hypervisor writes bytes of a frame by itself. */
  noteHostWrite(mfn: number, offset: number, length: number): void {
    this.clean[mfn] = 0;
    if ((this.flags[mfn] & FrameFlags.hasCode) !== 0) this.onCodeWrite(mfn, offset, length);
  }

  private release(mfn: number): void {
    if (this.refCount[mfn] !== 1 || this.typeCount[mfn] !== 0 || (this.flags[mfn] & FrameFlags.allocated) !== 0) {
      throw new Error(`frame 0x${mfn.toString(16)}: last reference dropped, but it is still in use`);
    }
    this.noteHostWrite(mfn, 0, PAGE_SIZE);
    this.onFree(mfn);
    this.ownedCounts[this.owner[mfn]]--;
    this.refCount[mfn] = 0;
    this.owner[mfn] = DOMID_FREE;
    this.flags[mfn] = 0;
    this.nextFree[mfn] = this.freeHead;
    this.freeHead = mfn;
    this.recycled++;
  }

  /** Numbers on the free list that were used before, for audits. */
  *recycledFrames(): Generator<number> {
    for (let mfn = this.freeHead, left = this.recycled; left > 0; left--, mfn = this.nextFree[mfn]) yield mfn;
  }

  /** Never-used frames at the top become a private region. */
  private carve(byteLength: number, align: number): number {
    if (byteLength === 0) return CPU_STATE_BYTES;
    const top = this.freshEnd > this.firstMfn ? (this.place[this.freshEnd - 1] + 1) * PAGE_SIZE : 0;
    const start = Math.floor((top - byteLength) / align) * align;
    const end = this.freshEnd - (top / PAGE_SIZE - Math.floor(start / PAGE_SIZE));
    if (start < 0 || end < this.fresh) return -1;
    this.place.fill(0, end, this.freshEnd);
    this.freshEnd = end;
    return start;
  }
}
