import {
  XENFEAT_auto_translated_physmap,
  XENFEAT_dom0,
  XENFEAT_gnttab_map_avail_bits,
  XENFEAT_highmem_assist,
  XENFEAT_hvm_callback_vector,
  XENFEAT_hvm_pirqs,
  XENFEAT_hvm_safe_pvclock,
  XENFEAT_linux_rsdp_unrestricted,
  XENFEAT_mmu_pt_update_preserve_ad,
  XENFEAT_pae_pgdir_above_4gb,
  XENFEAT_supervisor_mode_kernel,
  XENFEAT_writable_descriptor_tables,
  XENFEAT_writable_page_tables,
} from "@xen-node/xen-abi";

/** Feature names as they appear in a FEATURES note, and their bits (xen/include/public/features.h). */
export const featureBits: ReadonlyMap<string, number> = new Map([
  ["writable_page_tables", XENFEAT_writable_page_tables],
  ["writable_descriptor_tables", XENFEAT_writable_descriptor_tables],
  ["auto_translated_physmap", XENFEAT_auto_translated_physmap],
  ["supervisor_mode_kernel", XENFEAT_supervisor_mode_kernel],
  ["pae_pgdir_above_4gb", XENFEAT_pae_pgdir_above_4gb],
  ["mmu_pt_update_preserve_ad", XENFEAT_mmu_pt_update_preserve_ad],
  ["highmem_assist", XENFEAT_highmem_assist],
  ["gnttab_map_avail_bits", XENFEAT_gnttab_map_avail_bits],
  ["hvm_callback_vector", XENFEAT_hvm_callback_vector],
  ["hvm_safe_pvclock", XENFEAT_hvm_safe_pvclock],
  ["hvm_pirqs", XENFEAT_hvm_pirqs],
  ["dom0", XENFEAT_dom0],
  ["linux_rsdp_unrestricted", XENFEAT_linux_rsdp_unrestricted],
]);

/** The name of a feature bit, for messages. */
export function featureName(bit: number): string {
  for (const [name, candidate] of featureBits) {
    if (candidate === bit) {
      return name;
    }
  }
  return `feature ${bit}`;
}
