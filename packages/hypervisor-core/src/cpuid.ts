import {
  XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD,
  XEN_CPUID_FIRST_LEAF,
  XEN_CPUID_MAX_NUM_LEAVES,
  XEN_CPUID_SIGNATURE_EBX,
  XEN_CPUID_SIGNATURE_ECX,
  XEN_CPUID_SIGNATURE_EDX,
} from "@xen-node/xen-abi";
import type { Processor } from "./processor.ts";
import { TSC_KHZ } from "./pvclock.ts";
import { XEN_VERSION } from "./xen-identity.ts";

const MACHINE_ADDRESS_BITS = 52;
const OSXSAVE = 1 << 27;
const XSAVE = 1 << 26;

/** Is this one of the hypervisor's own leaves? */
export function isXenLeaf(leaf: number): boolean {
  return leaf >>> 8 === XEN_CPUID_FIRST_LEAF >>> 8;
}

/** The hypervisor's CPUID leaves (xen/include/public/arch-x86/cpuid.h), PV flavour; eax, ebx, ecx, edx in `out`. */
export function xenLeaf(leaf: number, subleaf: number, out: Uint32Array): void {
  out.fill(0);
  switch ((leaf >>> 0) - XEN_CPUID_FIRST_LEAF) {
    case 0:
      out[0] = XEN_CPUID_FIRST_LEAF + XEN_CPUID_MAX_NUM_LEAVES;
      out[1] = XEN_CPUID_SIGNATURE_EBX;
      out[2] = XEN_CPUID_SIGNATURE_ECX;
      out[3] = XEN_CPUID_SIGNATURE_EDX;
      break;
    case 1:
      out[0] = XEN_VERSION;
      break;
    case 2:
      // One hypercall page, its MSR, and what update flavours exist.
      out[0] = 1;
      out[1] = 0x40000000;
      out[2] = XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD;
      break;
    case 3:
      if (subleaf === 0) {
        // The host TSC is stable; it is not emulated (mode 0, default).
        out[0] = 2;
        out[2] = TSC_KHZ;
      } else if (subleaf === 1) {
        out[2] = 0x80000000;
        out[3] = 1;
      } else if (subleaf === 2) {
        out[0] = TSC_KHZ;
      }
      break;
    case 5:
      out[1] = MACHINE_ADDRESS_BITS;
      break;
    default:
      break;
  }
}

/**
 * CPUID as an enlightened guest kernel sees it: the processor's model, the hypervisor's leaves, and OSXSAVE wherever
 * XSAVE is offered, whatever the guest's CR4 says. Leaf 1 names APIC id 0 on every vcpu, as Xen's guest_cpuid does for PV
 * domains: only HVM vcpus have local APICs, with ids of twice the vcpu's.
 */
export function guestCpuid(processor: Processor, leaf: number, subleaf: number, out: Uint32Array): void {
  if (isXenLeaf(leaf)) {
    xenLeaf(leaf, subleaf, out);
    return;
  }
  processor.cpuid(leaf, subleaf, out);
  if (leaf === 1 && (out[2] & XSAVE) !== 0) out[2] |= OSXSAVE;
}
