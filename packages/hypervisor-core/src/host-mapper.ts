import type { HostMapper } from "@xen-node/grant-tables";
import { Pte } from "@xen-node/mmu";
import {
  GNTMAP_application_map,
  GNTMAP_contains_pte,
  GNTMAP_guest_avail_mask,
  GNTMAP_readonly,
  GNTST_general_error,
  GNTST_okay,
} from "@xen-node/xen-abi";
import type { Domain } from "./domain.ts";
import type { Hypervisor } from "./hypervisor.ts";

const AVAILABLE_SHIFT = 16;
/** Bits 9-11 of an entry are the guest's to use. */
const PTE_AVAILABLE_SHIFT = 9;
const PTE_AVAILABLE_MASK = 7;

/**
 * Page-table entries for grants that a machine-code domain maps: named by machine address of the entry
 * (GNTMAP_contains_pte) or by virtual address in the calling vcpu's kernel address space.
 */
export class GrantHostMapper implements HostMapper {
  private table = 0;
  private index = 0;

  constructor(
    private readonly hv: Hypervisor,
    private readonly domain: Domain,
  ) {}

  /** Finds the L1 entry that an address names. */
  private locate(lo: number, hi: number, containsPte: boolean): boolean {
    if (containsPte) {
      // Misaligned entries would straddle two (XSA-227).
      if ((lo & 7) !== 0) return false;
      this.table = (lo >>> 12) + (hi >>> 0) * 0x100000;
      this.index = (lo >>> 3) & 511;
      return true;
    }
    const vcpu = this.hv.current;
    if (vcpu === undefined || vcpu.domain !== this.domain) return false;
    const { walker } = this.hv.mmu;
    if (walker.locate(vcpu.kernelRoot, lo, hi) < 0) return false;
    this.table = walker.l1Mfn;
    this.index = walker.l1Index;
    return true;
  }

  create(lo: number, hi: number, mfn: number, flags: number): number {
    if (!this.locate(lo, hi, (flags & GNTMAP_contains_pte) !== 0)) return GNTST_general_error;
    let entry: number = Pte.present | Pte.accessed | Pte.dirty;
    if ((flags & GNTMAP_readonly) === 0) entry |= Pte.rw;
    if ((flags & GNTMAP_application_map) !== 0) entry |= Pte.user;
    const available = ((flags & GNTMAP_guest_avail_mask) >>> AVAILABLE_SHIFT) & PTE_AVAILABLE_MASK;
    const entryLo = (entry | (available << PTE_AVAILABLE_SHIFT) | (mfn << 12)) >>> 0;
    const entryHi = Math.floor(mfn / 0x100000);
    const rc = this.hv.mmu.types.storeGrantEntry(this.table, this.index, entryLo, entryHi, this.domain.domid);
    return rc === 0 ? GNTST_okay : GNTST_general_error;
  }

  replace(lo: number, hi: number, mfn: number, flags: number, newLo: number, newHi: number): number {
    const { types } = this.hv.mmu;
    const containsPte = (flags & GNTMAP_contains_pte) !== 0;
    let fromTable = -1;
    let fromIndex = 0;
    if (newLo !== 0 || newHi !== 0) {
      if (containsPte || !this.locate(newLo, newHi, false)) return GNTST_general_error;
      fromTable = this.table;
      fromIndex = this.index;
    }
    if (!this.locate(lo, hi, containsPte)) return GNTST_general_error;
    const writable = (flags & GNTMAP_readonly) === 0;
    const { domid } = this.domain;
    const rc = types.clearGrantEntry(this.table, this.index, mfn, writable, domid, fromTable, fromIndex);
    return rc === 0 ? GNTST_okay : GNTST_general_error;
  }

  /** The soft TLB was brought up to date when the entries changed. */
  flushTlb(): void {}
}
