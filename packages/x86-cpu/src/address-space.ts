import { Access, type Mmu, PAGE_SIZE, Pte, pteMfn } from "@xen-node/mmu";

export interface PageOptions {
  /** Default true. */
  writable?: boolean;
  /** Default true. */
  executable?: boolean;
  /** Whether CPL 3, and so the Cpu, may touch the page. Default true. */
  user?: boolean;
}

/**
 * Page tables under a root of their own, for whoever runs code without a hypervisor: tests, examples, benchmarks. Maps
 * and unmaps pages as a tiny kernel would, soft TLB included. The tables are not validated (see PageTypes in
 * @xen-node/mmu), so nothing here may be in a guest's hands.
 */
export class AddressSpace {
  /** Frame of the root table. */
  readonly l4Mfn: number;

  /** @param domid owner of the tables and of the pages that `map` allocates */
  constructor(
    readonly mmu: Mmu,
    readonly domid = 1,
  ) {
    this.l4Mfn = this.allocate();
  }

  /**
   * Maps a page, in place of what was mapped there.
   * @param va signed canonical address; its page counts
   * @param options may name the frame to map; by default it is a fresh, zeroed one
   * @returns the frame
   * @throws RangeError if no frame is left
   */
  map(va: number, options: PageOptions & { mfn?: number } = {}): number {
    const mfn = options.mfn ?? this.allocate();
    this.setEntry(va, (mfn << 12) | permissionsLow(options), Math.floor(mfn / 2 ** 20) | permissionsHigh(options));
    return mfn;
  }

  /**
   * Takes a page away; its frame stays allocated.
   * @returns the frame, or −1 if none was mapped
   */
  unmap(va: number): number {
    const mfn = this.frameAt(va);
    if (mfn >= 0) this.setEntry(va, 0, 0);
    return mfn;
  }

  /**
   * Changes what may be done with a mapped page.
   * @throws RangeError if nothing is mapped
   */
  protect(va: number, options: PageOptions): void {
    const mfn = this.frameAt(va);
    if (mfn < 0) throw new RangeError(`nothing is mapped at ${formatAddress(va)}`);
    this.map(va, { ...options, mfn });
  }

  /** The frame mapped at an address, whatever may be done with it; −1 if there is none. */
  frameAt(va: number): number {
    const at = this.entryAddress(va, false);
    if (at === 0) return -1;
    const { u32 } = this.mmu.memory;
    return (u32[at >> 2] & Pte.present) === 0 ? -1 : pteMfn(u32[at >> 2], u32[(at >> 2) + 1]);
  }

  /**
   * Copies bytes to mapped pages, read-only ones too; decoded instructions there are forgotten.
   * @throws RangeError if a page is missing; what is below it has been written
   */
  write(va: number, bytes: ArrayLike<number>): void {
    for (let done = 0; done < bytes.length; ) {
      const length = Math.min(bytes.length - done, PAGE_SIZE - pageOffset(va + done));
      const mfn = this.locate(va + done);
      const host = this.mmu.frames.hostAddress(mfn) + pageOffset(va + done);
      for (let i = 0; i < length; i++) this.mmu.memory.u8[host + i] = bytes[done + i];
      this.mmu.noteHostWrite(mfn, pageOffset(va + done), length);
      done += length;
    }
  }

  /**
   * A copy of the bytes at an address.
   * @throws RangeError if a page is missing
   */
  read(va: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const part = Math.min(length - done, PAGE_SIZE - pageOffset(va + done));
      const host = this.mmu.frames.readAddress(this.locate(va + done)) + pageOffset(va + done);
      out.set(this.mmu.memory.u8.subarray(host, host + part), done);
      done += part;
    }
    return out;
  }

  /** The soft-TLB bank of this address space, for `Cpu.setAddressSpace(bank, l4Mfn)`; good until another is activated. */
  activate(): number {
    return this.mmu.tlb.activate(this.domid, this.l4Mfn);
  }

  private locate(va: number): number {
    const { walker } = this.mmu;
    if (walker.walk(this.l4Mfn, va | 0, Math.floor(va / 2 ** 32) | 0, Access.read, false) !== 0) {
      throw new RangeError(`nothing is mapped at ${formatAddress(va)}`);
    }
    return walker.mfn;
  }

  private allocate(): number {
    const mfn = this.mmu.frames.alloc(this.domid);
    if (mfn < 0) throw new RangeError("machine memory has no frame left");
    return mfn;
  }

  private setEntry(va: number, low: number, high: number): void {
    const at = this.entryAddress(va, true) >>> 2;
    const { u32 } = this.mmu.memory;
    const oldLow = u32[at];
    const oldHigh = u32[at + 1];
    u32[at] = low;
    u32[at + 1] = high;
    if ((oldLow & Pte.present) === 0) return;
    const dirty = (oldLow & Pte.dirty) !== 0;
    const executable = (oldHigh & Pte.hiNoExecute) === 0;
    this.mmu.tlb.dropL1(this.domid, tableIndex(va, 12), pteMfn(oldLow, oldHigh), dirty, executable);
  }

  /** Host address of the last-level entry, or 0 if a table above is missing and none is to be made. */
  private entryAddress(va: number, create: boolean): number {
    const { frames, memory } = this.mmu;
    let table = this.l4Mfn;
    for (let shift = 39; shift > 12; shift -= 9) {
      const at = frames.hostAddress(table) + tableIndex(va, shift) * 8;
      if ((memory.u32[at >>> 2] & Pte.present) === 0) {
        if (!create) return 0;
        const next = this.allocate();
        memory.u32[at >>> 2] = (next << 12) | Pte.present | Pte.rw | Pte.user;
        memory.u32[(at >>> 2) + 1] = Math.floor(next / 2 ** 20);
      }
      table = pteMfn(memory.u32[at >>> 2], memory.u32[(at >>> 2) + 1]);
    }
    return frames.hostAddress(table) + tableIndex(va, 12) * 8;
  }
}

const tableIndex = (va: number, shift: number): number => ((Math.floor(va / 2 ** shift) % 512) + 512) % 512;
const pageOffset = (va: number): number => (va | 0) & (PAGE_SIZE - 1);
const formatAddress = (va: number): string => `0x${BigInt.asUintN(64, BigInt(va)).toString(16)}`;

function permissionsLow({ writable = true, user = true }: PageOptions): number {
  return Pte.present | (writable ? Pte.rw : 0) | (user ? Pte.user : 0);
}

function permissionsHigh({ executable = true }: PageOptions): number {
  return executable ? 0 : Pte.hiNoExecute;
}
