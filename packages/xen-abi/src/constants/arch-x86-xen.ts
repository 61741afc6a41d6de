// Values of xen/include/public/arch-x86/xen.h.

// The guest starts through start_info, and vcpu_info has an upcall mask.
export const XEN_HAVE_PV_GUEST_ENTRY = 1;
export const XEN_HAVE_PV_UPCALL_MASK = 1;

// First page, byte and entry of the GDT that are Xen's and not the guest's.
export const FIRST_RESERVED_GDT_PAGE = 14;
export const FIRST_RESERVED_GDT_BYTE = 0xe000;
export const FIRST_RESERVED_GDT_ENTRY = 7168;

// vcpu_info slots in shared_info.
export const XEN_LEGACY_MAX_VCPUS = 32;

// vcpu_guest_context.flags.
export const VGCF_I387_VALID = 0x1;
export const VGCF_IN_KERNEL = 0x4;
export const _VGCF_i387_valid = 0;
export const VGCF_i387_valid = 0x1;
export const _VGCF_in_kernel = 2;
export const VGCF_in_kernel = 0x4;
export const _VGCF_failsafe_disables_events = 3;
export const VGCF_failsafe_disables_events = 0x8;
export const _VGCF_syscall_disables_events = 4;
export const VGCF_syscall_disables_events = 0x10;
export const _VGCF_online = 5;
export const VGCF_online = 0x20;

// xen_cpuid_leaf.subleaf of a leaf that has none.
export const XEN_CPUID_NO_SUBLEAF = 0xffffffff;

export const XEN_HVM_DEBUGCONS_IOPORT = 0xe9;

// Bytes that stand before an instruction which Xen shall emulate: ud2, then "xen".
export const XEN_EMULATE_PREFIX = [0x0f, 0x0b, 0x78, 0x65, 0x6e] as const;
