import type { Cpu } from "../cpu.ts";
import { ExitReason } from "../exit.ts";
import { readRflags, writeRflags } from "../flags.ts";
import { CS, EXIT_VECTOR, IOPL, RSP, SEG_ATTR, SEG_BASE, SEG_LIMIT, SEG_SELECTOR, SS, VECTOR } from "../state.ts";
import { privilegeLevel } from "./privilege.ts";
import { DESCRIPTOR, descriptorDpl, descriptorLimit, loadSegment, setSegment } from "./segments.ts";
import type { SystemInstructions } from "./system.ts";

const LONG_ATTR = 0x2000;
/** RFLAGS bits that IRET may change at CPL 3: not IF, IOPL, VM, VIF, VIP. */
const IRET_FLAGS = 0x254dd5;

const CODE_FIELDS = [SEG_SELECTOR(CS), SEG_ATTR(CS), SEG_LIMIT(CS), SEG_BASE(CS), SEG_BASE(CS) + 4];

/**
 * IRET, far RET, JMP and CALL between code segments of one privilege level. Gates are not reachable from here, and IRET to
 * an outer level is the owner's to do, who has another address space for it.
 */
export class FarTransfers {
  private readonly view: DataView;
  private readonly i32: Int32Array;
  /** Words popped or read by `read`, in order. */
  private readonly words: bigint[] = [];

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

  /** Reads `count` words of `size` bytes from an address; false after a fault. */
  private read(address: bigint, size: number, count: number): boolean {
    this.words.length = 0;
    for (let i = 0; i < count; i++) {
      const at = address + BigInt(i * size);
      const host = this.cpu.translateForRead(
        Number(BigInt.asIntN(32, at)),
        Number(BigInt.asIntN(32, at >> 32n)),
        size,
        this.system.record,
      );
      if (host === 0) return false;
      const { view } = this;
      this.words.push(
        size === 8
          ? view.getBigUint64(host, true)
          : BigInt(size === 4 ? view.getUint32(host, true) : view.getUint16(host, true)),
      );
    }
    return true;
  }

  private stackPointer(): bigint {
    const rsp = this.view.getBigUint64(RSP, true);
    return this.long ? rsp : rsp & 0xffffffffn;
  }

  /**
   * Checks a code segment for a transfer that stays at its privilege level and loads CS. The target must be canonical for it.
   * @param before what may fault after the segment was found good and before the target is looked at
   * @returns false after raising a fault
   */
  private loadCode(selector: number, target: bigint, returning: boolean, before = () => true): boolean {
    const { cpu } = this;
    const code = selector & 0xfffc;
    const fail = (vector: number) => cpu.raise(vector, code) !== 0;
    if (code === 0) return cpu.raise(VECTOR.GP, 0) !== 0;
    const cpl = privilegeLevel(cpu.mmu.memory.i32);
    if (returning && (selector & 3) !== cpl) return fail(VECTOR.GP);
    if (!cpu.hooks.readDescriptor(selector)) return fail(VECTOR.GP);
    const low = cpu.descriptorLo;
    const high = cpu.descriptorHi;
    if ((high & (DESCRIPTOR.S | DESCRIPTOR.TYPE_CODE)) !== 0x1800) return fail(VECTOR.GP);
    const conforming = (high & DESCRIPTOR.TYPE_CONFORMING) !== 0;
    if (conforming ? descriptorDpl(high) > cpl : descriptorDpl(high) !== cpl || (selector & 3) > cpl) {
      return fail(VECTOR.GP);
    }
    if ((high & DESCRIPTOR.L) !== 0 && (high & DESCRIPTOR.DB) !== 0) return fail(VECTOR.GP);
    if ((high & DESCRIPTOR.P) === 0) return fail(VECTOR.NP);
    if (!before()) return false;
    const long = (high & DESCRIPTOR.L) !== 0;
    const reachable = long
      ? BigInt.asIntN(48, target) === BigInt.asIntN(64, target)
      : target <= BigInt(descriptorLimit(low, high));
    if (!reachable) return cpu.raise(VECTOR.GP, 0) !== 0;
    setSegment(cpu, CS, (selector & ~3) | cpl, low, high);
    return true;
  }

  private goTo(target: bigint): number {
    const long = (this.i32[SEG_ATTR(CS) >> 2] & LONG_ATTR) !== 0;
    return this.system.redispatch(Number(long ? BigInt.asIntN(64, target) : target & 0xffffffffn));
  }

  /**
   * IRETQ pops RIP, CS, RFLAGS, RSP, SS always; IRETD and IRETW in compatibility mode the first three, if they stay at
   * their privilege level. To an outer one: PRIVILEGED.
   */
  iret(): number {
    const { view, cpu } = this;
    const size = this.system.insn.opSize;
    const long = this.long;
    if ((this.i32[0x1a8 >> 2] & (1 << 14)) !== 0) return cpu.raise(VECTOR.GP, 0);
    if (!this.read(this.stackPointer(), size, long ? 5 : 3)) return 0;
    const [rip, cs, flags, rsp, ss] = this.words;
    if (!long && Number(cs & 3n) > privilegeLevel(cpu.mmu.memory.i32)) return this.system.exit(ExitReason.PRIVILEGED);
    const saved = this.saveCode();
    if (!this.loadCode(Number(cs & 0xffffn), rip, true)) return 0;
    if (long) {
      if (!loadSegment(cpu, SS, Number(ss & 0xffffn))) {
        this.restoreCode(saved);
        return 0;
      }
      view.setBigUint64(RSP, size === 8 ? rsp : size === 4 ? rsp & 0xffffffffn : rsp & 0xffffn, true);
    } else this.dropStack(size * 3);
    const mask = size === 2 ? IRET_FLAGS & 0xffff : IRET_FLAGS;
    const old = readRflags(view);
    writeRflags(view, (old & ~mask & ~(1 << 16)) | (Number(flags & 0xffffffffn) & mask & ~IOPL));
    return this.goTo(rip);
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

  private dropStack(bytes: number): void {
    const rsp = this.stackPointer() + BigInt(bytes);
    this.view.setBigUint64(RSP, this.long ? BigInt.asUintN(64, rsp) : rsp & 0xffffffffn, true);
  }

  retf(): number {
    const { insn } = this.system;
    const size = insn.opSize;
    if (!this.read(this.stackPointer(), size, 2)) return 0;
    const [target, cs] = this.words;
    const before = this.long;
    if (!this.loadCode(Number(cs & 0xffffn), target, true)) return 0;
    const rsp = this.view.getBigUint64(RSP, true) + BigInt(size * 2 + insn.immLo);
    this.view.setBigUint64(RSP, before ? BigInt.asUintN(64, rsp) : rsp & 0xffffffffn, true);
    return this.goTo(target);
  }

  /** The far pointer of the instruction: immediate, or in memory with the selector behind the offset. */
  private pointer(): { offset: bigint; selector: number } | null {
    const { insn, eaLo, eaHi } = this.system;
    if (!insn.hasMem) return { offset: BigInt(insn.immLo >>> 0), selector: insn.imm2 };
    const address = (BigInt(eaHi) << 32n) | BigInt(eaLo >>> 0);
    const size = insn.opSize;
    if (!this.read(address, size, 1)) return null;
    const [offset] = this.words;
    if (!this.read(address + BigInt(size), 2, 1)) return null;
    return { offset, selector: Number(this.words[0]) };
  }

  jmpf(): number {
    const pointer = this.pointer();
    if (pointer === null || !this.loadCode(pointer.selector, pointer.offset, false)) return 0;
    return this.goTo(pointer.offset);
  }

  callf(): number {
    const { view } = this;
    const { insn, nextRip } = this.system;
    const pointer = this.pointer();
    if (pointer === null) return 0;
    const size = insn.opSize;
    const oldCs = this.i32[SEG_SELECTOR(CS) >> 2] & 0xffff;
    let first = 0n;
    let top = 0n;
    const pushable = () => {
      // The stack pointer is as wide as the new mode has it, as AMD's processors do.
      const long = (this.cpu.descriptorHi & DESCRIPTOR.L) !== 0;
      const wrap = (at: bigint) => (long ? BigInt.asUintN(64, at) : at & 0xffffffffn);
      first = wrap(view.getBigUint64(RSP, true) - BigInt(size));
      top = wrap(first - BigInt(size));
      // CS goes first, so its fault is the one that is met; nothing is stored before both are known to succeed.
      return this.hostForWrite(first, size) !== 0 && this.hostForWrite(top, size) !== 0;
    };
    if (!this.loadCode(pointer.selector, pointer.offset, false, pushable)) return 0;
    this.store(first, size, BigInt(oldCs));
    this.store(top, size, BigInt(nextRip));
    view.setBigUint64(RSP, top, true);
    return this.goTo(pointer.offset);
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
