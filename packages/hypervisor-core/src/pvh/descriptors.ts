import { CS, DS, ES, FS, GS, SS } from "@xen-node/x86-cpu";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import { isLongMode, nativeOf } from "./paging.ts";

/** High word of a descriptor (Intel SDM vol. 3, 3.4.5). */
export const Descriptor = {
  writable: 1 << 9,
  conforming: 1 << 10,
  code: 1 << 11,
  codeOrData: 1 << 12,
  present: 1 << 15,
  long: 1 << 21,
  big: 1 << 22,
  granular: 1 << 23,
} as const;

const FLAT_LIMIT = 0xffffffff;
/** Hidden parts of flat segments, without their DPL: descriptor bytes 5 and 6. */
const CODE64 = 0xa09b;
const CODE32 = 0xc09b;
const DATA = 0xc093;
const LONG_ATTR = 0x2000;
const DPL_SHIFT = 5;

export const dplOf = (hi: number): number => (hi >>> 13) & 3;
export const baseOf = (lo: number, hi: number): number => ((lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff000000)) >>> 0;

export function limitOf(lo: number, hi: number): number {
  const raw = ((lo & 0xffff) | (hi & 0xf0000)) >>> 0;
  return (hi & Descriptor.granular) !== 0 ? (raw * 4096 + 4095) >>> 0 : raw;
}

/** Where a selector's descriptor lies; NaN if its table does not reach so far. `bytes`: 8, or 16 for system segments. */
export function descriptorAddress(vcpu: Vcpu, selector: number, bytes = 8): number {
  const native = nativeOf(vcpu);
  const inLdt = (selector & 4) !== 0;
  const base = inLdt ? native.ldt.base : native.gdtBase;
  const limit = inLdt ? (native.ldt.selector === 0 ? -1 : native.ldt.limit) : native.gdtLimit;
  const offset = selector & 0xfff8;
  return offset + bytes - 1 <= limit ? base + offset : Number.NaN;
}

/**
 * Reads the descriptor of a selector as the processor does, with the supervisor's rights, to `hv.descriptors`. False: it
 * is beyond its table, or its table is not mapped.
 */
export function readDescriptor(hv: Hypervisor, vcpu: Vcpu, selector: number): boolean {
  const va = descriptorAddress(vcpu, selector);
  const { guest } = hv.mmu;
  if (Number.isNaN(va) || !guest.readU64(vcpu.guestTable, va)) return false;
  hv.descriptors.lo = guest.lo;
  hv.descriptors.hi = guest.hi;
  return true;
}

/** CS from a descriptor, for code that is to run at a privilege level. */
export function loadCode(hv: Hypervisor, vcpu: Vcpu, selector: number, lo: number, hi: number, cpl: number): void {
  let attributes = ((hi >>> 8) & 0xf09f) | (cpl << DPL_SHIFT);
  if (!isLongMode(vcpu)) attributes &= ~LONG_ATTR;
  hv.regs.setSegment(CS, (selector & ~3) | cpl, baseOf(lo, hi), limitOf(lo, hi), attributes);
}

/** The flat CS and SS of SYSCALL and SYSRET. */
export function loadFlat(hv: Hypervisor, code: number, stack: number, cpl: number, long: boolean): void {
  const dpl = cpl << DPL_SHIFT;
  hv.regs.setSegment(CS, (code & 0xfffc) | cpl, 0, FLAT_LIMIT, (long ? CODE64 : CODE32) | dpl);
  hv.regs.setSegment(SS, (stack & 0xfffc) | cpl, 0, FLAT_LIMIT, DATA | dpl);
}

/** SS in a 64-bit kernel: null, or what a descriptor that was checked says. */
export function loadStack(hv: Hypervisor, selector: number, lo: number, hi: number, cpl: number): void {
  if ((selector & 0xfffc) === 0) hv.regs.setSegment(SS, selector, 0, FLAT_LIMIT, DATA | (cpl << DPL_SHIFT));
  else hv.regs.setSegment(SS, selector, baseOf(lo, hi), limitOf(lo, hi), (hi >>> 8) & 0xf0ff);
}

/** Returning to user code takes data segments away that it may not have. */
export function dropKernelData(hv: Hypervisor): void {
  for (const segment of [ES, DS, FS, GS]) {
    const attributes = hv.regs.attributes(segment);
    const conforming = (attributes & 0x0c) === 0x0c;
    if (hv.regs.selector(segment) === 0 || conforming || ((attributes >>> DPL_SHIFT) & 3) === 3) continue;
    hv.regs.setSegment(segment, 0, 0, 0, 0);
  }
}
