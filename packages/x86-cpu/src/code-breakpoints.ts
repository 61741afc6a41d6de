import { FrameFlags, type FrameTable } from "@xen-node/mmu";

const PAGE = 4096;

/**
 * A debugger's breakpoints in frames: an instruction that begins at one is decoded as INT3, whatever memory says. Nobody can
 * see that by reading, and it outlives writes.
 */
export class CodeBreakpoints {
  /** Domain of each, by machine address. */
  private readonly domids = new Map<number, number>();

  constructor(private readonly frames: FrameTable) {}

  /** It holds while the frame is the domain's. */
  set(mfn: number, offset: number, domid: number): void {
    this.domids.set(mfn * PAGE + offset, domid);
    this.keepApart(mfn);
  }

  /** @returns whether there was one */
  clear(mfn: number, offset: number): boolean {
    if (!this.domids.delete(mfn * PAGE + offset)) return false;
    if (!this.areIn(mfn)) this.frames.flags[mfn] &= ~FrameFlags.unlendable;
    return true;
  }

  /** Whether there is one, and the frame is still its domain's. */
  isAt(mfn: number, offset: number): boolean {
    if (this.domids.size === 0) return false;
    // There was no memory left to keep it apart: its domain ends.
    if ((this.frames.flags[mfn] & FrameFlags.borrowed) !== 0) return false;
    return this.domids.get(mfn * PAGE + offset) === this.frames.owner[mfn];
  }

  /** Whether any were laid in a frame, be it for its present owner or the one before. */
  areIn(mfn: number): boolean {
    for (const address of this.domids.keys()) if (Math.floor(address / PAGE) === mfn) return true;
    return false;
  }

  /** A frame is about to be decoded, which may have got its place anew since a breakpoint was laid. */
  prepare(mfn: number): void {
    if (this.domids.size > 0 && this.areIn(mfn)) this.keepApart(mfn);
  }

  /** What is decoded of a frame with breakpoints is no other frame's. */
  private keepApart(mfn: number): void {
    this.frames.flags[mfn] |= FrameFlags.unlendable;
    this.frames.own(mfn);
  }
}
