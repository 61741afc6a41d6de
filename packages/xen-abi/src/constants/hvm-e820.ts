// Values of xen/include/public/hvm/e820.h.

export const HVM_E820_PAGE = 0x90000;
export const HVM_E820_NR_OFFSET = 0x1e8;
export const HVM_E820_OFFSET = 0x2d0;

export const HVM_BELOW_4G_RAM_END = 0xf0000000;
export const HVM_BELOW_4G_MMIO_START = HVM_BELOW_4G_RAM_END;
export const HVM_BELOW_4G_MMIO_LENGTH = 0x10000000;
