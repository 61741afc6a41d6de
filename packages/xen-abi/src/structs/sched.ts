import { struct } from "../layout/spec.ts";

// xen/include/public/sched.h

export const sched_shutdown = struct("sched_shutdown", { reason: "u32" });
export const sched_poll = struct("sched_poll", { ports: "handle", nr_ports: "u32", timeout: "u64" });
export const sched_remote_shutdown = struct("sched_remote_shutdown", { domain_id: "u16", reason: "u32" });
export const sched_watchdog = struct("sched_watchdog", { id: "u32", timeout: "u32" });
export const sched_pin_override = struct("sched_pin_override", { pcpu: "i32" });
