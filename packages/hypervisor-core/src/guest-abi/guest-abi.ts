import type { structs, structs32 } from "@xen-node/xen-abi";
import type { HypercallHandler } from "../abi/hypercall-args.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import type { WordFormat } from "./words.ts";

/** The kinds of PV guest, by the names that XENVER_capabilities gives them. */
export type GuestAbiName = "x86_64" | "x86_32p";

/** Offsets in shared_info and vcpu_info (xen/include/public/xen.h) of what only the hypervisor's own code touches. */
export interface SharedInfoOffsets {
  readonly wcVersion: number;
  readonly wcSec: number;
  readonly wcNsec: number;
  readonly wcSecHi: number;
  readonly maxPfn: number;
  /** In vcpu_info. */
  readonly cr2: number;
}

/** Selectors of Xen's flat segments, and the high words of all descriptors that Xen's part of the GDT shows. */
export interface FlatSegments {
  readonly kernelCs: number;
  readonly kernelSs: number;
  /** DS, ES, FS and GS at the start. */
  readonly kernelDs: number;
  /** By selector with RPL 0; base 0, limit 4 GiB. */
  readonly descriptors: ReadonlyMap<number, number>;
}

/**
 * Everything of the PV interface in which guests of one width differ from those of the other: structures, hypercall
 * arguments, frames, selectors, page-table roots. A domain has one of these two objects, and nothing else asks which.
 */
export interface GuestAbi {
  readonly name: GuestAbiName;
  /** Of the event channels' bitmaps. */
  readonly wordBits: 32 | 64;
  readonly words: WordFormat;
  readonly structs: typeof structs | typeof structs32;
  readonly sharedInfo: SharedInfoOffsets;
  readonly flat: FlatSegments;
  /** Privilege of the guest's kernel; its programs have 3. */
  readonly kernelRpl: 1 | 3;
  /** Level of the guest's page-table roots; PAE's are linked into an L4 table of the hypervisor's. */
  readonly rootLevel: 3 | 4;
  /** First address of the hypervisor's part, and the machine-to-physical table in it. */
  readonly virtStart: number;
  readonly machToPhysStart: number;
  readonly machToPhysEnd: number;
  /** Highest VMASST_TYPE_* of the common ones, and those beyond. */
  readonly otherVmAssists: readonly number[];
  /** By number; undefined = -ENOSYS. */
  readonly handlers: readonly (HypercallHandler | undefined)[];
  /** INT n by which kernels make hypercalls; -1: they use SYSCALL. */
  readonly hypercallVector: number;
  /** Bytes of struct vcpu_guest_context. */
  readonly contextBytes: number;

  /** The CR3 form of a root's frame, as a number. */
  cr3OfRoot(mfn: number): number;
  rootOfCr3(lo: number, hi: number): number;
  /** Where the kernel's registers are as at its first entry. */
  loadKernelSegments(hv: Hypervisor): void;
  /**
   * Builds an exception frame on the guest kernel's stack and sends the vcpu to a handler.
   * @param cs the handler's code segment, where handlers have one
   * @param flags BounceFlag
   * @returns false: the domain was crashed (no handler, bad stack)
   */
  bounce(hv: Hypervisor, vcpu: Vcpu, handler: number, cs: number, flags: number, errorCode: number): boolean;
  /** SYSCALL and SYSENTER; RIP is at the instruction. */
  syscall(hv: Hypervisor, vcpu: Vcpu): void;
  sysenter(hv: Hypervisor, vcpu: Vcpu): void;
  /** HYPERVISOR_iret. */
  iret(hv: Hypervisor, vcpu: Vcpu): void;
  /** A native IRET of the kernel's to its programs, which the processor does not do by itself. False: #GP(0). */
  nativeIret(hv: Hypervisor, vcpu: Vcpu): boolean;
  /** #GP that names a selector: a call gate, if the guest may have such, or an exception of the guest's. */
  refusedSelector(hv: Hypervisor, vcpu: Vcpu, errorCode: number): void;
  /** VCPUOP_initialise with a structure of `contextBytes`. 0 or -errno; -ERESTART to be called again. */
  applyContext(hv: Hypervisor, vcpu: Vcpu, context: DataView): number;
}
