import { constantDefines } from "./constants.ts";
import { structDefinitions } from "./structs.ts";

/** What the two ABIs define differently: `xen-abi` has the 64-bit value under the common name. */
const FOR_32_BIT = [
  "FLAT_KERNEL_CS FLAT_RING1_CS",
  "FLAT_KERNEL_DS FLAT_RING1_DS",
  "FLAT_KERNEL_SS FLAT_RING1_SS",
  "FLAT_USER_CS FLAT_RING3_CS",
  "FLAT_USER_DS FLAT_RING3_DS",
  "FLAT_USER_SS FLAT_RING3_SS",
  "HYPERVISOR_VIRT_START HYPERVISOR_VIRT_START_PAE",
  "MACH2PHYS_VIRT_START MACH2PHYS_VIRT_START_PAE",
  "MACH2PHYS_VIRT_END MACH2PHYS_VIRT_END_PAE",
];

const TYPES = `typedef uint16_t domid_t;
typedef unsigned long xen_ulong_t;
typedef unsigned long xen_pfn_t;
typedef uint32_t evtchn_port_t;
typedef uint32_t grant_ref_t;
typedef uint32_t grant_handle_t;

#define set_xen_guest_handle(handle, address) ((handle) = (void *)(address))`;

/** `xen/abi.h`: the public interface as C. */
export function abiHeader(): string {
  return `/* Xen's public interface. Generated from the data of @xen-node/xen-abi: do not edit. */
#ifndef XEN_ABI_H
#define XEN_ABI_H

${constantDefines().join("\n")}

#ifdef __i386__
${FOR_32_BIT.map((line) => `#undef ${line.split(" ")[0]}\n#define ${line}`).join("\n")}
#endif

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

#define XEN_ASSERT(condition) _Static_assert(condition, #condition)

${TYPES}

#ifdef __i386__
${structDefinitions("x86_32").join("\n\n")}
#else
${structDefinitions("x86_64").join("\n\n")}
#endif

/* The machine-to-physical table, which Xen maps into every guest. */
#define machine_to_phys_mapping ((const unsigned long *)MACH2PHYS_VIRT_START)

#undef XEN_ASSERT
#endif
#endif
`;
}

/** Names of the public headers, for sources that include those. Each stands for all of `xen/abi.h`. */
const PUBLIC_HEADERS = [
  "callback",
  "elfnote",
  "errno",
  "event_channel",
  "features",
  "grant_table",
  "io/blkif",
  "io/console",
  "io/netif",
  "io/protocols",
  "io/ring",
  "io/xenbus",
  "io/xs_wire",
  "memory",
  "nmi",
  "physdev",
  "sched",
  "vcpu",
  "version",
  "xen",
];

/** Every generated header: its path below `include`, and its text. */
export function generatedHeaders(): Map<string, string> {
  return new Map([
    ["xen/abi.h", abiHeader()],
    ...PUBLIC_HEADERS.map((name): [string, string] => [
      `xen/${name}.h`,
      "/* Generated: the public interface is one file here. */\n#include <xen/abi.h>\n",
    ]),
  ]);
}
