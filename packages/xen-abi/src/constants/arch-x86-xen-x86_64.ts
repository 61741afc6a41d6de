// Values of xen/include/public/arch-x86/xen-x86_64.h.

// Selectors of Xen's flat segments for 64-bit guests, which run at CPL 3 throughout.
export const FLAT_RING3_CS32 = 0xe023;
export const FLAT_RING3_CS64 = 0xe033;
export const FLAT_RING3_DS32 = 0xe02b;
export const FLAT_RING3_DS64 = 0x0;
export const FLAT_RING3_SS32 = 0xe02b;
export const FLAT_RING3_SS64 = 0xe02b;

export const FLAT_KERNEL_DS64 = FLAT_RING3_DS64;
export const FLAT_KERNEL_DS32 = FLAT_RING3_DS32;
export const FLAT_KERNEL_DS = FLAT_KERNEL_DS64;
export const FLAT_KERNEL_CS64 = FLAT_RING3_CS64;
export const FLAT_KERNEL_CS32 = FLAT_RING3_CS32;
export const FLAT_KERNEL_CS = FLAT_KERNEL_CS64;
export const FLAT_KERNEL_SS64 = FLAT_RING3_SS64;
export const FLAT_KERNEL_SS32 = FLAT_RING3_SS32;
export const FLAT_KERNEL_SS = FLAT_KERNEL_SS64;

export const FLAT_USER_DS64 = FLAT_RING3_DS64;
export const FLAT_USER_DS32 = FLAT_RING3_DS32;
export const FLAT_USER_DS = FLAT_USER_DS64;
export const FLAT_USER_CS64 = FLAT_RING3_CS64;
export const FLAT_USER_CS32 = FLAT_RING3_CS32;
export const FLAT_USER_CS = FLAT_USER_CS64;
export const FLAT_USER_SS64 = FLAT_RING3_SS64;
export const FLAT_USER_SS32 = FLAT_RING3_SS32;
export const FLAT_USER_SS = FLAT_USER_SS64;

// Xen's part of the address space, and the machine-to-physical table in it. Addresses are signed canonical numbers:
// 0xffff800000000000 is -0x800000000000.
export const __HYPERVISOR_VIRT_START = -0x800000000000;
export const __HYPERVISOR_VIRT_END = -0x780000000000;
export const __MACH2PHYS_VIRT_START = -0x800000000000;
export const __MACH2PHYS_VIRT_END = -0x7fc000000000;
export const HYPERVISOR_VIRT_START = -0x800000000000;
export const HYPERVISOR_VIRT_END = -0x780000000000;
export const MACH2PHYS_VIRT_START = -0x800000000000;
export const MACH2PHYS_VIRT_END = -0x7fc000000000;
export const MACH2PHYS_NR_ENTRIES = 0x800000000;

// set_segment_base commands.
export const SEGBASE_FS = 0;
export const SEGBASE_GS_USER = 1;
export const SEGBASE_GS_KERNEL = 2;
export const SEGBASE_GS_USER_SEL = 3;

// iret_context.flags and vcpu_guest_context.flags: return like SYSRET, without restoring rcx and r11.
export const _VGCF_in_syscall = 8;
export const VGCF_in_syscall = 0x100;
export const VGCF_IN_SYSCALL = VGCF_in_syscall;
