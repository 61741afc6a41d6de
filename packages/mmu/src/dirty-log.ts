import type { FrameTable } from "./frames.ts";
import type { TlbBanks } from "./tlb.ts";

/**
 * Which frames were written to, as XEN_DOMCTL_SHADOW_OP_CLEAN tells of them. Whatever writes clears `FrameTable.clean`: a
 * walk for a write, of which there is one before the soft TLB lets writes by, an entry that is stored in a page table, and
 * the hypervisor where it calls `noteHostWrite`. Frames that somebody holds (mapped grants, pages of events and time) are
 * written to without that, and never count as clean.
 */
export class DirtyLog {
  constructor(
    private readonly frames: FrameTable,
    private readonly tlb: TlbBanks,
  ) {}

  /** Frames of whichever domains count as clean from now on, until something writes to them. */
  clean(mfns: readonly number[]): void {
    for (const mfn of mfns) this.frames.clean[mfn] = 1;
    // Writes that the soft TLB knows already would not be seen.
    this.tlb.flushWritable();
  }

  /** May the frame have been written to since? */
  isDirty(mfn: number): boolean {
    return this.wasWritten(mfn) || this.isHeld(mfn);
  }

  /** As far as that was noticed. */
  wasWritten(mfn: number): boolean {
    return this.frames.clean[mfn] === 0;
  }

  /** May it be written to without that anybody notices? */
  isHeld(mfn: number): boolean {
    return this.frames.heldRefs[mfn] > 0;
  }
}
