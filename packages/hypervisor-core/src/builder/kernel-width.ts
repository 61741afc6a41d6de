import { ELFCLASS32, ELFCLASS64, EM_386, EM_X86_64, type KernelImage } from "@xen-node/guest-images";
import {
  FLAT_KERNEL_CS,
  FLAT_KERNEL_DS,
  FLAT_KERNEL_SS,
  FLAT_RING1_CS,
  FLAT_RING1_DS,
  FLAT_RING1_SS,
  HYPERVISOR_VIRT_END,
  HYPERVISOR_VIRT_START,
  HYPERVISOR_VIRT_START_PAE,
  structs,
  structs32,
} from "@xen-node/xen-abi";
import type { GuestAbiName } from "../guest-abi/guest-abi.ts";
import { BuildError } from "./build-error.ts";
import { hypercallPage32, hypercallPage64 } from "./hypercall-page.ts";

/** What the builder does differently for kernels of the two widths. */
export interface KernelWidth {
  readonly abi: GuestAbiName;
  /** Bytes of an entry of the p2m list. */
  readonly wordBytes: 4 | 8;
  readonly structs: typeof structs | typeof structs32;
  /** Level of the root table. */
  readonly levels: 3 | 4;
  /** L2 tables that there must be, though nothing in them is the guest's. */
  readonly requiredL2Slots: readonly number[];
  /** The kernel may choose where its p2m list is mapped. */
  readonly hasOwnP2mAddress: boolean;
  /** Where the first vcpu starts. */
  readonly cs: number;
  readonly ss: number;
  readonly ds: number;
  hypercallPage(): Uint8Array;
  /** A mapping must stay out of Xen's part of the address space. */
  isGuestRange(start: number, end: number): boolean;
}

const kernels64: KernelWidth = {
  abi: "x86_64",
  wordBytes: 8,
  structs,
  levels: 4,
  requiredL2Slots: [],
  hasOwnP2mAddress: true,
  cs: FLAT_KERNEL_CS,
  ss: FLAT_KERNEL_SS,
  ds: FLAT_KERNEL_DS,
  hypercallPage: hypercallPage64,
  isGuestRange(start, end) {
    // It stays in one half, too.
    const top = start < 0 ? 0 : 2 ** 47;
    return end <= top && !(start < HYPERVISOR_VIRT_END && end > HYPERVISOR_VIRT_START && start < 0);
  },
};

const kernels32: KernelWidth = {
  abi: "x86_32p",
  wordBytes: 4,
  structs: structs32,
  levels: 3,
  // The L2 table that Xen puts its slots in.
  requiredL2Slots: [3],
  hasOwnP2mAddress: false,
  cs: FLAT_RING1_CS,
  ss: FLAT_RING1_SS,
  ds: FLAT_RING1_DS,
  hypercallPage: hypercallPage32,
  isGuestRange: (start, end) => start >= 0 && end <= HYPERVISOR_VIRT_START_PAE,
};

/**
 * Which kind of domain a kernel needs.
 * @throws BuildError if there is none for it
 */
export function kernelWidth({ elf, notes }: KernelImage): KernelWidth {
  if (elf.elfClass === ELFCLASS64 && elf.machine === EM_X86_64) return kernels64;
  if (elf.elfClass !== ELFCLASS32 || elf.machine !== EM_386) {
    throw new BuildError("kernel", "the kernel's ELF class and machine are neither those of 64-bit nor of 32-bit x86");
  }
  // "yes", "yes[extended-cr3]" and "bimodal" are all kernels that can; those without a note are older than PAE's.
  if (!/yes|bimodal/.test(notes.paeMode)) {
    throw new BuildError("kernel", "the kernel is a 32-bit one without PAE, and 32-bit PV guests must have it");
  }
  return kernels32;
}

/** The interface that a kernel needs of its domain, for `DomainConfig.abi`. @throws BuildError as `kernelWidth` */
export function kernelAbi(kernel: KernelImage): GuestAbiName {
  return kernelWidth(kernel).abi;
}
