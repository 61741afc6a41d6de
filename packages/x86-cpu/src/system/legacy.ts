import type { Cpu } from "../cpu.ts";
import { readArithmeticFlags } from "../flags.ts";
import { GPR, RBP, RSP, VECTOR } from "../state.ts";
import { loadSegment } from "./segments.ts";
import type { SystemInstructions } from "./system.ts";

/** ENTER, BOUND, PUSHA, POPA, SALC and the loads of far pointers. */
export class LegacyInstructions {
  private readonly view: DataView;

  constructor(
    private readonly cpu: Cpu,
    private readonly system: SystemInstructions,
  ) {
    this.view = cpu.mmu.memory.view;
  }

  private host(address: bigint, size: number, write: boolean): number {
    const low = Number(BigInt.asIntN(32, address));
    const high = Number(BigInt.asIntN(32, address >> 32n));
    const { record } = this.system;
    return write
      ? this.cpu.translateForWrite(low, high, size, record)
      : this.cpu.translateForRead(low, high, size, record);
  }

  /** The same for an offset in SS. */
  private stackHost(offset: bigint, size: number, write: boolean): number {
    if (this.system.insn.mode64) return this.host(offset, size, write);
    const at = this.system.stackAddress(Number(offset & 0xffffffffn), size, write);
    return at < 0 ? 0 : this.host(BigInt(at), size, write);
  }

  private load(at: number, size: number): bigint {
    const { view } = this;
    if (size === 8) return view.getBigUint64(at, true);
    return BigInt(size === 4 ? view.getUint32(at, true) : view.getUint16(at, true));
  }

  private store(at: number, size: number, value: bigint): void {
    const { view } = this;
    if (size === 8) view.setBigUint64(at, BigInt.asUintN(64, value), true);
    else if (size === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
    else view.setUint16(at, Number(BigInt.asUintN(16, value)), true);
  }

  private setRegister(register: number, size: number, value: bigint): void {
    if (size === 2) this.view.setUint16(GPR(register), Number(BigInt.asUintN(16, value)), true);
    else
      this.view.setBigUint64(GPR(register), size === 4 ? BigInt.asUintN(32, value) : BigInt.asUintN(64, value), true);
  }

  private wrap(address: bigint): bigint {
    return this.system.insn.mode64 ? BigInt.asUintN(64, address) : address & 0xffffffffn;
  }

  /** ENTER frame size, nesting level: all accesses are checked before the registers change. */
  enter(): number {
    const { insn, next } = this.system;
    const size = insn.opSize;
    const bytes = BigInt(size);
    const level = insn.imm2 & 31;
    const rsp = this.view.getBigUint64(RSP, true);
    const rbp = this.view.getBigUint64(RBP, true);
    const frame = this.wrap(rsp - bytes);
    const slot = (i: number) => this.wrap(rsp - bytes * BigInt(i + 1));
    const outer = (i: number) => this.wrap(rbp - bytes * BigInt(i));
    const words = level === 0 ? 1 : level + 1;
    // First everything that can fault, in the order of the accesses; the new stack top must be writable, too.
    for (let i = 0; i < words; i++) {
      const nested = i > 0 && i < level;
      if (nested && this.stackHost(outer(i), size, false) === 0) return 0;
      if (this.stackHost(slot(i), size, true) === 0) return 0;
    }
    const top = this.wrap(slot(words - 1) - BigInt(insn.immLo & 0xffff));
    if (this.stackHost(top, size, true) === 0) return 0;
    // The words pushed may be among the ones that are read after.
    for (let i = 0; i < words; i++) {
      let value = i === 0 ? rbp : frame;
      if (i > 0 && i < level) value = this.load(this.stackHost(outer(i), size, false), size);
      const host = this.stackHost(slot(i), size, true);
      this.store(host, size, value);
      this.cpu.finishWrite(host);
    }
    this.setRegister(5, size, frame);
    this.view.setBigUint64(RSP, top, true);
    return next.call(this.system);
  }

  bound(): number {
    const { insn, eaLo, eaHi } = this.system;
    const size = insn.opSize;
    const address = (BigInt(eaHi) << 32n) | BigInt(eaLo >>> 0);
    let host = this.host(address, size, false);
    if (host === 0) return 0;
    const bits = size * 8;
    const index = BigInt.asIntN(bits, this.load(GPR(insn.reg), size));
    const lower = BigInt.asIntN(bits, this.load(host, size));
    if (!this.system.allowSecondPart(size)) return 0;
    host = this.host(address + BigInt(size), size, false);
    if (host === 0) return 0;
    const upper = BigInt.asIntN(bits, this.load(host, size));
    if (index < lower || index > upper) return this.cpu.raise(VECTOR.BR);
    return this.system.next();
  }

  pusha(): number {
    const size = this.system.insn.opSize;
    const rsp = this.view.getBigUint64(RSP, true);
    const top = this.wrap(rsp - BigInt(size * 8));
    // Each word is checked by itself, from the top, as if it was pushed.
    for (let i = 1; i <= 8; i++) {
      if (this.stackHost(this.wrap(rsp - BigInt(size * i)), size, true) === 0) return 0;
    }
    for (let register = 0; register < 8; register++) {
      const host = this.stackHost(this.wrap(rsp - BigInt(size * (register + 1))), size, true);
      if (host === 0) return 0;
      this.store(host, size, this.load(GPR(register), size));
      this.cpu.finishWrite(host);
    }
    this.view.setBigUint64(RSP, top, true);
    return this.system.next();
  }

  popa(): number {
    const size = this.system.insn.opSize;
    const rsp = this.view.getBigUint64(RSP, true);
    // Words may lie on both sides of 4 GiB, and all of them are asked before a register changes.
    for (const pass of ["check", "load"]) {
      for (let i = 0; i < 8; i++) {
        const host = this.stackHost(this.wrap(rsp + BigInt(size * i)), size, false);
        if (host === 0) return 0;
        if (pass === "load" && i !== 3) this.setRegister(7 - i, size, this.load(host, size));
      }
    }
    this.view.setBigUint64(RSP, this.wrap(rsp + BigInt(size * 8)), true);
    return this.system.next();
  }

  /** AL = CF ? FFH : 0 (undocumented, implemented by every processor). */
  salc(): number {
    this.view.setUint8(GPR(0), (readArithmeticFlags(this.view) & 1) !== 0 ? 0xff : 0);
    return this.system.next();
  }

  /** LES, LDS, LSS, LFS, LGS. */
  loadFarPointer(segment: number): number {
    const { insn, eaLo, eaHi } = this.system;
    const size = insn.opSize;
    const address = (BigInt(eaHi) << 32n) | BigInt(eaLo >>> 0);
    let host = this.host(address, size, false);
    if (host === 0) return 0;
    const offset = this.load(host, size);
    if (!this.system.allowSecondPart(2)) return 0;
    host = this.host(address + BigInt(size), 2, false);
    if (host === 0) return 0;
    if (!loadSegment(this.cpu, segment, this.view.getUint16(host, true))) return 0;
    this.setRegister(insn.reg, size, offset);
    return this.system.segmentLoaded();
  }
}
