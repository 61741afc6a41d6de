import {
  HYPERVISOR_VIRT_START,
  MACH2PHYS_VIRT_END,
  MACH2PHYS_VIRT_START,
  structs,
  VMASST_TYPE_m2p_strict,
} from "@xen-node/xen-abi";
import { handlers } from "../abi/handlers.ts";
import { injectException } from "../bounce.ts";
import { applyContext64, CONTEXT_BYTES_64 } from "./context64.ts";
import { bounce64 } from "./frame64.ts";
import type { GuestAbi } from "./guest-abi.ts";
import { iret64 } from "./iret64.ts";
import { flat64, loadKernelSegments64 } from "./segments64.ts";
import { syscall64, sysenter64 } from "./syscall64.ts";
import { words64 } from "./words.ts";

const GP = 13;
const { offsets } = structs.shared_info;

/** 64-bit guests: kernel and programs at CPL 3, with a root for each. */
export const x86Of64: GuestAbi = {
  name: "x86_64",
  wordBits: 64,
  words: words64,
  structs,
  sharedInfo: {
    wcVersion: offsets.wc_version,
    wcSec: offsets.wc_sec,
    wcNsec: offsets.wc_nsec,
    wcSecHi: offsets.wc_sec_hi,
    maxPfn: offsets["arch.max_pfn"],
    cr2: structs.vcpu_info.offsets["arch.cr2"],
  },
  flat: flat64,
  kernelRpl: 3,
  rootLevel: 4,
  virtStart: HYPERVISOR_VIRT_START,
  machToPhysStart: MACH2PHYS_VIRT_START,
  machToPhysEnd: MACH2PHYS_VIRT_END,
  otherVmAssists: [VMASST_TYPE_m2p_strict],
  handlers,
  hypercallVector: -1,
  contextBytes: CONTEXT_BYTES_64,
  cr3OfRoot: (mfn) => mfn * 4096,
  rootOfCr3: (lo, hi) => (lo >>> 12) + (hi & 0xfffff) * 0x100000,
  loadKernelSegments: loadKernelSegments64,
  bounce: bounce64,
  syscall: syscall64,
  sysenter: sysenter64,
  iret: iret64,
  nativeIret: () => false,
  refusedSelector: (hv, vcpu, errorCode) => injectException(hv, vcpu, GP, true, errorCode),
  applyContext: applyContext64,
};
