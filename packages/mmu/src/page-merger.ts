import type { FrameTable } from "./frames.ts";
import { DOMID_FREE, FrameFlags } from "./page-type.ts";
import type { SharedContents } from "./shared-contents.ts";
import type { TlbBanks } from "./tlb.ts";

/** Frames that are passed over for each that is looked at, at most. */
const PASSES = 64;
/** Pages with the same bytes that are found before their translations are dropped, all in one pass over the banks. */
const BATCH = 128;
/** Pages whose hashes are remembered until another one with the same is met. */
const CANDIDATES = 1 << 17;
/** Pages that are looked at for each that was written for the first time. */
const LOOKS_PER_PLACE = 2;
/** For a round that is not due: such a part of the places in use must have been taken since the last one began. */
const ROUND_SHARE = 16;

/**
 * Looks for pages that need no place of their own: those that are all zeros, which a kernel makes of most pages that it frees or
 * hands out, and those with the same bytes as others, of whichever domain. Who takes places pays for it: there is as much to be
 * looked at as was taken, so that a machine where nothing happens does nothing. A page that is not all zeros must have been the
 * same when it was looked at before. In steps, between which domains may do what they
 * like; nothing is allocated.
 */
export class PageMerger {
  /** Pages that were found to be zeros, and to be the same as others. */
  zeros = 0;
  merged = 0;
  /** Pages that were looked at. */
  looks = 0;
  private cursor: number;
  /** Of `places.taken`: what has been paid for, and when this round over all frames began. */
  private paid = 0;
  private roundBegan = 0;
  private eagerRound = false;
  private due = 0;
  /** By the low bits of the hash: a frame that had it, and the hash. */
  private readonly candidates = new Uint32Array(CANDIDATES);
  private readonly hashes = new Int32Array(CANDIDATES);
  /** Frames to be merged, and what each is the same as: a lent place, or a frame with a place of its own. */
  private readonly batch = new Uint32Array(BATCH);
  private readonly samePlace = new Uint32Array(BATCH);
  private readonly sameFrame = new Uint32Array(BATCH);
  private readonly batchHash = new Int32Array(BATCH);
  private batched = 0;
  /** By place: of its bytes when they were looked at last. What changes all the time would only be parted again. */
  private readonly lastHash: Int32Array;
  /** By place: 1 = its translations are to be dropped. By domain: they may be its. */
  private readonly marks: Uint8Array;
  private readonly concerned = new Uint8Array(DOMID_FREE);

  constructor(
    private readonly frames: FrameTable,
    private readonly contents: SharedContents,
    private readonly tlb: TlbBanks,
  ) {
    this.cursor = frames.firstMfn;
    this.lastHash = new Int32Array(frames.places.end);
    this.marks = new Uint8Array(frames.places.end);
  }

  /**
   * Looks at as many pages as are due, and at no more than `most`.
   * @param eager what is not due yet counts, too, once there is enough of it: nobody has anything else to do, or memory is scarce
   * @returns whether more is left that is due
   */
  work(most: number, eager: boolean): boolean {
    const { places } = this.frames;
    const used = places.total - places.free;
    this.due = Math.min(used, this.due + LOOKS_PER_PLACE * (places.taken - this.paid));
    this.paid = places.taken;
    if (eager && this.due === 0 && !this.eagerRound)
      this.eagerRound = places.taken - this.roundBegan > used / ROUND_SHARE;
    const wanted = eager && this.eagerRound ? most : Math.min(this.due, most);
    this.due = Math.max(0, this.due - wanted);
    if (wanted > 0) this.look(wanted);
    return this.due > 0 || this.eagerRound;
  }

  /** Looks at up to so many pages, at none twice. */
  look(count: number): void {
    const { frames } = this;
    const { owner, flags } = frames;
    const end = frames.usedEnd;
    let left = count;
    for (let passes = Math.min(count * PASSES, end - frames.firstMfn); left > 0 && passes > 0; passes--) {
      if (this.cursor >= end) this.beginRound();
      const mfn = this.cursor++;
      if (mfn >= end) break;
      if ((flags[mfn] & FrameFlags.borrowed) !== 0 || owner[mfn] === DOMID_FREE || !frames.isShareable(mfn)) continue;
      left--;
      this.consider(mfn);
      if (this.batched === BATCH) this.mergeBatch();
    }
    this.looks += count - left;
    this.mergeBatch();
  }

  private beginRound(): void {
    this.cursor = this.frames.firstMfn;
    this.roundBegan = this.frames.places.taken;
    this.eagerRound = false;
  }

  private consider(mfn: number): void {
    const { frames, contents, candidates, hashes } = this;
    const place = frames.place[mfn];
    // It is in the batch already.
    if (this.marks[place] !== 0) return;
    if (contents.areEqual(frames.places.zero, place)) {
      this.add(mfn, frames.places.zero, 0, 0);
      return;
    }
    const hash = contents.hash(place);
    if (this.lastHash[place] !== hash) {
      this.lastHash[place] = hash;
      return;
    }
    const lent = contents.find(place, hash);
    if (lent !== 0) {
      this.add(mfn, lent, 0, hash);
      return;
    }
    const slot = hash & (CANDIDATES - 1);
    const other = candidates[slot];
    if (other !== 0 && other !== mfn && hashes[slot] === hash && this.isCandidate(other, place)) {
      this.add(mfn, 0, other, hash);
      // It will be found by its hash from now on.
      candidates[slot] = 0;
      return;
    }
    candidates[slot] = mfn;
    hashes[slot] = hash;
  }

  /** Does a frame that was met before still have these bytes for its own? */
  private isCandidate(mfn: number, place: number): boolean {
    const { frames, contents, marks } = this;
    if ((frames.flags[mfn] & FrameFlags.borrowed) !== 0 || frames.owner[mfn] === DOMID_FREE) return false;
    if (!frames.isShareable(mfn) || marks[frames.place[mfn]] !== 0) return false;
    return contents.areEqual(frames.place[mfn], place);
  }

  private add(mfn: number, lent: number, other: number, hash: number): void {
    const at = this.batched++;
    this.batch[at] = mfn;
    this.samePlace[at] = lent;
    this.sameFrame[at] = other;
    this.batchHash[at] = hash;
    this.mark(mfn);
    if (other !== 0) this.mark(other);
  }

  private mark(mfn: number): void {
    this.marks[this.frames.place[mfn]] = 1;
    this.concerned[this.frames.owner[mfn]] = 1;
  }

  private mergeBatch(): void {
    const { frames, contents, batch, sameFrame, samePlace, batchHash, marks } = this;
    const { place, places } = frames;
    for (let i = 0; i < this.batched; i++) {
      this.dropMarked(batch[i]);
      if (sameFrame[i] !== 0) this.dropMarked(sameFrame[i]);
    }
    for (let i = 0; i < this.batched; i++) {
      const mfn = batch[i];
      const other = sameFrame[i];
      marks[place[mfn]] = 0;
      if (other !== 0) {
        marks[place[other]] = 0;
        const hash = batchHash[i];
        const known = contents.find(place[other], hash);
        contents.merge(other, hash, known);
        if (known !== 0) this.merged++;
        // It keeps its place for itself where too many pages have such hashes.
        if ((frames.flags[other] & FrameFlags.borrowed) === 0) continue;
      }
      const same = other === 0 ? samePlace[i] : place[other];
      if (same === places.zero) this.zeros++;
      else this.merged++;
      frames.borrow(mfn, same);
    }
    this.batched = 0;
  }

  /** Drops the translations of the frame's owner that lead to marked places, once a batch. */
  private dropMarked(mfn: number): void {
    const domid = this.frames.owner[mfn];
    if (this.concerned[domid] === 0) return;
    this.concerned[domid] = 0;
    this.tlb.dropMarked(domid, this.marks);
  }
}
