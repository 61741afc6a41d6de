import { MachineMemory, Mmu, type MmuOptions, Pte } from "../src/index.ts";

export const P = Pte.present;
export const RW = Pte.rw;
export const US = Pte.user;
export const A = Pte.accessed;
export const D = Pte.dirty;
export const EINVAL = -22;
export const EPERM = -1;
export const EBUSY = -16;
export const ERESTART = -85;

/** A small machine, and page-table building by plain stores as a domain builder does it. */
export class Machine {
  readonly mmu: Mmu;

  constructor(options: MmuOptions = {}, bytes = 6 * 2 ** 20) {
    this.mmu = new Mmu(new MachineMemory({ bytes }), { banks: 4, firstMfn: 512, ...options });
  }

  alloc(domid: number): number {
    const mfn = this.mmu.frames.alloc(domid);
    if (mfn < 0) throw new Error("out of frames");
    return mfn;
  }

  /** Raw store of an entry, unchecked. */
  poke(table: number, index: number, mfn: number, flags: number, hi = 0): void {
    const at = this.mmu.frames.hostAddress(table) / 4 + index * 2;
    this.mmu.memory.u32[at] = (mfn << 12) | flags;
    this.mmu.memory.u32[at + 1] = Math.floor(mfn / 0x100000) | hi;
  }

  lo(table: number, index: number): number {
    return this.mmu.memory.u32[this.mmu.frames.hostAddress(table) / 4 + index * 2];
  }

  hi(table: number, index: number): number {
    return this.mmu.memory.u32[this.mmu.frames.hostAddress(table) / 4 + index * 2 + 1];
  }

  mod(table: number, index: number, mfn: number, flags: number, domid: number, hi = 0): number {
    return this.mmu.types.modEntry(table, index, (mfn << 12) | flags, hi, domid);
  }

  /** An L4 with one branch of tables at address 0 and `pages` writable data pages; nothing is validated. */
  tree(domid: number, pages = 4): Tree {
    const [l4, l3, l2, l1] = [this.alloc(domid), this.alloc(domid), this.alloc(domid), this.alloc(domid)];
    this.poke(l4, 0, l3, P | RW | US);
    this.poke(l3, 0, l2, P | RW | US);
    this.poke(l2, 0, l1, P | RW | US);
    const data: number[] = [];
    for (let i = 0; i < pages; i++) {
      data.push(this.alloc(domid));
      this.poke(l1, i, data[i], P | RW | US);
    }
    return { l4, l3, l2, l1, data };
  }
}

export interface Tree {
  l4: number;
  l3: number;
  l2: number;
  l1: number;
  data: number[];
}
