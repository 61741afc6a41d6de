import {
  VMASST_TYPE_pae_extended_cr3,
  XENFEAT_auto_translated_physmap,
  XENFEAT_dom0,
  XENFEAT_gnttab_map_avail_bits,
  XENFEAT_hvm_callback_vector,
  XENFEAT_hvm_safe_pvclock,
  XENFEAT_memory_op_vnode_supported,
  XENFEAT_mmu_pt_update_preserve_ad,
  XENFEAT_pae_pgdir_above_4gb,
  XENFEAT_writable_page_tables,
} from "@xen-node/xen-abi";
import type { Domain } from "../domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { XEN_CAPABILITIES, XEN_CHANGESET, XEN_EXTRAVERSION, XEN_VERSION } from "../xen-identity.ts";
import type { VersionCalls } from "./interface.ts";

/** xen/include/public/features.h: bits for a PV domain whose page tables are its own. */
const PV_FEATURES =
  (1 << XENFEAT_mmu_pt_update_preserve_ad) |
  (1 << XENFEAT_gnttab_map_avail_bits) |
  (1 << XENFEAT_memory_op_vnode_supported);

/** The same for a guest whose physical address space is translated. */
const PVH_FEATURES =
  (1 << XENFEAT_writable_page_tables) |
  (1 << XENFEAT_auto_translated_physmap) |
  (1 << XENFEAT_hvm_callback_vector) |
  (1 << XENFEAT_hvm_safe_pvclock) |
  (1 << XENFEAT_memory_op_vnode_supported);

/** What the hypervisor says of itself. */
export class DomainVersion implements VersionCalls {
  constructor(
    private readonly hv: Hypervisor,
    private readonly domain: Domain,
  ) {}

  version(): number {
    return XEN_VERSION;
  }

  extraversion(): string {
    return XEN_EXTRAVERSION;
  }

  capabilities(): string {
    return XEN_CAPABILITIES;
  }

  changeset(): string {
    return XEN_CHANGESET;
  }

  features(submap: number): number {
    if (submap !== 0) return 0;
    if (this.domain.kind === "pvh") return PVH_FEATURES;
    const extended = this.domain.vmAssists.has(VMASST_TYPE_pae_extended_cr3) ? 1 << XENFEAT_pae_pgdir_above_4gb : 0;
    return PV_FEATURES | extended | (this.domain.domid === 0 && this.domain.privileged ? 1 << XENFEAT_dom0 : 0);
  }

  /** Only the privileged may see it. */
  commandline(): string {
    return this.domain.privileged ? this.hv.commandline : "<denied>";
  }

  guestHandle(): Uint8Array {
    return this.domain.handle;
  }
}
