import type { StructSpec } from "../layout/spec.ts";
import { array, struct, structPerAbi, union } from "../layout/spec.ts";

// xen/include/public/io/ring.h, blkif.h, netif.h

/** A shared ring: 64 bytes of indices, then entries, each of which is first a request and then its response. */
const sring = <const Q extends StructSpec, const R extends StructSpec>(tag: string, req: Q, rsp: R) =>
  struct(tag, {
    req_prod: "u32",
    req_event: "u32",
    rsp_prod: "u32",
    rsp_event: "u32",
    pvt: union(null, { pvt_pad: array("u8", 4) }),
    __pad: array("u8", 44),
    // The header declares one entry; a ring page holds `ringEntries()` of them.
    ring: array(union(null, { req, rsp }), 1),
  });

export const blkif_request_segment = struct("blkif_request_segment", {
  gref: "u32",
  first_sect: "u8",
  last_sect: "u8",
});
export const blkif_request = struct("blkif_request", {
  operation: "u8",
  nr_segments: "u8",
  handle: "u16",
  id: "u64",
  sector_number: "u64",
  seg: array(blkif_request_segment, 11),
});
export const blkif_request_discard = struct("blkif_request_discard", {
  operation: "u8",
  flag: "u8",
  handle: "u16",
  id: "u64",
  sector_number: "u64",
  nr_sectors: "u64",
});

const indirectHead = {
  operation: "u8",
  indirect_op: "u8",
  nr_segments: "u16",
  id: "u64",
  sector_number: "u64",
  handle: "u16",
  indirect_grefs: array("u32", 8),
} as const;
export const blkif_request_indirect = structPerAbi("blkif_request_indirect", {
  x86_64: indirectHead,
  x86_32: { ...indirectHead, pad: "u64" },
});
export const blkif_response = struct("blkif_response", { id: "u64", operation: "u8", status: "i16" });
export const blkif_sring = sring("blkif_sring", blkif_request, blkif_response);

export const netif_tx_request = struct("netif_tx_request", {
  gref: "u32",
  offset: "u16",
  flags: "u16",
  id: "u16",
  size: "u16",
});
export const netif_extra_info = struct("netif_extra_info", {
  type: "u8",
  flags: "u8",
  u: union(null, {
    gso: struct(null, { size: "u16", type: "u8", pad: "u8", features: "u16" }),
    mcast: struct(null, { addr: array("u8", 6) }),
    hash: struct(null, { type: "u8", algorithm: "u8", value: array("u8", 4) }),
    pad: array("u16", 3),
  }),
});
export const netif_tx_response = struct("netif_tx_response", { id: "u16", status: "i16" });
export const netif_tx_sring = sring("netif_tx_sring", netif_tx_request, netif_tx_response);

export const netif_rx_request = struct("netif_rx_request", { id: "u16", pad: "u16", gref: "u32" });
export const netif_rx_response = struct("netif_rx_response", {
  id: "u16",
  offset: "u16",
  flags: "u16",
  status: "i16",
});
export const netif_rx_sring = sring("netif_rx_sring", netif_rx_request, netif_rx_response);

export const xen_netif_ctrl_request = struct("xen_netif_ctrl_request", {
  id: "u16",
  type: "u16",
  data: array("u32", 3),
});
export const xen_netif_ctrl_response = struct("xen_netif_ctrl_response", {
  id: "u16",
  type: "u16",
  status: "u32",
  data: "u32",
});
export const xen_netif_gref = struct("xen_netif_gref", { ref: "u32", flags: "u16", status: "u16" });
export const xen_netif_ctrl_sring = sring("xen_netif_ctrl_sring", xen_netif_ctrl_request, xen_netif_ctrl_response);
