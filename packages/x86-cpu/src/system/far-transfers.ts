import { isCanonical } from "../canonical.ts";
import type { Cpu } from "../cpu.ts";
import { ExitReason } from "../exit.ts";
import { readRflags, writeRflags } from "../flags.ts";
import {
  CS,
  EXIT_VECTOR,
  IOPL,
  NT,
  RSP,
  SEG_ATTR,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SELECTOR,
  SS,
  SYSTEM_FLAGS,
  VECTOR,
} from "../state.ts";
import { privilegeLevel } from "./privilege.ts";
import { DESCRIPTOR, descriptorDpl, descriptorLimit, loadSegment, setSegment } from "./segments.ts";
import type { SystemInstructions } from "./system.ts";

const LONG_ATTR = 0x2000;
/** RFLAGS bits that IRET may change at CPL 3: not IF, IOPL, VM, VIF, VIP. */
const IRET_FLAGS = 0x254dd5;

/** RIP, CS, RFLAGS, RSP, SS. */
const MOST_WORDS = 5;

const CODE_FIELDS = [SEG_SELECTOR(CS), SEG_ATTR(CS), SEG_LIMIT(CS), SEG_BASE(CS), SEG_BASE(CS) + 4];

/**
 * IRET, far RET, JMP and CALL between code segments of one privilege level. Gates are not reachable from here, and IRET to
 * an outer level is the owner's to do, who has another address space for it.
 */
export class FarTransfers {
  private readonly view: DataView;
  private readonly i32: Int32Array;
  /** Words popped or read by `read`, in order, as halves. */
  private readonly lo = new Int32Array(MOST_WORDS);
  private readonly hi = new Int32Array(MOST_WORDS);

  constructor(
    private readonly cpu: Cpu,
    private readonly system: SystemInstructions,
  ) {
    this.view = cpu.mmu.memory.view;
    this.i32 = cpu.mmu.memory.i32;
  }

  private get long(): boolean {
    return (this.i32[SEG_ATTR(CS) >> 2] & LONG_ATTR) !== 0;
  }

  /** Reads a word of `size` bytes from an address; false after a fault. */
  private read(i: number, low: number, high: number, size: number): boolean {
    const { cpu, view } = this;
    const host = cpu.translateForRead(low, high, size, this.system.record);
    if (host === 0) return false;
    this.lo[i] = size === 2 ? view.getUint16(host, true) : view.getInt32(host, true);
    this.hi[i] = size === 8 ? view.getInt32(host + 4, true) : 0;
    return true;
  }

  /** Reads `count` words from the stack, each by itself: they may lie on both sides of 4 GiB. */
  private readStack(size: number, count: number): boolean {
    const { i32, system } = this;
    for (let i = 0; i < count; i++) {
      const offset = (i32[RSP >> 2] >>> 0) + i * size;
      const high = this.long ? (i32[(RSP >> 2) + 1] + (offset > 0xffffffff ? 1 : 0)) | 0 : 0;
      const at = this.long ? offset : system.stackAddress(offset, size, false);
      if (at < 0 || !this.read(i, at | 0, high, size)) return false;
    }
    return true;
  }

  /**
   * Checks a code segment for a transfer that stays at its privilege level and loads CS. The target must be canonical for it.
   * @param before what may fault after the segment was found good and before the target is looked at
   * @returns false after raising a fault
   */
  private loadCode(selector: number, low: number, high: number, returning: boolean, before = () => true): boolean {
    const { cpu } = this;
    const code = selector & 0xfffc;
    const fail = (vector: number) => cpu.raise(vector, code) !== 0;
    if (code === 0) return cpu.raise(VECTOR.GP, 0) !== 0;
    const cpl = privilegeLevel(cpu.mmu.memory.i32);
    if (returning && (selector & 3) !== cpl) return fail(VECTOR.GP);
    if (!cpu.hooks.readDescriptor(selector)) return fail(VECTOR.GP);
    const { descriptorLo, descriptorHi } = cpu;
    if ((descriptorHi & (DESCRIPTOR.S | DESCRIPTOR.TYPE_CODE)) !== 0x1800) return fail(VECTOR.GP);
    const conforming = (descriptorHi & DESCRIPTOR.TYPE_CONFORMING) !== 0;
    const dpl = descriptorDpl(descriptorHi);
    if (conforming ? dpl > cpl : dpl !== cpl || (selector & 3) > cpl) return fail(VECTOR.GP);
    const long = (descriptorHi & DESCRIPTOR.L) !== 0;
    if (long && (descriptorHi & DESCRIPTOR.DB) !== 0) return fail(VECTOR.GP);
    if ((descriptorHi & DESCRIPTOR.P) === 0) return fail(VECTOR.NP);
    if (!before()) return false;
    const reachable = long ? isCanonical(high) : high === 0 && low >>> 0 <= descriptorLimit(descriptorLo, descriptorHi);
    if (!reachable) return cpu.raise(VECTOR.GP, 0) !== 0;
    setSegment(cpu, CS, (selector & ~3) | cpl, descriptorLo, descriptorHi);
    return true;
  }

  private goTo(low: number, high: number): number {
    return this.system.redispatch((this.long ? high * 2 ** 32 : 0) + (low >>> 0));
  }

  /**
   * IRETQ pops RIP, CS, RFLAGS, RSP, SS always; IRETD and IRETW in compatibility mode the first three, if they stay at
   * their privilege level. To an outer one: PRIVILEGED.
   */
  iret(): number {
    const { view, cpu } = this;
    const size = this.system.insn.opSize;
    const long = this.long;
    if ((this.i32[SYSTEM_FLAGS >> 2] & NT) !== 0) return cpu.raise(VECTOR.GP, 0);
    if (!this.readStack(size, long ? 5 : 3)) return 0;
    const { lo, hi, i32 } = this;
    const selector = lo[1] & 0xffff;
    if (!long && (selector & 3) > privilegeLevel(i32)) return this.system.exit(ExitReason.PRIVILEGED);
    const saved = this.saveCode();
    if (!this.loadCode(selector, lo[0], hi[0], true)) return 0;
    if (long) {
      if (!loadSegment(cpu, SS, lo[4] & 0xffff)) {
        this.restoreCode(saved);
        return 0;
      }
      i32[RSP >> 2] = lo[3];
      i32[(RSP >> 2) + 1] = hi[3];
    } else this.dropStack(size * 3, false);
    const mask = size === 2 ? IRET_FLAGS & 0xffff : IRET_FLAGS;
    const old = readRflags(view);
    writeRflags(view, (old & ~mask & ~(1 << 16)) | (lo[2] & mask & ~IOPL));
    return this.goTo(lo[0], hi[0]);
  }

  /** CS with its hidden part, to be put back when a later step of the transfer faults. */
  private saveCode(): readonly number[] {
    return CODE_FIELDS.map((field) => this.i32[field >> 2]);
  }

  private restoreCode(saved: readonly number[]): void {
    CODE_FIELDS.forEach((field, i) => {
      this.i32[field >> 2] = saved[i];
    });
  }

  /** @param wide whether all of RSP counts */
  private dropStack(bytes: number, wide: boolean): void {
    const { i32 } = this;
    const low = (i32[RSP >> 2] >>> 0) + bytes;
    i32[RSP >> 2] = low | 0;
    const high = (RSP >> 2) + 1;
    i32[high] = wide ? i32[high] + (low > 0xffffffff ? 1 : 0) : 0;
  }

  retf(): number {
    const { insn } = this.system;
    const size = insn.opSize;
    if (!this.readStack(size, 2)) return 0;
    const { lo, hi } = this;
    const wide = this.long;
    if (!this.loadCode(lo[1] & 0xffff, lo[0], hi[0], true)) return 0;
    this.dropStack(size * 2 + insn.immLo, wide);
    return this.goTo(lo[0], hi[0]);
  }

  /** The far pointer of the instruction, immediate or in memory with the selector behind the offset: into the words. */
  private pointer(): boolean {
    const { insn, eaLo, eaHi } = this.system;
    const { lo, hi } = this;
    if (!insn.hasMem) {
      lo[0] = insn.immLo;
      hi[0] = 0;
      lo[1] = insn.imm2;
      return true;
    }
    const size = insn.opSize;
    if (!this.read(0, eaLo, eaHi, size)) return false;
    if (!this.system.allowSecondPart(2)) return false;
    const at = (eaLo >>> 0) + size;
    return this.read(1, at | 0, (eaHi + (at > 0xffffffff ? 1 : 0)) | 0, 2);
  }

  jmpf(): number {
    const { lo, hi } = this;
    if (!this.pointer() || !this.loadCode(lo[1], lo[0], hi[0], false)) return 0;
    return this.goTo(lo[0], hi[0]);
  }

  callf(): number {
    const { view } = this;
    const { insn, nextRip } = this.system;
    if (!this.pointer()) return 0;
    const { lo, hi } = this;
    const size = insn.opSize;
    const oldCs = this.i32[SEG_SELECTOR(CS) >> 2] & 0xffff;
    let first = 0n;
    let top = 0n;
    let stored = 0n;
    const pushable = () => {
      // The stack pointer is as wide as the new mode has it, as AMD's processors do.
      const long = (this.cpu.descriptorHi & DESCRIPTOR.L) !== 0;
      const wrap = (at: bigint) => (long ? BigInt.asUintN(64, at) : at & 0xffffffffn);
      first = wrap(view.getBigUint64(RSP, true) - BigInt(size));
      top = wrap(first - BigInt(size));
      // CS goes first, so its fault is the one that is met; nothing is stored before both are known to succeed.
      if (!long && !this.long) {
        first = this.linearStack(first, size);
        if (first < 0n) return false;
        stored = this.linearStack(top, size);
        if (stored < 0n) return false;
      } else stored = top;
      return this.hostForWrite(first, size) !== 0 && this.hostForWrite(stored, size) !== 0;
    };
    if (!this.loadCode(lo[1], lo[0], hi[0], false, pushable)) return 0;
    this.store(first, size, BigInt(oldCs));
    this.store(stored, size, BigInt(nextRip));
    view.setBigUint64(RSP, top, true);
    return this.goTo(lo[0], hi[0]);
  }

  /** −1 after a fault. */
  private linearStack(offset: bigint, size: number): bigint {
    return BigInt(this.system.stackAddress(Number(offset), size, true));
  }

  private hostForWrite(at: bigint, size: number): number {
    const host = this.cpu.translateForWrite(
      Number(BigInt.asIntN(32, at)),
      Number(BigInt.asIntN(32, at >> 32n)),
      size,
      this.system.record,
    );
    // The record tells of the far pointer's operand, but this is the stack's.
    if (host === 0 && this.view.getInt32(EXIT_VECTOR, true) === VECTOR.GP) this.cpu.raise(VECTOR.SS, 0);
    return host;
  }

  /** Writes a word to an address that was found writable. */
  private store(at: bigint, size: number, value: bigint): void {
    const { view } = this;
    const host = this.hostForWrite(at, size);
    if (size === 8) view.setBigUint64(host, BigInt.asUintN(64, value), true);
    else if (size === 4) view.setUint32(host, Number(value & 0xffffffffn), true);
    else view.setUint16(host, Number(value & 0xffffn), true);
    this.cpu.finishWrite(host);
  }
}
