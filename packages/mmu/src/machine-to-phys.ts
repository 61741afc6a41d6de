import type { FrameTable } from "./frames.ts";
import { type MachineMemory, PAGE_SIZE } from "./memory.ts";
import { NarrowMachineToPhys } from "./narrow-machine-to-phys.ts";
import { FrameFlags } from "./page-type.ts";
import { Pte } from "./pte.ts";
import { allocateXenFrame, setTableEntry } from "./xen-frames.ts";

const ENTRIES = 512;
const TABLE_FLAGS = Pte.present | Pte.user | Pte.accessed;

/**
 * The machine-to-physical table: for each frame the guest frame number that its owner gave it, as 8-byte entries. Guests
 * read it at 0xFFFF800000000000 + 8 * mfn through L4 slot 256 (xen/include/public/arch-x86/xen-x86_64.h:
 * machine_to_phys_mapping). It lies in frames of DOMID_XEN; its own page tables map it read-only and non-executable. Numbers
 * below the first frame share one page of invalid entries, and so does every page of the table until it is first written.
 * 32-bit guests have a table of their own, which says the same.
 */
export class MachineToPhys {
  /** Xen's L3 table that L4 slot 256 points at. */
  readonly l3Mfn: number;
  /** The L4 entry for slot 256. */
  readonly slotLo: number;
  readonly slotHi: number;
  /** The same for 32-bit guests. */
  readonly narrow: NarrowMachineToPhys;
  /** The table's first frame, and the frame number that its first entry is of. */
  private readonly firstPage: number;

  /** @throws RangeError if the memory is too small to hold the table */
  constructor(
    private readonly memory: MachineMemory,
    private readonly frames: FrameTable,
  ) {
    const count = frames.endMfn - frames.firstMfn;
    const pages = Math.ceil((count * 8) / PAGE_SIZE);
    const hole = this.allocate();
    const holeStart = frames.hostAddress(hole);
    memory.u8.fill(0xff, holeStart, holeStart + PAGE_SIZE);
    // The constructor runs before any frame was freed: the numbers are consecutive.
    const first = (this.firstPage = this.allocate(hole));
    for (let i = 1; i < pages; i++) this.allocate(hole);

    this.l3Mfn = this.allocate();
    const l2 = this.allocate();
    this.setEntry(this.l3Mfn, 0, l2, TABLE_FLAGS, 0);
    const holePages = frames.firstMfn / ENTRIES;
    let l1 = 0;
    for (let page = 0; page < holePages + pages; page++) {
      if (page % ENTRIES === 0) {
        l1 = this.allocate();
        this.setEntry(l2, page / ENTRIES, l1, TABLE_FLAGS, 0);
      }
      this.setEntry(
        l1,
        page % ENTRIES,
        page < holePages ? hole : first + page - holePages,
        TABLE_FLAGS,
        Pte.hiNoExecute,
      );
    }
    this.slotLo = ((this.l3Mfn << 12) | TABLE_FLAGS) >>> 0;
    this.slotHi = Math.floor(this.l3Mfn / 0x100000);
    this.narrow = new NarrowMachineToPhys(memory, frames, hole);
  }

  /** Stores the entry of a frame, which must exist; `hi` is 0 for any real guest frame number. */
  set(mfn: number, lo: number, hi = 0): void {
    const index = mfn - this.frames.firstMfn;
    const word = (this.frames.hostAddress(this.firstPage + (index >>> 9)) >>> 2) + (index & (ENTRIES - 1)) * 2;
    this.memory.u32[word] = lo;
    this.memory.u32[word + 1] = hi;
    this.narrow.set(mfn, hi === 0 ? lo : 0xffffffff);
  }

  /** INVALID_M2P_ENTRY, all ones: the frame has no place in its owner's physical address space. */
  invalidate(mfn: number): void {
    // A page that was never written says that already.
    const page = this.firstPage + ((mfn - this.frames.firstMfn) >>> 9);
    if ((this.frames.flags[page] & FrameFlags.borrowed) !== 0) return;
    this.set(mfn, 0xffffffff, 0xffffffff);
  }

  /** Guest frame number of a frame, or -1 if there is none or it is no number below 2^52. */
  get(mfn: number): number {
    if (!(mfn >= this.frames.firstMfn && mfn < this.frames.endMfn)) return -1;
    const index = mfn - this.frames.firstMfn;
    const word = (this.frames.place[this.firstPage + (index >>> 9)] << 10) + (index & (ENTRIES - 1)) * 2;
    const hi = this.memory.u32[word + 1];
    return hi > 0xfffff ? -1 : this.memory.u32[word] + hi * 2 ** 32;
  }

  private allocate(like?: number): number {
    const mfn = allocateXenFrame(this.frames, like);
    if (mfn < 0) throw new RangeError("machine memory is too small for the machine-to-physical table");
    return mfn;
  }

  private setEntry(table: number, index: number, mfn: number, flags: number, hiFlags: number): void {
    setTableEntry(this.memory, this.frames, table, index, mfn, flags, hiFlags);
  }
}
