import { type CpuidModel, type CpuidResult, CR4 } from "@xen-node/x86-cpu";
import { XEN_CPUID_FIRST_LEAF, XEN_HVM_CPUID_DOMID_PRESENT, XEN_HVM_CPUID_VCPU_ID_PRESENT } from "@xen-node/xen-abi";
import { isXenLeaf, xenLeaf } from "../cpuid.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import { MSR_HYPERCALL_PAGE } from "./msrs.ts";
import { Cr4 } from "./paging.ts";

const OSXSAVE = 1 << 27;
const X2APIC = 1 << 21;
const APIC = 1 << 9;
const AMD_FEATURES = 0x80000001;
const HYPERCALLS = XEN_CPUID_FIRST_LEAF + 2;
const HVM_FEATURES = XEN_CPUID_FIRST_LEAF + 4;

const words = new Uint32Array(4);

/**
 * CPUID in a PVH guest: all of the processor, with its large and global pages, and Xen's leaves in their HVM flavour
 * (xen/include/public/arch-x86/cpuid.h). The local APIC is one with x2APIC mode.
 */
export function nativeCpuid(hv: Hypervisor, vcpu: Vcpu, model: CpuidModel, leaf: number, subleaf: number): CpuidResult {
  if (!isXenLeaf(leaf)) {
    const result = model.cpuid(leaf, subleaf);
    if (leaf >>> 0 === AMD_FEATURES) return { ...result, edx: (result.edx | APIC) >>> 0 };
    if (leaf !== 1) return result;
    const osxsave = (hv.regs.u32[CR4 >>> 2] & Cr4.OSXSAVE) !== 0;
    const apicId = 2 * vcpu.id;
    return {
      ...result,
      ebx: ((result.ebx & 0xffffff) | (apicId << 24)) >>> 0,
      ecx: ((osxsave ? result.ecx | OSXSAVE : result.ecx & ~OSXSAVE) | X2APIC) >>> 0,
      edx: (result.edx | APIC) >>> 0,
    };
  }
  if (leaf >>> 0 === HYPERCALLS) return { eax: 1, ebx: MSR_HYPERCALL_PAGE, ecx: 0, edx: 0 };
  if (leaf >>> 0 === HVM_FEATURES) {
    const eax = XEN_HVM_CPUID_VCPU_ID_PRESENT | XEN_HVM_CPUID_DOMID_PRESENT;
    return { eax, ebx: vcpu.id, ecx: vcpu.domain.domid, edx: 0 };
  }
  xenLeaf(leaf, subleaf, words);
  const [eax, ebx, ecx, edx] = words;
  return { eax, ebx, ecx, edx };
}
