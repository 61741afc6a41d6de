/** Entries of a GDT that are the guest's own; Xen's begin here (xen/include/public/arch-x86/xen.h: 14 pages). */
const FIRST_RESERVED_GDT_ENTRY = 7168;
const FLAT_KERNEL_CS = 0xe033;
/** The same of 32-bit guests (xen-x86_32.h, FLAT_RING1_CS). */
const FLAT_RING1_CS = 0xe019;
/** First address that is Xen's in a 32-bit guest. */
const NARROW_VIRT_START = 0xf5800000;

const PRESENT = 0x8000;
const DPL = 0x6000;
const NOT_SYSTEM = 0x1000;
const TYPE = 0xf00;
const CALL_GATE = 0xc00;
const LONG = 0x200000;
const GRANULAR = 0x800000;

/** A descriptor as `adjustDescriptor` leaves it. */
export interface DescriptorWords {
  lo: number;
  hi: number;
}

/** The privilege that a guest gets instead of one that is its hypervisor's: 3 in 64-bit guests, at least 1 in 32-bit ones. */
function privilegeOf(hi: number, narrow: boolean): number {
  if (!narrow) return 3;
  return Math.max((hi & DPL) >>> 13, 1);
}

/**
 * Checks a descriptor of a guest's GDT or LDT and changes what Xen changes: the privilege of segments; a call
 * gate keeps its place but gets privilege 0, so that its use raises #GP naming it, with the old privilege parked in the
 * selector's RPL. Not-present and type-0 descriptors pass as they are. A 32-bit guest may have no 64-bit code, and its
 * flat segments that end in Xen's part are made to end with the address space, so that they reach all of the
 * machine-to-physical table.
 * @param narrow of a 32-bit guest
 * @returns whether a guest may have it
 */
export function adjustDescriptor(words: DescriptorWords, narrow: boolean): boolean {
  const { lo, hi } = words;
  if ((hi & PRESENT) === 0) return true;
  const dpl = privilegeOf(hi, narrow);
  if ((hi & NOT_SYSTEM) !== 0) {
    if (narrow && (hi & LONG) !== 0) return false;
    words.hi = ((hi & ~DPL) | (dpl << 13)) >>> 0;
    if (narrow) extendFlatSegment(words);
    return true;
  }
  // The second half of a call gate looks like this.
  if ((hi & TYPE) === 0) {
    words.hi = ((hi & ~DPL) | (dpl << 13)) >>> 0;
    return true;
  }
  if ((hi & TYPE) !== CALL_GATE || (hi & (narrow ? 0xe0 : 0xff)) !== 0) return false;
  const selector = lo >>> 16;
  const inGuestTable = selector >>> 3 < FIRST_RESERVED_GDT_ENTRY || (selector & 4) !== 0;
  if (!inGuestTable && selector !== (narrow ? FLAT_RING1_CS : FLAT_KERNEL_CS)) return false;
  // An adjusted gate comes back when its page is typed again: its DPL is 0 and its RPL holds what counts.
  const parked = Math.max(narrow ? dpl : (hi & DPL) >>> 13, selector & 3);
  words.lo = (((selector & ~3) | parked) * 0x10000 + (lo & 0xffff)) >>> 0;
  words.hi = (hi & ~DPL) >>> 0;
  return true;
}

/** Old 32-bit kernels end their segments below the machine-to-physical table of their day. */
function extendFlatSegment(words: DescriptorWords): void {
  const { lo, hi } = words;
  const base = ((hi & 0xff000000) | ((hi & 0xff) << 16) | (lo >>> 16)) >>> 0;
  const limit = ((hi & 0xf0000) | (lo & 0xffff)) + 1;
  const end = (hi & GRANULAR) !== 0 ? limit * 4096 : limit;
  if (base !== 0 || end <= NARROW_VIRT_START) return;
  words.lo = (lo | 0xffff) >>> 0;
  words.hi = (hi | 0xf0000) >>> 0;
}
