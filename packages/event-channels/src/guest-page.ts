import { PageType } from "@xen-node/mmu";
import type { EventMmu } from "./host.ts";

/**
 * Pins a page of the guest for writing by the hypervisor: a general reference and a writable-type reference, so that it
 * can neither be freed nor become a page table.
 * @returns whether the frame is the domain's and may be written
 */
export function pinGuestPage(mmu: EventMmu, mfn: number, domid: number): boolean {
  if (!mmu.types.getPage(mfn, domid)) return false;
  if (mmu.types.getPageType(mfn, PageType.writable, domid) === 0) return true;
  mmu.types.putPage(mfn);
  return false;
}

export function unpinGuestPage(mmu: EventMmu, mfn: number): void {
  mmu.types.putPageType(mfn);
  mmu.types.putPage(mfn);
}
