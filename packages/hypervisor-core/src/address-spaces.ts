import { GS, SEG_BASE } from "@xen-node/x86-cpu";
import { EINVAL, ERESTART, VMASST_TYPE_m2p_strict } from "@xen-node/xen-abi";
import type { Hypervisor } from "./hypervisor.ts";
import { linkPaeRoot } from "./pae-roots.ts";
import { releaseLdt } from "./segments.ts";
import type { Vcpu } from "./vcpu.ts";

/** Page-table entries to check or let go in one step of work that can be continued: about a millisecond. */
export const TABLE_WORK = 65536;

const GS_BASE_WORD = SEG_BASE(GS) >>> 2;

/**
 * Guest kernels see the machine-to-physical table, their programs do not. By default the roots that were ever a kernel's
 * show it; with m2p_strict all do but those that were ever a program's.
 */
function isStrict(vcpu: Vcpu): boolean {
  return vcpu.domain.vmAssists.has(VMASST_TYPE_m2p_strict);
}

/** The page-table roots of vcpus: which are loaded, what references they hold, and the kernel/user toggle. */
export class AddressSpaces {
  constructor(private readonly hv: Hypervisor) {}

  /** Takes a root's references: 0, -EINVAL, or -ERESTART when validation has to go on later. */
  private take(vcpu: Vcpu, mfn: number): number {
    const rc = this.hv.mmu.types.getPageAndType(mfn, vcpu.domain.abi.rootLevel, vcpu.domain.domid, TABLE_WORK);
    return rc === 0 || rc === -ERESTART ? rc : -EINVAL;
  }

  /** What is left to do after this is done before the domain runs on (`PageTypes.continueWork`). */
  private put(mfn: number): void {
    if (mfn !== 0) this.hv.mmu.types.putPageAndType(mfn, TABLE_WORK);
  }

  /** MMUEXT_NEW_BASEPTR and writes to CR3: `mfn` becomes the kernel root of a vcpu. 0, -EINVAL, -ERESTART. */
  setKernelRoot(vcpu: Vcpu, mfn: number): number {
    const { types } = this.hv.mmu;
    const old = vcpu.guestTable;
    // Frame 0 stands for "none", which a kernel cannot have.
    if (mfn !== old || mfn === 0) {
      const rc = this.take(vcpu, mfn);
      if (rc !== 0) return rc;
      // The LDT is read through the new tables when it is next used.
      releaseLdt(this.hv, vcpu);
      if (vcpu.paeL4 !== 0) linkPaeRoot(this.hv, vcpu, mfn);
      else if (!isStrict(vcpu)) types.showMachineToPhys(mfn, true, vcpu.domain.domid);
      vcpu.guestTable = mfn;
    }
    if ((vcpu.kernelMode || vcpu.paeL4 !== 0) && this.hv.isLoaded(vcpu)) this.enter(vcpu);
    if (mfn !== old) this.put(old);
    return 0;
  }

  /** MMUEXT_NEW_USER_BASEPTR: the root of guest user mode, 0 = none. 0, -EINVAL, -ERESTART. */
  setUserRoot(vcpu: Vcpu, mfn: number): number {
    const old = vcpu.guestTableUser;
    if (mfn === old) return 0;
    if (mfn !== 0) {
      const rc = this.take(vcpu, mfn);
      if (rc !== 0) return rc;
      if (isStrict(vcpu)) this.hv.mmu.types.showMachineToPhys(mfn, false, vcpu.domain.domid);
    }
    vcpu.guestTableUser = mfn;
    if (!vcpu.kernelMode && mfn !== 0 && this.hv.isLoaded(vcpu)) this.enter(vcpu);
    this.put(old);
    return 0;
  }

  /** Gives both roots back; the vcpu does not run again. */
  release(vcpu: Vcpu): void {
    const { guestTable, guestTableUser } = vcpu;
    if (vcpu.paeL4 !== 0) linkPaeRoot(this.hv, vcpu, 0);
    vcpu.guestTable = vcpu.guestTableUser = 0;
    this.put(guestTable);
    this.put(guestTableUser);
  }

  /** Makes the loaded vcpu's active root the processor's. */
  enter(vcpu: Vcpu): void {
    const { hv } = this;
    const root = vcpu.activeRoot;
    const bank = hv.mmu.tlb.activate(vcpu.domain.domid, root);
    hv.guest.bank = bank;
    hv.processor.setAddressSpace(bank, root);
  }

  /** A 32-bit guest's change between kernel and program: the same root with other rights. */
  setKernelMode(vcpu: Vcpu, kernelMode: boolean): void {
    vcpu.kernelMode = kernelMode;
    if (vcpu.activeRoot !== 0) this.enter(vcpu);
  }

  /** Guest kernel <-> guest user of a 64-bit guest: the other root, the other GS base. */
  toggle(vcpu: Vcpu): void {
    const { u32 } = this.hv.regs;
    const lo = u32[GS_BASE_WORD] | 0;
    const hi = u32[GS_BASE_WORD + 1] | 0;
    u32[GS_BASE_WORD] = vcpu.gsBaseShadowLo;
    u32[GS_BASE_WORD + 1] = vcpu.gsBaseShadowHi;
    vcpu.gsBaseShadowLo = lo;
    vcpu.gsBaseShadowHi = hi;
    vcpu.kernelMode = !vcpu.kernelMode;
    if (vcpu.activeRoot !== 0) this.enter(vcpu);
  }
}
