import { Access, PageType } from "@xen-node/mmu";
import { CS, DS, ES, FS, GS, SS } from "@xen-node/x86-cpu";
import { FIRST_RESERVED_GDT_BYTE } from "@xen-node/xen-abi";
import { vaHigh, vaLow } from "./address.ts";
import type { GuestAbi } from "./guest-abi/guest-abi.ts";
import type { Hypervisor } from "./hypervisor.ts";
import type { Vcpu } from "./vcpu.ts";

/** By their numbers. */
const SEGMENTS = [ES, CS, SS, DS, FS, GS];
const DATA_SEGMENTS = [ES, DS, FS, GS];

/** Result of `Descriptors.read`. */
export class Descriptors {
  lo = 0;
  hi = 0;

  constructor(private readonly hv: Hypervisor) {}

  /**
   * Finds the descriptor that a selector of this vcpu names: guest GDT frames below 0xE000, Xen's own flat ones above,
   * the LDT for TI=1. True: in `lo`, `hi`. False: no such descriptor (#GP(selector) when it is loaded).
   */
  read(vcpu: Vcpu, selector: number): boolean {
    const host = (selector & 4) !== 0 ? this.ldtEntry(vcpu, selector) : this.gdtEntry(vcpu, selector);
    if (host === 0) return (selector & 4) === 0 && this.flat(vcpu, selector);
    const word = host >>> 2;
    this.lo = this.hv.mmu.memory.u32[word];
    this.hi = this.hv.mmu.memory.u32[word + 1];
    return true;
  }

  private flat(vcpu: Vcpu, selector: number): boolean {
    const hi = vcpu.domain.abi.flat.descriptors.get(selector & ~3);
    if (hi === undefined) return false;
    this.lo = 0x0000ffff;
    this.hi = hi;
    return true;
  }

  /** Host address of a guest GDT entry, 0 if there is none. */
  private gdtEntry(vcpu: Vcpu, selector: number): number {
    if (selector >= FIRST_RESERVED_GDT_BYTE) return 0;
    const entry = selector >>> 3;
    // Whole frames are visible, whatever the entry count: Xen maps the frames and zeroes the rest.
    const mfn = vcpu.gdtFrames[entry >>> 9] ?? 0;
    if (mfn === 0) return 0;
    return this.hv.mmu.frames.hostAddress(mfn) + (entry & 511) * 8;
  }

  /** Host address of an LDT entry; takes the LDT page on first use, as a segment-descriptor page. */
  private ldtEntry(vcpu: Vcpu, selector: number): number {
    const entry = selector >>> 3;
    if (entry >= vcpu.ldtEntries) return 0;
    const page = entry >>> 9;
    let mfn = vcpu.ldtFrames[page];
    if (mfn === 0) {
      mfn = this.takeLdtPage(vcpu, page);
      if (mfn === 0) return 0;
    }
    return this.hv.mmu.frames.hostAddress(mfn) + (entry & 511) * 8;
  }

  private takeLdtPage(vcpu: Vcpu, page: number): number {
    const { mmu } = this.hv;
    const va = vcpu.ldtBase + page * 4096;
    if (mmu.walker.walk(vcpu.kernelRoot, vaLow(va), vaHigh(va), Access.read, true) !== 0) return 0;
    const mfn = mmu.walker.mfn;
    const domid = vcpu.domain.domid;
    if (mmu.types.getPageAndType(mfn, PageType.segDesc, domid) !== 0) return 0;
    vcpu.ldtFrames[page] = mfn;
    return mfn;
  }
}

/** Gives back the frames of a vcpu's LDT. */
export function releaseLdt(hv: Hypervisor, vcpu: Vcpu): void {
  for (let page = 0; page < vcpu.ldtFrames.length; page++) {
    const mfn = vcpu.ldtFrames[page];
    if (mfn === 0) continue;
    vcpu.ldtFrames[page] = 0;
    hv.mmu.types.putPageAndType(mfn);
  }
}

/** Gives back the frames of a vcpu's GDT. */
export function releaseGdt(hv: Hypervisor, vcpu: Vcpu): void {
  for (const mfn of vcpu.gdtFrames) {
    hv.mmu.types.putPageAndType(mfn);
  }
  vcpu.gdtFrames = [];
  vcpu.gdtEntries = 0;
}

export function baseOf(lo: number, hi: number): number {
  return ((lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff000000)) >>> 0;
}

export function limitOf(lo: number, hi: number): number {
  const raw = ((lo & 0xffff) | (hi & 0xf0000)) >>> 0;
  return (hi & 0x800000) !== 0 ? (raw * 4096 + 4095) >>> 0 : raw;
}

/** A selector that a guest's kernel registers: its RPL is raised to the kernel's (fixup_guest_selector). */
export function raiseSelector(abi: GuestAbi, selector: number): number {
  return (selector & 0xfffc) | Math.max(selector & 3, abi.kernelRpl);
}

/** Loads a code segment as IRET would to the selector's RPL. 0, or the vector of the fault (the error code is the selector). */
export function loadCodeSegment(hv: Hypervisor, vcpu: Vcpu, selector: number): number {
  const d = hv.descriptors;
  if ((selector & ~3) === 0 || !d.read(vcpu, selector)) return 13;
  const type = (d.hi >>> 8) & 0x1f;
  const dpl = (d.hi >>> 13) & 3;
  const rpl = selector & 3;
  if ((type & 0x18) !== 0x18) return 13;
  if ((type & 4) === 0 ? dpl !== rpl : dpl > rpl) return 13;
  if ((d.hi & 0x8000) === 0) return 11;
  if ((d.hi & 0x600000) === 0x600000) return 13;
  hv.regs.setSegment(CS, selector, baseOf(d.lo, d.hi), limitOf(d.lo, d.hi), (d.hi >>> 8) & 0xf0ff);
  return 0;
}

/** Loads a stack segment as IRET would to the selector's RPL. 0, or the vector of the fault. */
export function loadStackSegment(hv: Hypervisor, vcpu: Vcpu, selector: number): number {
  const d = hv.descriptors;
  if ((selector & ~3) === 0 || !d.read(vcpu, selector)) return 13;
  const type = (d.hi >>> 8) & 0x1f;
  if ((type & 0x1a) !== 0x12 || ((d.hi >>> 13) & 3) !== (selector & 3)) return 13;
  if ((d.hi & 0x8000) === 0) return 12;
  hv.regs.setSegment(SS, selector, baseOf(d.lo, d.hi), limitOf(d.lo, d.hi), (d.hi >>> 8) & 0xf0ff);
  return 0;
}

/**
 * Loads DS, ES, FS or GS for a privilege; a bad selector leaves the null segment and answers false. Bases above 4 GiB are
 * kept by MSR.
 */
export function loadDataSegment(hv: Hypervisor, vcpu: Vcpu, segment: number, selector: number, cpl = 3): boolean {
  const d = hv.descriptors;
  if (findDataSegment(hv, vcpu, selector, cpl)) {
    hv.regs.setSegment(segment, selector, baseOf(d.lo, d.hi), limitOf(d.lo, d.hi), (d.hi >>> 8) & 0xf0ff);
    return true;
  }
  hv.regs.setSegment(segment, (selector & ~3) === 0 ? selector : 0, 0, 0, 0);
  return (selector & ~3) === 0;
}

/** Leaves the descriptor of a data segment that can be loaded in `hv.descriptors`. */
function findDataSegment(hv: Hypervisor, vcpu: Vcpu, selector: number, cpl: number): boolean {
  const d = hv.descriptors;
  if ((selector & ~3) === 0 || !d.read(vcpu, selector)) return false;
  const type = (d.hi >>> 8) & 0x1f;
  const readable = (type & 0x18) === 0x10 || (type & 0x1a) === 0x1a;
  const conforming = (type & 0x1c) === 0x1c;
  const allowed = conforming || ((d.hi >>> 13) & 3) >= Math.max(cpl, selector & 3);
  return readable && allowed && (d.hi & 0x8000) !== 0;
}

/**
 * After another vcpu had the processor, Xen loads the data segments again. Of those that can still be loaded nothing changes
 * here; the others are null from now on, and the failsafe callback is due.
 */
export function checkDataSegments(hv: Hypervisor, vcpu: Vcpu): void {
  const { regs } = hv;
  const cpl = regs.selector(CS) & 3;
  let lost: number[] | undefined;
  for (const segment of DATA_SEGMENTS) {
    const selector = regs.selector(segment);
    if ((selector & ~3) === 0 || findDataSegment(hv, vcpu, selector, cpl)) continue;
    lost ??= SEGMENTS.map((each) => regs.selector(each));
    regs.setSegment(segment, 0, 0, 0, 0);
  }
  if (lost !== undefined) vcpu.failsafeSelectors = lost;
}
