import { array, struct, union } from "../layout/spec.ts";

// xen/include/public/grant_table.h; references and handles are u32, statuses i16 (GNTST_*).

export const grant_entry_v1 = struct("grant_entry_v1", { flags: "u16", domid: "u16", frame: "u32" });
export const grant_entry_header = struct("grant_entry_header", { flags: "u16", domid: "u16" });
export const grant_entry_v2 = union("grant_entry_v2", {
  hdr: grant_entry_header,
  full_page: struct(null, { hdr: grant_entry_header, pad0: "u32", frame: "u64" }),
  sub_page: struct(null, { hdr: grant_entry_header, page_off: "u16", length: "u16", frame: "u64" }),
  transitive: struct(null, { hdr: grant_entry_header, trans_domid: "u16", pad0: "u16", gref: "u32" }),
  __spacer: array("u32", 4),
});

export const gnttab_map_grant_ref = struct("gnttab_map_grant_ref", {
  host_addr: "u64",
  flags: "u32",
  ref: "u32",
  dom: "u16",
  status: "i16",
  handle: "u32",
  dev_bus_addr: "u64",
});
export const gnttab_unmap_grant_ref = struct("gnttab_unmap_grant_ref", {
  host_addr: "u64",
  dev_bus_addr: "u64",
  handle: "u32",
  status: "i16",
});
export const gnttab_setup_table = struct("gnttab_setup_table", {
  dom: "u16",
  nr_frames: "u32",
  status: "i16",
  frame_list: "handle",
});
export const gnttab_dump_table = struct("gnttab_dump_table", { dom: "u16", status: "i16" });
export const gnttab_transfer = struct("gnttab_transfer", { mfn: "pfn", domid: "u16", ref: "u32", status: "i16" });

export const gnttab_copy_ptr = struct("gnttab_copy_ptr", {
  u: union(null, { ref: "u32", gmfn: "pfn" }),
  domid: "u16",
  offset: "u16",
});
export const gnttab_copy = struct("gnttab_copy", {
  source: gnttab_copy_ptr,
  dest: gnttab_copy_ptr,
  len: "u16",
  flags: "u16",
  status: "i16",
});

export const gnttab_query_size = struct("gnttab_query_size", {
  dom: "u16",
  nr_frames: "u32",
  max_nr_frames: "u32",
  status: "i16",
});
export const gnttab_unmap_and_replace = struct("gnttab_unmap_and_replace", {
  host_addr: "u64",
  new_addr: "u64",
  handle: "u32",
  status: "i16",
});
export const gnttab_set_version = struct("gnttab_set_version", { version: "u32" });
export const gnttab_get_status_frames = struct("gnttab_get_status_frames", {
  nr_frames: "u32",
  dom: "u16",
  status: "i16",
  frame_list: "handle",
});
export const gnttab_get_version = struct("gnttab_get_version", { dom: "u16", pad: "u16", version: "u32" });
export const gnttab_swap_grant_ref = struct("gnttab_swap_grant_ref", { ref_a: "u32", ref_b: "u32", status: "i16" });
export const gnttab_cache_flush = struct("gnttab_cache_flush", {
  a: union(null, { dev_bus_addr: "u64", ref: "u32" }),
  offset: "u16",
  length: "u16",
  op: "u32",
});
