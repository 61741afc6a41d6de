import type { Cpu } from "../cpu.ts";
import { readArithmeticFlags } from "../flags.ts";
import { FlagKind } from "../semantics/context.ts";
import { CS, FLAG_A, FLAG_KIND, GPR, SEG_ATTR, SEG_BASE, SEG_LIMIT, SEG_SELECTOR, SS, VECTOR, ZF } from "../state.ts";
import { privilegeLevel } from "./privilege.ts";
import type { SystemInstructions } from "./system.ts";

const LONG_ATTR = 0x2000;

/** Fields of the high word of a descriptor (Intel SDM vol. 3, 3.4.5). */
export const DESCRIPTOR = {
  TYPE_ACCESSED: 1 << 8,
  /** Data: writable. Code: readable. */
  TYPE_WRITABLE: 1 << 9,
  /** Data: expand-down. Code: conforming. */
  TYPE_CONFORMING: 1 << 10,
  TYPE_CODE: 1 << 11,
  /** Code or data rather than system. */
  S: 1 << 12,
  P: 1 << 15,
  L: 1 << 21,
  DB: 1 << 22,
  G: 1 << 23,
} as const;

export const descriptorDpl = (high: number): number => (high >> 13) & 3;

/** Puts a descriptor's fields into the hidden part of a segment register. */
export function setSegment(cpu: Cpu, segment: number, selector: number, low: number, high: number): void {
  const { i32 } = cpu.mmu.memory;
  i32[SEG_SELECTOR(segment) >> 2] = selector;
  const base = (low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000);
  i32[SEG_BASE(segment) >> 2] = base;
  i32[(SEG_BASE(segment) >> 2) + 1] = 0;
  i32[SEG_LIMIT(segment) >> 2] = descriptorLimit(low, high) | 0;
  i32[SEG_ATTR(segment) >> 2] = (high >>> 8) & 0xf0ff;
}

export function descriptorLimit(low: number, high: number): number {
  const limit = (low & 0xffff) | (high & 0xf0000);
  return (high & DESCRIPTOR.G) !== 0 ? ((limit << 12) | 0xfff) >>> 0 : limit;
}

function clearSegment(cpu: Cpu, segment: number, selector: number): void {
  const { i32 } = cpu.mmu.memory;
  i32[SEG_SELECTOR(segment) >> 2] = selector;
  i32[SEG_BASE(segment) >> 2] = 0;
  i32[(SEG_BASE(segment) >> 2) + 1] = 0;
  i32[SEG_ATTR(segment) >> 2] = 0;
}

/**
 * Loads a data segment register or SS as MOV and POP do (Intel SDM vol. 2, MOV).
 * @param cpl the privilege that it is loaded for
 * @returns false after raising #GP, #SS or #NP with the selector
 */
export function loadSegment(
  cpu: Cpu,
  segment: number,
  selector: number,
  cpl = privilegeLevel(cpu.mmu.memory.i32),
): boolean {
  const { i32 } = cpu.mmu.memory;
  const level = Math.max(cpl, selector & 3);
  const fail = (vector: number) => cpu.raise(vector, selector & 0xfffc) !== 0;
  if ((selector & 0xfffc) === 0) {
    // A null SS is legal in 64-bit mode below CPL 3 only.
    const long = (i32[SEG_ATTR(CS) >> 2] & LONG_ATTR) !== 0;
    if (segment === SS && (cpl === 3 || !long || (selector & 3) !== cpl)) return fail(VECTOR.GP);
    clearSegment(cpu, segment, selector);
    return true;
  }
  if (!cpu.hooks.readDescriptor(selector)) return fail(VECTOR.GP);
  const low = cpu.descriptorLo;
  const high = cpu.descriptorHi;
  if ((high & DESCRIPTOR.S) === 0) return fail(VECTOR.GP);
  const code = (high & DESCRIPTOR.TYPE_CODE) !== 0;
  const conforming = code && (high & DESCRIPTOR.TYPE_CONFORMING) !== 0;
  const readable = !code || (high & DESCRIPTOR.TYPE_WRITABLE) !== 0;
  if (segment === SS) {
    const writable = !code && (high & DESCRIPTOR.TYPE_WRITABLE) !== 0;
    if ((selector & 3) !== cpl || descriptorDpl(high) !== cpl || !writable) return fail(VECTOR.GP);
  } else if (!readable || (!conforming && descriptorDpl(high) < level)) return fail(VECTOR.GP);
  if ((high & DESCRIPTOR.P) === 0) return fail(segment === SS ? VECTOR.SS : VECTOR.NP);
  setSegment(cpu, segment, selector, low, high);
  // In 64-bit mode the bases of ES, CS, SS and DS do not count; addressing there ignores them.
  return true;
}

/** LAR, LSL, VERR, VERW, ARPL, and the stores of system registers. */
export class SegmentQueries {
  private readonly view: DataView;

  constructor(
    private readonly cpu: Cpu,
    private readonly system: SystemInstructions,
  ) {
    this.view = cpu.mmu.memory.view;
  }

  /** The selector operand: a register, or a word in memory; −1 after a fault. */
  private selectorOperand(): number {
    const { insn, eaLo, eaHi, record } = this.system;
    if (!insn.hasMem) return this.view.getUint16(GPR(insn.rm), true);
    const host = this.cpu.translateForRead(eaLo, eaHi, 2, record);
    return host === 0 ? -1 : this.view.getUint16(host, true);
  }

  private setZf(on: boolean): void {
    const flags = readArithmeticFlags(this.view) & ~ZF;
    this.view.setInt32(FLAG_KIND, FlagKind.EXPLICIT, true);
    this.view.setInt32(FLAG_A, on ? flags | ZF : flags, true);
  }

  /** Whether a selector names a descriptor that CPL and its RPL may look at. */
  private visible(selector: number): boolean {
    if ((selector & 0xfffc) === 0 || !this.cpu.hooks.readDescriptor(selector)) return false;
    const high = this.cpu.descriptorHi;
    const conforming = (high & (DESCRIPTOR.S | DESCRIPTOR.TYPE_CODE | DESCRIPTOR.TYPE_CONFORMING)) === 0x1c00;
    return conforming || descriptorDpl(high) >= Math.max(privilegeLevel(this.cpu.mmu.memory.i32), selector & 3);
  }

  private writeResult(value: number): void {
    const { insn } = this.system;
    if (insn.opSize === 2) this.view.setUint16(GPR(insn.reg), value, true);
    else {
      this.view.setUint32(GPR(insn.reg), value, true);
      this.view.setUint32(GPR(insn.reg) + 4, 0, true);
    }
  }

  lar(): number {
    const selector = this.selectorOperand();
    if (selector < 0) return 0;
    const ok = this.visible(selector) && validSystemType(this.cpu.descriptorHi, LAR_TYPES);
    if (ok) this.writeResult(this.cpu.descriptorHi & 0x00ffff00);
    this.setZf(ok);
    return this.system.next();
  }

  lsl(): number {
    const selector = this.selectorOperand();
    if (selector < 0) return 0;
    const ok = this.visible(selector) && validSystemType(this.cpu.descriptorHi, LSL_TYPES);
    if (ok) this.writeResult(descriptorLimit(this.cpu.descriptorLo, this.cpu.descriptorHi));
    this.setZf(ok);
    return this.system.next();
  }

  verify(write: boolean): number {
    const selector = this.selectorOperand();
    if (selector < 0) return 0;
    let ok = this.visible(selector);
    if (ok) {
      const high = this.cpu.descriptorHi;
      const code = (high & DESCRIPTOR.TYPE_CODE) !== 0;
      const bit = (high & DESCRIPTOR.TYPE_WRITABLE) !== 0;
      ok = (high & DESCRIPTOR.S) !== 0 && (write ? !code && bit : !code || bit);
    }
    this.setZf(ok);
    return this.system.next();
  }

  /** Raises the RPL of the destination to the source's (32-bit mode). */
  arpl(): number {
    const { insn, eaLo, eaHi, record } = this.system;
    const source = this.view.getUint16(GPR(insn.reg), true);
    let host = insn.hasMem ? this.cpu.translateForRead(eaLo, eaHi, 2, record) : GPR(insn.rm);
    if (host === 0) return 0;
    const selector = this.view.getUint16(host, true);
    const raise = (selector & 3) < (source & 3);
    if (raise) {
      // Memory is written, and need be writable, only then.
      if (insn.hasMem && !this.system.allowWrite(2)) return 0;
      if (insn.hasMem) host = this.cpu.translateForWrite(eaLo, eaHi, 2, record);
      if (host === 0) return 0;
      this.view.setUint16(host, (selector & ~3) | (source & 3), true);
      if (insn.hasMem) this.cpu.finishWrite(host);
    }
    this.setZf(raise);
    return this.system.next();
  }

  /** SGDT and SIDT at CPL 3 show an empty table: the real ones are the hypervisor's. */
  storeTable(): number {
    const { insn, eaLo, eaHi, record } = this.system;
    const bytes = insn.mode64 ? 10 : 6;
    const host = this.cpu.translateForWrite(eaLo, eaHi, bytes, record);
    if (host === 0) return 0;
    this.cpu.mmu.memory.u8.fill(0, host, host + bytes);
    this.cpu.finishWrite(host);
    return this.system.next();
  }

  /** SLDT, STR and SMSW. */
  storeWord(value: number): number {
    const { insn, eaLo, eaHi, record } = this.system;
    if (insn.hasMem) {
      const host = this.cpu.translateForWrite(eaLo, eaHi, 2, record);
      if (host === 0) return 0;
      this.view.setUint16(host, value, true);
      this.cpu.finishWrite(host);
    } else if (insn.opSize === 2) this.view.setUint16(GPR(insn.rm), value, true);
    else {
      this.view.setUint32(GPR(insn.rm), value, true);
      this.view.setUint32(GPR(insn.rm) + 4, 0, true);
    }
    return this.system.next();
  }
}

/** System descriptor types that LAR and LSL accept in long mode: LDT, TSS; LAR also call gates. */
const LAR_TYPES = [2, 9, 11, 12];
const LSL_TYPES = [2, 9, 11];

function validSystemType(high: number, types: readonly number[]): boolean {
  return (high & DESCRIPTOR.S) !== 0 || types.includes((high >> 8) & 15);
}
