import { struct, union } from "../layout/spec.ts";

// xen/include/public/physdev.h

export const physdev_eoi = struct("physdev_eoi", { irq: "u32" });
export const physdev_pirq_eoi_gmfn = struct("physdev_pirq_eoi_gmfn", { gmfn: "pfn" });
export const physdev_irq_status_query = struct("physdev_irq_status_query", { irq: "u32", flags: "u32" });
export const physdev_set_iopl = struct("physdev_set_iopl", { iopl: "u32" });
export const physdev_set_iobitmap = struct("physdev_set_iobitmap", { bitmap: "handle", nr_ports: "u32" });
export const physdev_apic = struct("physdev_apic", { apic_physbase: "ulong", reg: "u32", value: "u32" });
export const physdev_irq = struct("physdev_irq", { irq: "u32", vector: "u32" });
export const physdev_map_pirq = struct("physdev_map_pirq", {
  domid: "u16",
  type: "i32",
  index: "i32",
  pirq: "i32",
  bus: "i32",
  devfn: "i32",
  entry_nr: "i32",
  table_base: "u64",
});
export const physdev_unmap_pirq = struct("physdev_unmap_pirq", { domid: "u16", pirq: "i32" });
export const physdev_setup_gsi = struct("physdev_setup_gsi", { gsi: "i32", triggering: "u8", polarity: "u8" });
export const physdev_get_free_pirq = struct("physdev_get_free_pirq", { type: "i32", pirq: "u32" });
export const physdev_pci_device = struct("physdev_pci_device", { seg: "u16", bus: "u8", devfn: "u8" });

/** Argument of the old hypercall, number 19: the command stands in front of its structure. */
export const physdev_op = struct("physdev_op", {
  cmd: "u32",
  u: union(null, {
    irq_status_query: physdev_irq_status_query,
    set_iopl: physdev_set_iopl,
    set_iobitmap: physdev_set_iobitmap,
    apic_op: physdev_apic,
    irq_op: physdev_irq,
  }),
});
