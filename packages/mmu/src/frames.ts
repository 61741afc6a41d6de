import { CPU_STATE_BYTES, type MachineMemory, PAGE_SIZE } from "./memory.ts";
import { DOMID_FREE, DOMID_XEN, FrameFlags, PageType } from "./page-type.ts";
import { Places } from "./places.ts";

export interface FrameTableOptions {
  /**
   * Number of the first frame, a multiple of 512. Default 0x10000: numbers are names, and a base that is no offset
   * shows up mistakes.
   */
  firstMfn?: number;
  /**
   * Bytes of all frames together. Default: as many as there are places for. More may be given out than there is memory for:
   * a frame takes a place only when something is written to it.
   */
  nominalBytes?: number | undefined;
}

const BYTES_PER_FRAME = 43;
const NO_FRAME = 0;
/** Places that only the hypervisor's own writes may take; a guest's writes fail before. */
const MOST_RESERVED = 256;
const RESERVED_SHARE = 32;
/** What `readAt` says of frames whose translations do not all have one L1 index. */
const SEVERAL = 0xffff;

/** How many of a domain's frames have bytes, and whose. */
export interface PlaceUsage {
  /** Frames that nobody shares a place with. */
  own: number;
  /** Frames that share a place with others. */
  shared: number;
  /** Frames without a place: nothing was written to them, or they were found to be all zeros since. */
  untouched: number;
}

/**
 * Every frame's state, as arrays indexed by machine frame number that lie in machine memory. Counts are raised and lowered
 * here; what they mean is PageTypes' business.
 *
 * A frame that nothing was written to has no bytes of its own: it borrows the zero page's place, or one that it shares with
 * frames of the same bytes, until the first write, which asks for `own`. Tables and what the hypervisor keeps pointers to
 * (Xen's frames, held ones) always have a place of their own.
 */
export class FrameTable {
  readonly firstMfn: number;
  /** One past the last frame. */
  readonly endMfn: number;
  readonly places: Places;
  /** Host page (byte offset / 4096) of the frame's bytes, to be read alone if it is borrowed; 0 = there is no such frame. */
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
  readonly flags: Uint16Array;
  /** 1: nothing has written to the frame since `DirtyLog` looked last. */
  readonly clean: Uint8Array;
  /** Bytes of a frame with code are about to change, or its place is about to be freed (offset 0, length 4096). */
  onCodeWrite: (mfn: number, offset: number, length: number) => void = () => {};
  /**
   * A frame has left a place with code, which others keep: what was found out for it leads there still.
   * @param index L1 index of all addresses that it was executed at, -1 if they have several
   * @param restarts whoever runs finds its code anew before it goes on
   */
  onCodeLeft: (mfn: number, place: number, index: number, restarts: boolean) => void = () => {};
  /** A frame has no references left and goes to the free list. */
  onFree: (mfn: number) => void = () => {};
  /**
   * A frame's bytes lie elsewhere from now on; translations to the old place must go.
   * @param index L1 index of all of them, -1 if they have several
   */
  onMove: (mfn: number, oldPlace: number, index: number) => void = () => {};
  /** There is no place left for a frame of this domain. */
  onShortage: (domid: number) => void = () => {};

  /** Places that are kept for the hypervisor's own writes. */
  readonly reserved: number;
  /**
   * 1 + the L1 index of the addresses that frames were executed at, and borrowed ones read at, since they have their places;
   * 0 = at none, SEVERAL.
   */
  private readonly readAt: Uint16Array;
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
    const nominal = options.nominalBytes === undefined ? undefined : Math.floor(options.nominalBytes / PAGE_SIZE);
    const perFrame = nominal === undefined ? BYTES_PER_FRAME : 0;
    const room = memory.unreserved - (firstMfn + (nominal ?? 0)) * BYTES_PER_FRAME - 2 * PAGE_SIZE - Places.overhead;
    const guess = Math.floor(room / (Places.bytes + perFrame));
    this.reserved = Math.min(MOST_RESERVED, Math.floor(guess / RESERVED_SHARE));
    const count = nominal ?? guess - this.reserved;
    if (count < 1 || guess < 1) throw new RangeError("machine memory has no room for frames");
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
    this.flags = new Uint16Array(buffer, array(2, "flags"), entries);
    this.readAt = new Uint16Array(buffer, array(2, "reads of borrowed places"), entries);
    this.type = new Uint8Array(buffer, array(1, "types"), entries);
    this.clean = new Uint8Array(buffer, array(1, "dirty log"), entries);

    this.places = new Places(memory, guess);
    this.place.fill(this.places.zero, firstMfn);
    this.owner.fill(DOMID_FREE);
    memory.seal((byteLength, align) => this.carve(byteLength, align));
  }

  /** Frames that `alloc` can still hand out. */
  get freeFrames(): number {
    return this.freshEnd - this.fresh + this.recycled;
  }

  /** One past the last frame that was ever used. */
  get usedEnd(): number {
    return this.fresh;
  }

  /** How many frames name this domain as their owner, those included that others' references keep alive. */
  ownedBy(domid: number): number {
    return this.ownedCounts[domid & 0x7fff];
  }

  /** The first frame at or after `from` that the domain owns, or -1. Frames may come and go between calls. */
  nextOwned(domid: number, from: number = this.firstMfn): number {
    const owner = this.owner;
    for (let mfn = Math.max(from, this.firstMfn); mfn < this.fresh; mfn++) if (owner[mfn] === domid) return mfn;
    return -1;
  }

  /**
   * Host address of the frame's first byte, for writing by the hypervisor; 0 if there is no such frame. If there is no place
   * left for the frame, it is a page that nobody reads, and `onShortage` has been told.
   */
  hostAddress(mfn: number): number {
    if (!(mfn >= this.firstMfn && mfn < this.endMfn)) return 0;
    const { place, places } = this;
    if ((this.flags[mfn] & FrameFlags.borrowed) !== 0) this.separate(mfn, 0);
    // A free frame has none either.
    const isReady = (this.flags[mfn] & FrameFlags.borrowed) === 0 && place[mfn] !== places.zero;
    return place[mfn] === 0 ? 0 : ((isReady ? place[mfn] : places.sink) << 12) >>> 0;
  }

  /** Host address of the frame's first byte for reading, until something is written to it; 0 if there is no such frame. */
  readAddress(mfn: number): number {
    return mfn >= this.firstMfn && mfn < this.endMfn ? (this.place[mfn] << 12) >>> 0 : 0;
  }

  /**
   * Makes sure that a frame may be written: gives it a place of its own, with the bytes that it has.
   * @param restarts as for `onCodeLeft`
   * @returns false if there is none left for its domain; `onShortage` has been told
   */
  own(mfn: number, restarts = false): boolean {
    return (this.flags[mfn] & FrameFlags.borrowed) === 0 || this.separate(mfn, this.reserved, restarts);
  }

  /** A translation for reading leads to the place that the frame borrows, or a jump to code in its place. */
  noteRead(mfn: number, vaLo: number): void {
    const index = (vaLo >>> 12) & 0x1ff;
    const before = this.readAt[mfn];
    if (before === index + 1) return;
    this.readAt[mfn] = before === 0 ? index + 1 : SEVERAL;
  }

  /** Does the processor keep decoded instructions of the frame's bytes? */
  hasCode(mfn: number): boolean {
    return this.places.hasCode[this.place[mfn]] === 1;
  }

  /** May a frame's place be lent? Not if it is a table's, or the hypervisor may hold pointers to it. */
  isShareable(mfn: number): boolean {
    const type = this.type[mfn];
    if ((type !== PageType.none && type !== PageType.writable) || this.owner[mfn] === DOMID_XEN) return false;
    const { xenHeap, unlendable } = FrameFlags;
    return (this.heldRefs[mfn] | this.heldTypes[mfn] | (this.flags[mfn] & (xenHeap | unlendable))) === 0;
  }

  /**
   * A frame without bytes gets those of another one, whose place they share from now on. The caller has dropped all
   * translations for writing to `source`, and those for reading if it had a place of its own.
   * @throws Error if `source` is not shareable, or `mfn` has bytes
   */
  share(source: number, mfn: number): void {
    const { flags, place, places } = this;
    if (!this.isShareable(source)) throw new Error(`frame 0x${source.toString(16)} cannot share its place`);
    if ((flags[mfn] & FrameFlags.borrowed) === 0 || place[mfn] !== places.zero || this.readAt[mfn] !== 0)
      throw new Error(`frame 0x${mfn.toString(16)} has bytes already`);
    this.lendPlace(source, mfn);
  }

  /**
   * A frame's own place is lent to it from now on, so that others may borrow it. The caller has dropped all translations.
   * @throws Error if it is not shareable
   */
  lend(mfn: number): void {
    if (!this.isShareable(mfn)) throw new Error(`frame 0x${mfn.toString(16)} cannot share its place`);
    this.lendOwn(mfn);
  }

  /** A frame gives up its own place for one that is lent, or the zero page's, with the same bytes. Conditions as for `lend`. */
  borrow(mfn: number, lent: number): void {
    this.lend(mfn);
    const { place, places } = this;
    if (places.leave(place[mfn])) this.givePlace(mfn);
    this.readAt[mfn] = 0;
    place[mfn] = lent;
    places.lend(lent);
  }

  private lendOwn(mfn: number): void {
    if ((this.flags[mfn] & FrameFlags.borrowed) !== 0) return;
    this.flags[mfn] |= FrameFlags.borrowed;
    // Jumps lead on to code.
    if (!this.hasCode(mfn)) this.readAt[mfn] = 0;
    this.places.lend(this.place[mfn]);
  }

  private lendPlace(source: number, mfn: number): void {
    const { place, places } = this;
    this.lendOwn(source);
    place[mfn] = place[source];
    places.lend(place[mfn]);
  }

  /** What a domain's frames take. In time proportional to all frames. */
  usage(domid: number): PlaceUsage {
    const usage: PlaceUsage = { own: 0, shared: 0, untouched: 0 };
    for (let mfn = this.nextOwned(domid); mfn >= 0; mfn = this.nextOwned(domid, mfn + 1)) {
      const { places, place } = this;
      if ((this.flags[mfn] & FrameFlags.borrowed) !== 0 && place[mfn] === places.zero) usage.untouched++;
      else if (places.borrowersOf(place[mfn]) > 1) usage.shared++;
      else usage.own++;
    }
    return usage;
  }

  private separate(mfn: number, keep: number, restarts = false): boolean {
    const { place, places, memory } = this;
    const old = place[mfn];
    const isShared = old !== places.zero;
    if (!isShared || places.borrowersOf(old) > 1) {
      const taken = places.take(keep, !isShared);
      if (taken === 0) {
        this.onShortage(this.owner[mfn]);
        return false;
      }
      if (isShared) memory.u8.copyWithin(taken * PAGE_SIZE, old * PAGE_SIZE, (old + 1) * PAGE_SIZE);
      place[mfn] = taken;
    }
    places.leave(old);
    this.flags[mfn] &= ~FrameFlags.borrowed;
    if (place[mfn] === old) return true;
    const at = this.readAt[mfn];
    const index = at === SEVERAL ? -1 : at - 1;
    this.readAt[mfn] = 0;
    if (at !== 0) this.onMove(mfn, old, index);
    if (places.hasCode[old] !== 0) this.onCodeLeft(mfn, old, index, restarts);
    return true;
  }

  /** Is this the number of a frame that memory stands behind? */
  exists(mfn: number): boolean {
    return mfn >= this.firstMfn && mfn < this.endMfn && this.place[mfn] !== 0;
  }

  /**
   * Gives a zero-filled frame to a domain, with one general reference (its own: FrameFlags.allocated). It has no place yet.
   * Xen's own frames have one at once.
   * @returns its number, or -1 if none is left
   */
  alloc(domid: number): number {
    const mfn = this.takeFrame(domid);
    if (domid !== DOMID_XEN || mfn < 0 || this.separate(mfn, 0)) return mfn;
    this.free(mfn);
    return -1;
  }

  /** A frame with the bytes of another one, whose place is never written before all that share it are let go. */
  allocLike(domid: number, source: number): number {
    const mfn = this.takeFrame(domid);
    if (mfn >= 0) this.lendPlace(source, mfn);
    return mfn;
  }

  /**
   * Gives a domain a frame with the bytes of another one. They share its place from now on, as after `share` and under its
   * conditions, if that may be lent; else the bytes are copied.
   * @returns its number, or -1 if none is left
   */
  allocSharing(domid: number, source: number): number {
    const mfn = this.takeFrame(domid);
    const { places, memory } = this;
    // Nothing was ever written to it: so it is with the new one.
    if (mfn < 0 || this.place[source] === places.zero) return mfn;
    if (this.isShareable(source)) {
      this.lendPlace(source, mfn);
      return mfn;
    }
    const to = this.hostAddress(mfn);
    const from = this.readAddress(source);
    memory.u8.copyWithin(to, from, from + PAGE_SIZE);
    return mfn;
  }

  private takeFrame(domid: number): number {
    let mfn: number;
    if (this.freeHead !== NO_FRAME) {
      mfn = this.freeHead;
      this.freeHead = this.nextFree[mfn];
      this.recycled--;
    } else if (this.fresh < this.freshEnd) {
      mfn = this.fresh++;
    } else {
      return -1;
    }
    this.owner[mfn] = domid;
    this.ownedCounts[domid]++;
    this.refCount[mfn] = 1;
    this.flags[mfn] = FrameFlags.allocated | FrameFlags.borrowed;
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
    if (this.hasCode(mfn)) this.onCodeWrite(mfn, offset, length);
  }

  private givePlace(mfn: number): void {
    const place = this.place[mfn];
    if (this.hasCode(mfn)) this.onCodeWrite(mfn, 0, PAGE_SIZE);
    this.places.forgetCode(place);
    this.places.give(place);
  }

  private release(mfn: number): void {
    if (this.refCount[mfn] !== 1 || this.typeCount[mfn] !== 0 || (this.flags[mfn] & FrameFlags.allocated) !== 0) {
      throw new Error(`frame 0x${mfn.toString(16)}: last reference dropped, but it is still in use`);
    }
    this.clean[mfn] = 0;
    this.onFree(mfn);
    // Nobody has translations to it any more, so code that others share with it may stay.
    if ((this.flags[mfn] & FrameFlags.borrowed) === 0 || this.places.leave(this.place[mfn])) this.givePlace(mfn);
    this.place[mfn] = this.places.zero;
    this.readAt[mfn] = 0;
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

  /** Never-used places at the top become a private region, and as many frames are no more. */
  private carve(byteLength: number, align: number): number {
    if (byteLength === 0) return CPU_STATE_BYTES;
    const before = this.places.total;
    const gone = Math.ceil(byteLength / PAGE_SIZE) + 1;
    if (this.freshEnd - this.fresh < gone || this.places.free < gone + this.reserved) return -1;
    const start = this.places.carve(byteLength, align);
    if (start < 0) return -1;
    const end = Math.max(this.fresh, this.freshEnd - (before - this.places.total));
    this.place.fill(0, end, this.freshEnd);
    this.freshEnd = end;
    return start;
  }
}
