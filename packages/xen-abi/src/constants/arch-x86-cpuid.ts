// Values of xen/include/public/arch-x86/cpuid.h.

// Leaves base + 0 ... base + 5 describe Xen; ebx, ecx, edx of the first spell "XenVMMXenVMM".
export const XEN_CPUID_FIRST_LEAF = 0x40000000;

export const XEN_CPUID_SIGNATURE_EBX = 0x566e6558;
export const XEN_CPUID_SIGNATURE_ECX = 0x65584d4d;
export const XEN_CPUID_SIGNATURE_EDX = 0x4d4d566e;

// Leaf base + 2, ecx.
export const _XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD = 0;
export const XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD = 0x1;

// Leaf base + 3, sub-leaf 0, eax. (Newer than Xen 4.17.)
export const XEN_CPUID_TSC_EMULATED = 0x1;
export const XEN_CPUID_HOST_TSC_RELIABLE = 0x2;
export const XEN_CPUID_RDTSCP_INSTR_AVAIL = 0x4;

// Leaf base + 3, sub-leaf 0, ebx. (Newer than Xen 4.17.)
export const XEN_CPUID_TSC_MODE_DEFAULT = 0;
export const XEN_CPUID_TSC_MODE_ALWAYS_EMULATE = 1;
export const XEN_CPUID_TSC_MODE_NEVER_EMULATE = 2;
export const XEN_CPUID_TSC_MODE_PVRDTSCP = 3;

// Leaf base + 4, eax.
export const XEN_HVM_CPUID_APIC_ACCESS_VIRT = 0x1;
export const XEN_HVM_CPUID_X2APIC_VIRT = 0x2;
export const XEN_HVM_CPUID_IOMMU_MAPPINGS = 0x4;
export const XEN_HVM_CPUID_VCPU_ID_PRESENT = 0x8;
export const XEN_HVM_CPUID_DOMID_PRESENT = 0x10;
export const XEN_HVM_CPUID_EXT_DEST_ID = 0x20;
export const XEN_HVM_CPUID_UPCALL_VECTOR = 0x40;

// Leaf base + 5, ebx: bits of the widest machine address.
export const XEN_CPUID_MACHINE_ADDRESS_WIDTH_MASK = 0xff;

export const XEN_CPUID_MAX_NUM_LEAVES = 5;
