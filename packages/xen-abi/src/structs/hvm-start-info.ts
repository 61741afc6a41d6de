import { struct } from "../layout/spec.ts";

// xen/include/public/arch-x86/hvm/start_info.h: what a PVH guest's entry point gets in ebx.

export const hvm_start_info = struct("hvm_start_info", {
  magic: "u32",
  version: "u32",
  flags: "u32",
  nr_modules: "u32",
  modlist_paddr: "u64",
  cmdline_paddr: "u64",
  rsdp_paddr: "u64",
  memmap_paddr: "u64",
  memmap_entries: "u32",
  reserved: "u32",
});
export const hvm_modlist_entry = struct("hvm_modlist_entry", {
  paddr: "u64",
  size: "u64",
  cmdline_paddr: "u64",
  reserved: "u64",
});
export const hvm_memmap_table_entry = struct("hvm_memmap_table_entry", {
  addr: "u64",
  size: "u64",
  type: "u32",
  reserved: "u32",
});
