/** What this hypervisor says it is: the interface of Xen 4.17. major << 16 | minor. */
export const XEN_VERSION = (4 << 16) | 17;
export const XEN_EXTRAVERSION = ".0-node";
export const XEN_CAPABILITIES = "xen-3.0-x86_64 xen-3.0-x86_32p ";
export const XEN_CHANGESET = "xen-node";
export const XEN_COMPILER = "TypeScript";
