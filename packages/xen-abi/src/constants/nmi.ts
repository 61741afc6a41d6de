// Values of xen/include/public/nmi.h.

// arch_shared_info.nmi_reason.
export const _XEN_NMIREASON_io_error = 0;
export const XEN_NMIREASON_io_error = 0x1;
export const _XEN_NMIREASON_pci_serr = 1;
export const XEN_NMIREASON_pci_serr = 0x2;
export const _XEN_NMIREASON_unknown = 2;
export const XEN_NMIREASON_unknown = 0x4;

// nmi_op commands.
export const XENNMI_register_callback = 0;
export const XENNMI_unregister_callback = 1;
