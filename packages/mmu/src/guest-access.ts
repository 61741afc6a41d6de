import type { FrameTable } from "./frames.ts";
import type { MachineMemory } from "./memory.ts";
import { PageType } from "./page-type.ts";
import type { Walker } from "./walker.ts";

/** The lowest canonical addresses, L4 slots 256-271, are Xen's own: no hypercall argument may lie there. */
const XEN_END = -(2 ** 47) + 2 ** 43;

/**
 * Reads and writes a guest's virtual memory for hypercalls, with the guest's own rights (all its pages are USER, so
 * kernel and user are told apart by the L4 table alone). Addresses are signed canonical numbers. A page that cannot be
 * accessed ends the operation: false (or -1), and the hypercall answers -EFAULT; what came before it has been copied.
 * Xen's range is refused.
 */
export class GuestAccess {
  /** Result of readU64. */
  lo = 0;
  hi = 0;
  /** Where the last failed access failed; walker.errorCode says how. */
  faultVa = 0;
  /** Frame of the last successful `translate`. */
  mfn = 0;

  constructor(
    private readonly memory: MachineMemory,
    private readonly frames: FrameTable,
    private readonly walker: Walker,
  ) {}

  /**
   * Checks one byte's access as the processor would, and sets accessed and dirty bits.
   * @param access Access
   * @returns its host address, good up to the end of its page; 0 if the guest may not access it
   */
  translate(l4Mfn: number, va: number, access: number): number {
    if (va >= XEN_END && va < 2 ** 47) {
      if (this.walker.walk(l4Mfn, va | 0, Math.floor(va / 2 ** 32) | 0, access, true) === 0) {
        const mfn = this.walker.mfn;
        const type = this.frames.type[mfn];
        if (access !== 1 || ((type === PageType.writable || type === PageType.none) && this.frames.own(mfn))) {
          this.mfn = mfn;
          return ((this.frames.place[mfn] << 12) >>> 0) + (va & 0xfff);
        }
      }
    }
    this.faultVa = va;
    return 0;
  }

  /** Copies `n` bytes of the guest to `dst`. */
  copyIn(l4Mfn: number, va: number, dst: Uint8Array, n: number = dst.length): boolean {
    for (let done = 0; done < n; ) {
      const host = this.translate(l4Mfn, va + done, 0);
      if (host === 0) return false;
      const length = Math.min(n - done, 4096 - (host & 0xfff));
      dst.set(this.memory.u8.subarray(host, host + length), done);
      done += length;
    }
    return true;
  }

  /** Copies the first `n` bytes of `src` to the guest. */
  copyOut(l4Mfn: number, va: number, src: Uint8Array, n: number = src.length): boolean {
    for (let done = 0; done < n; ) {
      const host = this.translate(l4Mfn, va + done, 1);
      if (host === 0) return false;
      const length = Math.min(n - done, 4096 - (host & 0xfff));
      this.memory.u8.set(src.subarray(done, done + length), host);
      this.frames.noteHostWrite(this.mfn, host & 0xfff, length);
      done += length;
    }
    return true;
  }

  /** Zeroes `n` bytes of the guest. */
  clear(l4Mfn: number, va: number, n: number): boolean {
    for (let done = 0; done < n; ) {
      const host = this.translate(l4Mfn, va + done, 1);
      if (host === 0) return false;
      const length = Math.min(n - done, 4096 - (host & 0xfff));
      this.memory.u8.fill(0, host, host + length);
      this.frames.noteHostWrite(this.mfn, host & 0xfff, length);
      done += length;
    }
    return true;
  }

  /** A byte, or -1. */
  readU8(l4Mfn: number, va: number): number {
    const host = this.translate(l4Mfn, va, 0);
    return host === 0 ? -1 : this.memory.u8[host];
  }

  /** A 16-bit word, or -1. */
  readU16(l4Mfn: number, va: number): number {
    if ((va & 0xfff) <= 4094) {
      const host = this.translate(l4Mfn, va, 0);
      return host === 0 ? -1 : this.memory.view.getUint16(host, true);
    }
    const low = this.readU8(l4Mfn, va);
    const high = this.readU8(l4Mfn, va + 1);
    return low < 0 || high < 0 ? -1 : low | (high << 8);
  }

  /** A 32-bit word, or -1. */
  readU32(l4Mfn: number, va: number): number {
    if ((va & 0xfff) <= 4092) {
      const host = this.translate(l4Mfn, va, 0);
      return host === 0 ? -1 : this.memory.view.getUint32(host, true);
    }
    const low = this.readU16(l4Mfn, va);
    const high = this.readU16(l4Mfn, va + 2);
    return low < 0 || high < 0 ? -1 : low + high * 0x10000;
  }

  /** A 64-bit word, to `lo` and `hi`. */
  readU64(l4Mfn: number, va: number): boolean {
    if ((va & 0xfff) <= 4088) {
      const host = this.translate(l4Mfn, va, 0);
      if (host === 0) return false;
      this.lo = this.memory.view.getUint32(host, true);
      this.hi = this.memory.view.getUint32(host + 4, true);
      return true;
    }
    const low = this.readU32(l4Mfn, va);
    const high = this.readU32(l4Mfn, va + 4);
    if (low < 0 || high < 0) return false;
    this.lo = low;
    this.hi = high;
    return true;
  }

  writeU8(l4Mfn: number, va: number, value: number): boolean {
    const host = this.translate(l4Mfn, va, 1);
    if (host === 0) return false;
    this.memory.u8[host] = value;
    this.frames.noteHostWrite(this.mfn, host & 0xfff, 1);
    return true;
  }

  writeU16(l4Mfn: number, va: number, value: number): boolean {
    return this.writeBytes(l4Mfn, va, 2, value, 0);
  }

  writeU32(l4Mfn: number, va: number, value: number): boolean {
    return this.writeBytes(l4Mfn, va, 4, value, 0);
  }

  writeU64(l4Mfn: number, va: number, lo: number, hi: number): boolean {
    return this.writeBytes(l4Mfn, va, 8, lo, hi);
  }

  /** All or nothing, as one store of the processor would be. */
  private writeBytes(l4Mfn: number, va: number, size: number, lo: number, hi: number): boolean {
    const inFirst = Math.min(size, 4096 - (va & 0xfff));
    const first = this.translate(l4Mfn, va, 1);
    if (first === 0) return false;
    const firstMfn = this.mfn;
    let second = 0;
    if (inFirst < size) {
      second = this.translate(l4Mfn, va + inFirst, 1);
      if (second === 0) return false;
    }
    for (let i = 0; i < size; i++) {
      const byte = (i < 4 ? lo >>> (8 * i) : hi >>> (8 * (i - 4))) & 0xff;
      this.memory.u8[i < inFirst ? first + i : second + i - inFirst] = byte;
    }
    this.frames.noteHostWrite(firstMfn, first & 0xfff, inFirst);
    if (inFirst < size) this.frames.noteHostWrite(this.mfn, 0, size - inFirst);
    return true;
  }
}
