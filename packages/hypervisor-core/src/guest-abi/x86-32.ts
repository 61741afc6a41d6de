import {
  HYPERVISOR_VIRT_START_PAE,
  MACH2PHYS_VIRT_END_PAE,
  MACH2PHYS_VIRT_START_PAE,
  structs32,
} from "@xen-node/xen-abi";
import { handlers32 } from "../abi/handlers32.ts";
import { callGate32 } from "./call-gate32.ts";
import { applyContext32 } from "./context32.ts";
import { bounce32 } from "./frame32.ts";
import type { GuestAbi } from "./guest-abi.ts";
import { iret32, nativeIret32 } from "./iret32.ts";
import { flat32, loadKernelSegments32 } from "./segments32.ts";
import { syscall32, sysenter32 } from "./syscall32.ts";
import { words32 } from "./words.ts";

const { offsets } = structs32.shared_info;
const HYPERCALL_VECTOR = 0x82;

/** 32-bit guests with PAE: the kernel at CPL 1, programs at CPL 3, one root for both. */
export const x86Of32: GuestAbi = {
  name: "x86_32p",
  wordBits: 32,
  words: words32,
  structs: structs32,
  sharedInfo: {
    wcVersion: offsets.wc_version,
    wcSec: offsets.wc_sec,
    wcNsec: offsets.wc_nsec,
    wcSecHi: offsets["arch.wc_sec_hi"],
    maxPfn: offsets["arch.max_pfn"],
    cr2: structs32.vcpu_info.offsets["arch.cr2"],
  },
  flat: flat32,
  kernelRpl: 1,
  rootLevel: 3,
  virtStart: HYPERVISOR_VIRT_START_PAE,
  machToPhysStart: MACH2PHYS_VIRT_START_PAE,
  machToPhysEnd: MACH2PHYS_VIRT_END_PAE,
  otherVmAssists: [],
  handlers: handlers32,
  hypercallVector: HYPERCALL_VECTOR,
  contextBytes: structs32.vcpu_guest_context.size,
  // A root above 4 GiB has its number's upper bits below: xen_pfn_to_cr3 of xen-x86_32.h.
  cr3OfRoot: (mfn) => ((mfn << 12) | (mfn >>> 20)) >>> 0,
  rootOfCr3: (lo) => ((lo >>> 12) | (lo << 20)) >>> 0,
  loadKernelSegments: loadKernelSegments32,
  bounce: bounce32,
  syscall: syscall32,
  sysenter: sysenter32,
  iret: iret32,
  nativeIret: nativeIret32,
  refusedSelector: callGate32,
  applyContext: applyContext32,
};
