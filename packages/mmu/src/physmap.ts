/**
 * The physical address space of a guest whose page tables are its own business: which machine frame stands behind each
 * guest frame number. Whoever changes it must flush the domain's translations, since nothing else tells the soft TLB.
 * A machine frame stands behind one guest frame at most.
 */
export class Physmap {
  /** mfn + 1 by gfn, 0 = none: the guest's RAM. */
  private readonly low: Uint32Array;
  /** Frames above it: what the hypervisor and the guest map later. */
  private readonly high = new Map<number, number>();
  /** The gfn that each frame is behind. */
  private readonly gfns = new Map<number, number>();
  private most = -1;

  /** @param lowFrames guest frames from 0 that are looked up fastest */
  constructor(lowFrames: number) {
    this.low = new Uint32Array(lowFrames);
  }

  /** The machine frame behind a guest frame, or -1. */
  lookup(gfn: number): number {
    if (gfn < this.low.length) return this.low[gfn] - 1;
    return this.high.get(gfn) ?? -1;
  }

  /** The guest frame in front of a machine frame, or -1. */
  gfnOf(mfn: number): number {
    return this.gfns.get(mfn) ?? -1;
  }

  /** Puts a machine frame behind a guest frame; it leaves the place where it was, and what was there goes. */
  map(gfn: number, mfn: number): void {
    const before = this.gfnOf(mfn);
    if (before >= 0) this.unmap(before);
    this.unmap(gfn);
    if (gfn < this.low.length) this.low[gfn] = mfn + 1;
    else this.high.set(gfn, mfn);
    this.gfns.set(mfn, gfn);
    this.most = Math.max(this.most, gfn);
  }

  /** @returns the frame that was there, or -1 */
  unmap(gfn: number): number {
    const mfn = this.lookup(gfn);
    if (mfn < 0) return -1;
    if (gfn < this.low.length) this.low[gfn] = 0;
    else this.high.delete(gfn);
    this.gfns.delete(mfn);
    return mfn;
  }

  /** The highest guest frame that ever had something behind it, or -1. */
  get highest(): number {
    return this.most;
  }
}
