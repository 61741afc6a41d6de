/** Entries of a GDT that are the guest's own; Xen's begin here (xen/include/public/arch-x86/xen.h: 14 pages). */
const FIRST_RESERVED_GDT_ENTRY = 7168;
const FLAT_KERNEL_CS = 0xe033;

const PRESENT = 0x8000;
const DPL = 0x6000;
const NOT_SYSTEM = 0x1000;
const TYPE = 0xf00;
const CALL_GATE = 0xc00;

/** A descriptor as `adjustDescriptor` leaves it. */
export interface DescriptorWords {
  lo: number;
  hi: number;
}

/**
 * Checks a descriptor of a 64-bit guest's GDT or LDT and changes what Xen changes: privilege 3 for segments; a call
 * gate keeps its place but gets privilege 0, so that its use raises #GP naming it, with the old privilege parked in the
 * selector's RPL. Not-present and type-0 descriptors pass as they are.
 * @returns whether a guest may have it
 */
export function adjustDescriptor(words: DescriptorWords): boolean {
  const { lo, hi } = words;
  if ((hi & PRESENT) === 0) return true;
  if ((hi & NOT_SYSTEM) !== 0) {
    words.hi = (hi | DPL) >>> 0;
    return true;
  }
  // The second half of a call gate looks like this.
  if ((hi & TYPE) === 0) {
    words.hi = (hi | DPL) >>> 0;
    return true;
  }
  if ((hi & TYPE) !== CALL_GATE || (hi & 0xff) !== 0) return false;
  const selector = lo >>> 16;
  const inGuestTable = selector >>> 3 < FIRST_RESERVED_GDT_ENTRY || (selector & 4) !== 0;
  if (!inGuestTable && selector !== FLAT_KERNEL_CS) return false;
  const dpl = (hi & DPL) >>> 13;
  // An adjusted gate comes back when its page is typed again: its DPL is 0 and its RPL holds what counts.
  const parked = Math.max(dpl, selector & 3);
  words.lo = (((selector & ~3) | parked) * 0x10000 + (lo & 0xffff)) >>> 0;
  words.hi = (hi & ~DPL) >>> 0;
  return true;
}
