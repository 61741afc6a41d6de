// Values of xen/include/public/io/protocols.h: the "protocol" node of a frontend, which says how its ring is laid out.

export const XEN_IO_PROTO_ABI_X86_32 = "x86_32-abi";
export const XEN_IO_PROTO_ABI_X86_64 = "x86_64-abi";
export const XEN_IO_PROTO_ABI_ARM = "arm-abi";
