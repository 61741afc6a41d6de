import { type Memory, type MemoryOperand, qword, type Register } from "@xen-node/x86-assembler";
import { structs } from "@xen-node/xen-abi";

/** Where the guest's pseudo-physical memory begins; page frame 0 lies there, and so does the first byte of its code. */
export const VIRT_BASE = 0x40000000;

export const ENTRY_LABEL = "entry";

/** The page where shared_info is mapped. */
export const SHARED_INFO = "shared_info";

/** The variable that holds the address of start_info. */
export const START_INFO = "start_info";

/** A field of shared_info (xen/include/public/xen.h). */
export function sharedInfo(size: MemoryOperand, field: keyof typeof structs.shared_info.offsets): Memory {
  return size(SHARED_INFO, structs.shared_info.offsets[field]);
}

/** A field of the only vcpu's vcpu_info, which is the first in shared_info. */
export function vcpuInfo(size: MemoryOperand, field: keyof typeof structs.vcpu_info.offsets): Memory {
  return size(SHARED_INFO, structs.vcpu_info.offsets[field]);
}

/** A field of start_info, whose address is in `base`. */
export function startInfo(
  base: Register,
  field: keyof typeof structs.start_info.offsets,
  size: MemoryOperand = qword,
): Memory {
  return size(base, structs.start_info.offsets[field]);
}
