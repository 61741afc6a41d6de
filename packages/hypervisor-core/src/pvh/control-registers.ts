import { CR0, CR2, CR3, CR4 } from "@xen-node/x86-cpu";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import type { Halves } from "./local-apic.ts";
import { Cr0, Cr4, Efer, nativeOf, updatePaging } from "./paging.ts";

/** TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT OSXSAVE: what the processor's CPUID offers, without FSGSBASE. */
const CR4_OFFERED = 0x7fc | Cr4.OSXSAVE;
/** Of these, what decides about translations. */
const CR4_PAGING = Cr4.PSE | Cr4.PAE | Cr4.PGE;
/** CR0 bits that mean something; the others are dropped without a word. */
const CR0_KNOWN = 0xe005003f | 0;

/** MOV from CRn; undefined: no such register. */
export function readControl(hv: Hypervisor, vcpu: Vcpu, number: number): Halves | undefined {
  const { u32 } = hv.regs;
  switch (number) {
    case 0:
      return { lo: u32[CR0 >>> 2], hi: 0 };
    case 2:
      return { lo: u32[CR2 >>> 2], hi: u32[(CR2 >>> 2) + 1] };
    case 3:
      return { lo: u32[CR3 >>> 2], hi: u32[(CR3 >>> 2) + 1] };
    case 4:
      return { lo: u32[CR4 >>> 2], hi: 0 };
    case 8:
      return { lo: nativeOf(vcpu).apic.taskPriority >>> 4, hi: 0 };
    default:
      return undefined;
  }
}

/** MOV to CRn; false for #GP(0). The domain may have crashed: what is asked for is not there. */
export function writeControl(hv: Hypervisor, vcpu: Vcpu, number: number, lo: number, hi: number): boolean {
  const { u32 } = hv.regs;
  switch (number) {
    case 0:
      return writeCr0(hv, vcpu, lo, hi);
    case 2:
      u32[CR2 >>> 2] = lo;
      u32[(CR2 >>> 2) + 1] = hi;
      return true;
    case 3:
      // Physical addresses have 40 bits.
      if ((hi & ~0xff) !== 0) return false;
      u32[CR3 >>> 2] = lo;
      u32[(CR3 >>> 2) + 1] = hi;
      updatePaging(hv, vcpu);
      return true;
    case 4:
      return writeCr4(hv, vcpu, lo, hi);
    case 8:
      if (hi !== 0 || (lo & ~15) !== 0) return false;
      nativeOf(vcpu).apic.taskPriority = lo << 4;
      return true;
    default:
      return false;
  }
}

export function writeCr0(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number): boolean {
  const { u32 } = hv.regs;
  const native = nativeOf(vcpu);
  const before = u32[CR0 >>> 2];
  const value = (lo & CR0_KNOWN) | Cr0.ET;
  if (hi !== 0) return false;
  if ((value & Cr0.PG) !== 0 && (value & Cr0.PE) === 0) return false;
  if ((value & Cr0.NW) !== 0 && (value & Cr0.CD) === 0) return false;
  if ((value & Cr0.PE) === 0) {
    hv.crashDomain(vcpu, "the guest has left protected mode: real mode is not there yet");
    return true;
  }
  const paging = (value & Cr0.PG) !== 0;
  if (paging && (before & Cr0.PG) === 0) {
    if ((native.efer & Efer.LME) === 0) {
      hv.crashDomain(vcpu, "the guest has turned on paging outside of long mode: not there yet");
      return true;
    }
    if ((u32[CR4 >>> 2] & Cr4.PAE) === 0) return false;
    native.efer |= Efer.LMA;
  } else if (!paging && (before & Cr0.PG) !== 0) {
    // Only compatibility mode can be left like this.
    if (hv.regs.is64Bit) return false;
    native.efer &= ~Efer.LMA;
  }
  u32[CR0 >>> 2] = value;
  if (((before ^ value) & (Cr0.PG | Cr0.WP)) !== 0) updatePaging(hv, vcpu);
  return true;
}

function writeCr4(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number): boolean {
  const { u32 } = hv.regs;
  const offered = CR4_OFFERED | (hv.offersFsGsBase ? Cr4.FSGSBASE : 0);
  if (hi !== 0 || (lo & ~offered) !== 0) return false;
  if ((nativeOf(vcpu).efer & Efer.LMA) !== 0 && (lo & Cr4.PAE) === 0) return false;
  const changed = u32[CR4 >>> 2] ^ lo;
  u32[CR4 >>> 2] = lo;
  if ((changed & CR4_PAGING) !== 0) updatePaging(hv, vcpu);
  return true;
}
