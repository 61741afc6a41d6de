import { Access, type Mmu, TLB_WRITE } from "@xen-node/mmu";
import { isGuestRange, vaHigh, vaLow } from "./address.ts";

const SCRATCH_BYTES = 8192;

/**
 * The hypervisor's view of the running vcpu's memory, through the soft-TLB bank that is active: guest pointers of
 * hypercalls, exception frames, instruction bytes. Guest pointers into the hypervisor's range are refused.
 */
export class GuestMemory {
  /** `fetch` reads to here and `store` writes from here. */
  readonly scratch = new Uint8Array(SCRATCH_BYTES);
  readonly u32 = new Uint32Array(this.scratch.buffer);
  readonly u16 = new Uint16Array(this.scratch.buffer);
  readonly view = new DataView(this.scratch.buffer);
  /** Host address of the active bank. */
  bank = 0;
  private readonly words: Uint32Array;
  private readonly bytes: Uint8Array;

  constructor(private readonly mmu: Mmu) {
    this.words = mmu.memory.u32;
    this.bytes = mmu.memory.u8;
  }

  /** Host address of a byte for reading; 0 if the guest could not read it. Valid to the end of its page. */
  hostForRead(lo: number, hi: number): number {
    return this.lookup(this.bank, lo, hi) || this.mmu.tlb.fill(this.bank, lo, hi, Access.read);
  }

  /**
   * Host address of a byte for writing; 0 if the guest could not write it. Valid to the end of its page, for the next
   * `size` bytes: decoded code among them is forgotten here.
   */
  hostForWrite(lo: number, hi: number, size: number): number {
    return this.lookup(this.bank + TLB_WRITE, lo, hi) || this.mmu.tlb.fill(this.bank, lo, hi, Access.write, size);
  }

  private lookup(array: number, lo: number, hi: number): number {
    const entry = (array + ((lo >>> 8) & 0xfff0)) >>> 2;
    const words = this.words;
    if ((words[entry] ^ lo) >>> 12 !== 0 || (words[entry + 1] ^ hi) !== 0) return 0;
    return (lo + words[entry + 2]) >>> 0;
  }

  /**
   * Word index in machine memory of a structure that the guest may read: most are aligned and within a page, and need
   * not be copied. 0: this one must be fetched, or cannot be.
   */
  wordsForRead(va: number, length: number): number {
    const lo = vaLow(va);
    if (!isAlignedInPage(lo, length) || !isGuestRange(va, length)) return 0;
    return this.hostForRead(lo, vaHigh(va)) >>> 2;
  }

  /** The same for a structure that is written, all of it. */
  wordsForWrite(va: number, length: number): number {
    const lo = vaLow(va);
    if (!isAlignedInPage(lo, length) || !isGuestRange(va, length)) return 0;
    return this.hostForWrite(lo, vaHigh(va), length) >>> 2;
  }

  /** Reads bytes wherever the guest could, stopping at the first page it could not; how many were read. */
  readBytes(va: number, dst: Uint8Array, length: number): number {
    for (let done = 0; done < length; ) {
      const at = va + done;
      const host = this.hostForRead(vaLow(at), vaHigh(at));
      if (host === 0) return done;
      const n = Math.min(length - done, 4096 - (host & 0xfff));
      for (let i = 0; i < n; i++) dst[done + i] = this.bytes[host + i];
      done += n;
    }
    return length;
  }

  /** Writes `length` bytes of `src` at a guest pointer. False: -EFAULT (part may have been written). */
  copyOut(va: number, src: Uint8Array, length: number): boolean {
    if (!isGuestRange(va, length)) return false;
    for (let done = 0; done < length; ) {
      const at = va + done;
      const host = this.hostForWrite(vaLow(at), vaHigh(at), length - done);
      if (host === 0) return false;
      const n = Math.min(length - done, 4096 - (host & 0xfff));
      for (let i = 0; i < n; i++) this.bytes[host + i] = src[done + i];
      done += n;
    }
    return true;
  }

  /** Reads a structure into the scratch area. False: -EFAULT. */
  fetch(va: number, length: number): boolean {
    const at = this.wordsForRead(va, length);
    if (at === 0) return isGuestRange(va, length) && this.readBytes(va, this.scratch, length) === length;
    const { u32, words } = this;
    const count = length >>> 2;
    for (let i = 0; i < count; i++) u32[i] = words[at + i];
    return true;
  }

  /** Writes the scratch area's first bytes to the guest. */
  store(va: number, length: number): boolean {
    const at = this.wordsForWrite(va, length);
    if (at === 0) return this.copyOut(va, this.scratch, length);
    const { u32, words } = this;
    const count = length >>> 2;
    for (let i = 0; i < count; i++) words[at + i] = u32[i];
    return true;
  }

  /** A 32-bit word of the scratch area as signed number. */
  i32(index: number): number {
    return this.u32[index] | 0;
  }

  /** Writes one aligned 32-bit word. */
  writeU32(va: number, value: number): boolean {
    this.u32[0] = value;
    return this.store(va, 4);
  }
}

/** A structure of whole words, aligned like them, that crosses no page border. */
function isAlignedInPage(lo: number, length: number): boolean {
  return length > 0 && ((lo | length) & 3) === 0 && (lo & 0xfff) + length <= 4096;
}
