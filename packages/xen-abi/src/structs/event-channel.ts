import { array, struct, union } from "../layout/spec.ts";

// xen/include/public/event_channel.h; a port is a u32.

export const evtchn_alloc_unbound = struct("evtchn_alloc_unbound", { dom: "u16", remote_dom: "u16", port: "u32" });
export const evtchn_bind_interdomain = struct("evtchn_bind_interdomain", {
  remote_dom: "u16",
  remote_port: "u32",
  local_port: "u32",
});
export const evtchn_bind_virq = struct("evtchn_bind_virq", { virq: "u32", vcpu: "u32", port: "u32" });
export const evtchn_bind_pirq = struct("evtchn_bind_pirq", { pirq: "u32", flags: "u32", port: "u32" });
export const evtchn_bind_ipi = struct("evtchn_bind_ipi", { vcpu: "u32", port: "u32" });
export const evtchn_close = struct("evtchn_close", { port: "u32" });
export const evtchn_send = struct("evtchn_send", { port: "u32" });
export const evtchn_status = struct("evtchn_status", {
  dom: "u16",
  port: "u32",
  status: "u32",
  vcpu: "u32",
  u: union(null, {
    unbound: struct(null, { dom: "u16" }),
    interdomain: struct(null, { dom: "u16", port: "u32" }),
    pirq: "u32",
    virq: "u32",
  }),
});
export const evtchn_bind_vcpu = struct("evtchn_bind_vcpu", { port: "u32", vcpu: "u32" });
export const evtchn_unmask = struct("evtchn_unmask", { port: "u32" });
export const evtchn_reset = struct("evtchn_reset", { dom: "u16" });
export const evtchn_init_control = struct("evtchn_init_control", {
  control_gfn: "u64",
  offset: "u32",
  vcpu: "u32",
  link_bits: "u8",
  _pad: array("u8", 7),
});
export const evtchn_expand_array = struct("evtchn_expand_array", { array_gfn: "u64" });
export const evtchn_set_priority = struct("evtchn_set_priority", { port: "u32", priority: "u32" });

/** Argument of the old two-argument hypercall, number 16: the command stands in front of its structure. */
export const evtchn_op = struct("evtchn_op", {
  cmd: "u32",
  u: union(null, {
    alloc_unbound: evtchn_alloc_unbound,
    bind_interdomain: evtchn_bind_interdomain,
    bind_virq: evtchn_bind_virq,
    bind_pirq: evtchn_bind_pirq,
    bind_ipi: evtchn_bind_ipi,
    close: evtchn_close,
    send: evtchn_send,
    status: evtchn_status,
    bind_vcpu: evtchn_bind_vcpu,
    unmask: evtchn_unmask,
  }),
});

export const evtchn_fifo_control_block = struct("evtchn_fifo_control_block", {
  ready: "u32",
  _rsvd: "u32",
  head: array("u32", 16),
});
