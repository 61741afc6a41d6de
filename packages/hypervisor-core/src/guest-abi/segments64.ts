import { CS, SS } from "@xen-node/x86-cpu";
import {
  FLAT_KERNEL_CS,
  FLAT_KERNEL_DS,
  FLAT_KERNEL_SS,
  FLAT_RING3_CS32,
  FLAT_RING3_CS64,
  FLAT_RING3_DS32,
} from "@xen-node/xen-abi";
import type { Hypervisor } from "../hypervisor.ts";
import { loadCodeSegment, loadStackSegment } from "../segments.ts";
import type { Vcpu } from "../vcpu.ts";
import type { FlatSegments } from "./guest-abi.ts";

/** Hidden parts of Xen's flat descriptors: type, S, DPL 3, P, L, D/B, G as in descriptor bytes 5 and 6. */
export const FLAT_CODE64_ATTR = 0xa0fb;
const FLAT_CODE32_ATTR = 0xc0fb;
export const FLAT_DATA_ATTR = 0xc0f3;
const FLAT_LIMIT = 0xffffffff;

/** Accessed bits are set, so that a load never needs to write the descriptor back. */
export const flat64: FlatSegments = {
  kernelCs: FLAT_KERNEL_CS,
  kernelSs: FLAT_KERNEL_SS,
  kernelDs: FLAT_KERNEL_DS,
  descriptors: new Map([
    [FLAT_RING3_CS32 & ~3, 0x00cffb00],
    [FLAT_RING3_DS32 & ~3, 0x00cff300],
    [FLAT_RING3_CS64 & ~3, 0x00affb00],
  ]),
};

/** CS and SS as at every entry of a guest kernel, and after every hypercall. */
export function loadKernelSegments64(hv: Hypervisor): void {
  hv.regs.setSegment(CS, FLAT_KERNEL_CS, 0, FLAT_LIMIT, FLAT_CODE64_ATTR);
  hv.regs.setSegment(SS, FLAT_KERNEL_SS, 0, FLAT_LIMIT, FLAT_DATA_ATTR);
}

/** After a hypercall CS and SS are the flat ones, whatever they were: SYSCALL does not keep them. */
export function flattenSegments(hv: Hypervisor): void {
  if (hv.regs.selector(CS) !== FLAT_RING3_CS64 || hv.regs.selector(SS) !== FLAT_KERNEL_SS) loadKernelSegments64(hv);
}

/** `loadCodeSegment` at CPL 3; nearly always it is a flat one. */
export function loadCodeSegment64(hv: Hypervisor, vcpu: Vcpu, selector: number): number {
  if (selector !== FLAT_RING3_CS64 && selector !== FLAT_RING3_CS32) return loadCodeSegment(hv, vcpu, selector);
  const attributes = selector === FLAT_RING3_CS64 ? FLAT_CODE64_ATTR : FLAT_CODE32_ATTR;
  hv.regs.setSegment(CS, selector, 0, FLAT_LIMIT, attributes);
  return 0;
}

/** `loadStackSegment` at CPL 3. */
export function loadStackSegment64(hv: Hypervisor, vcpu: Vcpu, selector: number): number {
  if (selector !== FLAT_KERNEL_SS) return loadStackSegment(hv, vcpu, selector);
  hv.regs.setSegment(SS, selector, 0, FLAT_LIMIT, FLAT_DATA_ATTR);
  return 0;
}
