import { struct, union } from "../layout/spec.ts";

// xen/include/public/memory.h

export const xen_memory_reservation = struct("xen_memory_reservation", {
  extent_start: "handle",
  nr_extents: "ulong",
  extent_order: "u32",
  mem_flags: "u32",
  domid: "u16",
});
export const xen_memory_exchange = struct("xen_memory_exchange", {
  in: xen_memory_reservation,
  out: xen_memory_reservation,
  nr_exchanged: "ulong",
});
export const xen_memory_domain = struct("xen_memory_domain", { domid: "u16" });
export const xen_machphys_mfn_list = struct("xen_machphys_mfn_list", {
  max_extents: "u32",
  extent_start: "handle",
  nr_extents: "u32",
});
export const xen_machphys_mapping = struct("xen_machphys_mapping", {
  v_start: "ulong",
  v_end: "ulong",
  max_mfn: "ulong",
});
export const xen_add_to_physmap = struct("xen_add_to_physmap", {
  domid: "u16",
  size: "u16",
  space: "u32",
  idx: "ulong",
  gpfn: "pfn",
});
export const xen_add_to_physmap_batch = struct("xen_add_to_physmap_batch", {
  domid: "u16",
  space: "u16",
  size: "u16",
  u: union(null, { foreign_domid: "u16", res0: "u16" }),
  idxs: "handle",
  gpfns: "handle",
  errs: "handle",
});
export const xen_remove_from_physmap = struct("xen_remove_from_physmap", { domid: "u16", gpfn: "pfn" });
export const xen_memory_map = struct("xen_memory_map", { nr_entries: "u32", buffer: "handle" });
export const xen_foreign_memory_map = struct("xen_foreign_memory_map", { domid: "u16", map: xen_memory_map });
export const xen_pod_target = struct("xen_pod_target", {
  target_pages: "u64",
  tot_pages: "u64",
  pod_cache_pages: "u64",
  pod_entries: "u64",
  domid: "u16",
});
export const xen_mem_acquire_resource = struct("xen_mem_acquire_resource", {
  domid: "u16",
  type: "u16",
  id: "u32",
  nr_frames: "u32",
  pad: "u32",
  frame: "u64",
  frame_list: "handle",
});
export const xen_vmemrange = struct("xen_vmemrange", { start: "u64", end: "u64", flags: "u32", nid: "u32" });

const padded = union(null, { h: "handle", pad: "u64" });
export const xen_vnuma_topology_info = struct("xen_vnuma_topology_info", {
  domid: "u16",
  pad: "u16",
  nr_vnodes: "u32",
  nr_vcpus: "u32",
  nr_vmemranges: "u32",
  vdistance: padded,
  vcpu_to_vnode: padded,
  vmemrange: padded,
});
