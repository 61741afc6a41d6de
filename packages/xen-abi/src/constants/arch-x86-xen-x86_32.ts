// Values of xen/include/public/arch-x86/xen-x86_32.h.

// Selectors of Xen's flat segments for 32-bit guests: the kernel runs in ring 1. The header also calls them
// FLAT_KERNEL_* and FLAT_USER_*; here those names are the 64-bit guest's.
export const FLAT_RING1_CS = 0xe019;
export const FLAT_RING1_DS = 0xe021;
export const FLAT_RING1_SS = 0xe021;

export const FLAT_RING3_CS = 0xe02b;
export const FLAT_RING3_DS = 0xe033;
export const FLAT_RING3_SS = 0xe033;

// Xen's part of the address space, and the machine-to-physical table in it.
export const __HYPERVISOR_VIRT_START_PAE = 0xf5800000;
export const __MACH2PHYS_VIRT_START_PAE = 0xf5800000;
export const __MACH2PHYS_VIRT_END_PAE = 0xf6800000;
export const HYPERVISOR_VIRT_START_PAE = 0xf5800000;
export const MACH2PHYS_VIRT_START_PAE = 0xf5800000;
export const MACH2PHYS_VIRT_END_PAE = 0xf6800000;

export const __HYPERVISOR_VIRT_START_NONPAE = 0xfc000000;
export const __MACH2PHYS_VIRT_START_NONPAE = 0xfc000000;
export const __MACH2PHYS_VIRT_END_NONPAE = 0xfc400000;
export const HYPERVISOR_VIRT_START_NONPAE = 0xfc000000;
export const MACH2PHYS_VIRT_START_NONPAE = 0xfc000000;
export const MACH2PHYS_VIRT_END_NONPAE = 0xfc400000;
