import type { FrameTable } from "./frames.ts";
import { type MachineMemory, PAGE_SIZE } from "./memory.ts";
import { PAE_FIRST_XEN_SLOT } from "./pae.ts";
import { Pte } from "./pte.ts";
import { allocateXenFrame, setTableEntry } from "./xen-frames.ts";

const ENTRIES = 512;
const ENTRIES_PER_PAGE = PAGE_SIZE / 4;
/** Guest programs, at CPL 3, do not see the table. */
const FLAGS = Pte.present | Pte.accessed;

/**
 * The machine-to-physical table of 32-bit guests: entries of 4 bytes, read at 0xF5800000 + 4 * mfn by their kernels
 * (xen/include/public/arch-x86/xen-x86_32.h). Read-only and non-executable, as the table of 64-bit guests is.
 */
export class NarrowMachineToPhys {
  /** What L2 tables have from `PAE_FIRST_XEN_SLOT` on, (lo, hi) each. */
  readonly slots = new Uint32Array(2 * (ENTRIES - PAE_FIRST_XEN_SLOT));
  private readonly firstPage: number;
  private readonly firstMfn: number;

  /**
   * @param hole a page of invalid entries, for the numbers below the first frame
   * @throws RangeError if the memory is too small to hold the table
   */
  constructor(
    private readonly memory: MachineMemory,
    private readonly frames: FrameTable,
    hole: number,
  ) {
    const holePages = Math.floor(frames.firstMfn / ENTRIES_PER_PAGE);
    this.firstMfn = holePages * ENTRIES_PER_PAGE;
    const pages = Math.ceil((frames.endMfn - this.firstMfn) / ENTRIES_PER_PAGE);
    const take = (like?: number): number => {
      const mfn = allocateXenFrame(frames, like);
      if (mfn < 0) throw new RangeError("machine memory is too small for the machine-to-physical table");
      return mfn;
    };
    const first = (this.firstPage = take(hole));
    for (let i = 1; i < pages; i++) take(hole);
    for (let page = 0; page < holePages + pages; page++) {
      const slot = Math.floor(page / ENTRIES);
      if (page % ENTRIES === 0) {
        const table = take();
        this.slots[2 * slot] = (table << 12) | FLAGS;
        this.slots[2 * slot + 1] = Math.floor(table / 0x100000);
      }
      const table = (this.slots[2 * slot] >>> 12) + this.slots[2 * slot + 1] * 0x100000;
      const mfn = page < holePages ? hole : first + page - holePages;
      setTableEntry(memory, frames, table, page % ENTRIES, mfn, FLAGS, Pte.hiNoExecute);
    }
  }

  /** Stores the entry of a frame. */
  set(mfn: number, pfn: number): void {
    const index = mfn - this.firstMfn;
    const page = this.frames.hostAddress(this.firstPage + Math.floor(index / ENTRIES_PER_PAGE)) >>> 2;
    this.memory.u32[page + (index % ENTRIES_PER_PAGE)] = pfn;
  }
}
