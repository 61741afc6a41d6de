import { array, struct, structPerAbi, union } from "../layout/spec.ts";
import { arch_shared_info, arch_vcpu_info } from "./arch-x86.ts";

// xen/include/public/xen.h

export const mmuext_op = struct("mmuext_op", {
  cmd: "u32",
  arg1: union(null, { mfn: "pfn", linear_addr: "ulong" }),
  arg2: union(null, { nr_ents: "u32", vcpumask: "handle", src_mfn: "pfn" }),
});

export const mmu_update = struct("mmu_update", { ptr: "u64", val: "u64" });

export const multicall_entry = struct("multicall_entry", { op: "ulong", result: "ulong", args: array("ulong", 6) });

export const vcpu_time_info = struct("vcpu_time_info", {
  version: "u32",
  pad0: "u32",
  tsc_timestamp: "u64",
  system_time: "u64",
  tsc_to_system_mul: "u32",
  tsc_shift: "i8",
  flags: "u8",
  pad1: array("u8", 2),
});

export const vcpu_info = struct("vcpu_info", {
  evtchn_upcall_pending: "u8",
  evtchn_upcall_mask: "u8",
  evtchn_pending_sel: "ulong",
  arch: arch_vcpu_info,
  time: vcpu_time_info,
});

const sharedInfoHead = {
  vcpu_info: array(vcpu_info, 32),
  evtchn_pending: array("ulong", { x86_64: 64, x86_32: 32 }),
  evtchn_mask: array("ulong", { x86_64: 64, x86_32: 32 }),
  wc_version: "u32",
  wc_sec: "u32",
  wc_nsec: "u32",
} as const;

export const shared_info = structPerAbi("shared_info", {
  x86_64: { ...sharedInfoHead, wc_sec_hi: "u32", arch: arch_shared_info },
  x86_32: { ...sharedInfoHead, arch: arch_shared_info },
});

export const start_info = struct("start_info", {
  magic: array("char", 32),
  nr_pages: "ulong",
  shared_info: "ulong",
  flags: "u32",
  store_mfn: "pfn",
  store_evtchn: "u32",
  console: union(null, {
    domU: struct(null, { mfn: "pfn", evtchn: "u32" }),
    dom0: struct(null, { info_off: "u32", info_size: "u32" }),
  }),
  pt_base: "ulong",
  nr_pt_frames: "ulong",
  mfn_list: "ulong",
  mod_start: "ulong",
  mod_len: "ulong",
  cmd_line: array("char", 1024),
  first_p2m_pfn: "ulong",
  nr_p2m_frames: "ulong",
});

export const xen_multiboot_mod_list = struct("xen_multiboot_mod_list", {
  mod_start: "u32",
  mod_end: "u32",
  cmdline: "u32",
  pad: "u32",
});
