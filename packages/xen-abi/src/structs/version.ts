import { array, struct } from "../layout/spec.ts";

// xen/include/public/version.h

export const xen_compile_info = struct("xen_compile_info", {
  compiler: array("char", 64),
  compile_by: array("char", 16),
  compile_domain: array("char", 32),
  compile_date: array("char", 32),
});
export const xen_platform_parameters = struct("xen_platform_parameters", { virt_start: "ulong" });
export const xen_feature_info = struct("xen_feature_info", { submap_idx: "u32", submap: "u32" });
export const xen_build_id = struct("xen_build_id", { len: "u32", buf: array("u8", 0) });
