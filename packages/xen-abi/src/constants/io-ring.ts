// Values of xen/include/public/io/ring.h.

export const XEN_PAGE_SHIFT = 12;
