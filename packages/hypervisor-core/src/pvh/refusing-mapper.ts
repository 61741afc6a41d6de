import type { HostMapper } from "@xen-node/grant-tables";
import { GNTST_general_error } from "@xen-node/xen-abi";

/** Grants that a PVH guest maps would have to appear in its physical address space: that is not there yet. */
export class RefusingMapper implements HostMapper {
  create(): number {
    return GNTST_general_error;
  }

  replace(): number {
    return GNTST_general_error;
  }

  flushTlb(): void {}
}
