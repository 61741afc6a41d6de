import { array, struct } from "../layout/spec.ts";

// xen/include/public/io/console.h, xs_wire.h

export const xencons_interface = struct(
  "xencons_interface",
  {
    in: array("char", 1024),
    out: array("char", 2048),
    in_cons: "u32",
    in_prod: "u32",
    out_cons: "u32",
    out_prod: "u32",
    connection: "u8",
  },
  ["connection"],
);

export const xenstore_domain_interface = struct(
  "xenstore_domain_interface",
  {
    req: array("char", 1024),
    rsp: array("char", 1024),
    req_cons: "u32",
    req_prod: "u32",
    rsp_cons: "u32",
    rsp_prod: "u32",
    server_features: "u32",
    connection: "u32",
    error: "u32",
    evtchn_port: "u32",
  },
  ["evtchn_port"],
);

export const xsd_sockmsg = struct("xsd_sockmsg", { type: "u32", req_id: "u32", tx_id: "u32", len: "u32" });
