import { array, struct, union } from "../layout/spec.ts";

// xen/include/public/vcpu.h

export const vcpu_runstate_info = struct("vcpu_runstate_info", {
  state: "i32",
  state_entry_time: "u64",
  time: array("u64", 4),
});
export const vcpu_register_runstate_memory_area = struct("vcpu_register_runstate_memory_area", {
  addr: union(null, { h: "handle", v: "handle", p: "u64" }),
});
export const vcpu_set_periodic_timer = struct("vcpu_set_periodic_timer", { period_ns: "u64" });
export const vcpu_set_singleshot_timer = struct("vcpu_set_singleshot_timer", { timeout_abs_ns: "u64", flags: "u32" });
export const vcpu_register_vcpu_info = struct("vcpu_register_vcpu_info", { mfn: "u64", offset: "u32", rsvd: "u32" });
export const vcpu_get_physid = struct("vcpu_get_physid", { phys_id: "u64" });
export const vcpu_register_time_memory_area = struct("vcpu_register_time_memory_area", {
  addr: union(null, { h: "handle", v: "handle", p: "u64" }),
});
