import { MachineMemory, Mmu } from "@xen-node/mmu";
import { Cpu, type CpuOptions } from "../src/index.ts";

const PRESENT_RW_USER = 7;
const DOMID = 1;

/** A processor with identity-free page tables of its own: `map` gives pages to addresses, as a tiny kernel would. */
export class TestMachine {
  readonly mmu = new Mmu(new MachineMemory({ bytes: 128 << 20 }));
  readonly cpu: Cpu;
  readonly l4: number;

  constructor(options: CpuOptions = {}) {
    this.cpu = new Cpu(this.mmu, options);
    this.l4 = this.mmu.frames.alloc(DOMID);
    this.activate();
  }

  activate(): void {
    this.cpu.setAddressSpace(this.mmu.tlb.activate(DOMID, this.l4), this.l4);
  }

  private entry(table: number, index: number): number {
    const at = this.mmu.frames.hostAddress(table) + index * 8;
    const { view } = this.mmu.memory;
    if ((view.getUint32(at, true) & 1) === 0) this.setEntry(at, this.mmu.frames.alloc(DOMID), PRESENT_RW_USER, 0);
    return view.getUint32(at, true) / 4096 >>> 0;
  }

  private setEntry(at: number, mfn: number, lowFlags: number, highFlags: number): void {
    const { view } = this.mmu.memory;
    view.setUint32(at, mfn * 4096 + lowFlags, true);
    view.setUint32(at + 4, highFlags, true);
  }

  /** Maps a frame (a fresh one by default) at a page address. */
  map(va: number, flags = PRESENT_RW_USER, noExecute = false, mfn = this.mmu.frames.alloc(DOMID)): number {
    const page = Math.floor(va / 4096);
    const index = (level: number) => ((page / 512 ** (level - 1)) % 512 + 512) % 512 | 0;
    let table = this.l4;
    for (let level = 4; level > 1; level--) table = this.entry(table, index(level));
    const at = this.mmu.frames.hostAddress(table) + index(1) * 8;
    this.setEntry(at, mfn, flags, noExecute ? 0x80000000 : 0);
    this.mmu.tlb.flushDomain(DOMID);
    return mfn;
  }

  /** Copies bytes to mapped memory, code invalidation included. */
  write(va: number, bytes: ArrayLike<number>): void {
    for (let i = 0; i < bytes.length; i++) {
      const at = va + i;
      if (this.mmu.walker.walk(this.l4, at | 0, Math.floor(at / 2 ** 32) | 0, 0, true) !== 0) throw new Error("unmapped");
      const { mfn } = this.mmu.walker;
      this.mmu.frames.noteHostWrite(mfn, at & 0xfff, 1);
      this.mmu.memory.u8[this.mmu.frames.hostAddress(mfn) + (at & 0xfff)] = bytes[i];
    }
  }

  read(va: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      const at = va + i;
      if (this.mmu.walker.walk(this.l4, at | 0, Math.floor(at / 2 ** 32) | 0, 0, true) !== 0) throw new Error("unmapped");
      out[i] = this.mmu.memory.u8[this.mmu.frames.hostAddress(this.mmu.walker.mfn) + (at & 0xfff)];
    }
    return out;
  }
}
