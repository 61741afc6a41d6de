import { CR0 } from "@xen-node/x86-cpu";
import { vaOf } from "../address.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import { installHypercallPage } from "./hypercall-page.ts";
import { type Halves, LocalApic } from "./local-apic.ts";
import { Cr0, Efer, nativeOf, updatePaging } from "./paging.ts";

// Intel SDM vol. 4 and AMD's programmer manual vol. 2, appendix A.
const MSR_TSC = 0x10;
const MSR_APIC_BASE = 0x1b;
const MSR_SYSENTER_CS = 0x174;
const MSR_SYSENTER_ESP = 0x175;
const MSR_SYSENTER_EIP = 0x176;
const MSR_PAT = 0x277;
const MSR_EFER = 0xc0000080;
const MSR_STAR = 0xc0000081;
const MSR_LSTAR = 0xc0000082;
const MSR_CSTAR = 0xc0000083;
const MSR_SYSCALL_MASK = 0xc0000084;
/** CPUID leaf base + 2 names it. */
export const MSR_HYPERCALL_PAGE = 0x40000000;

const EFER_WRITABLE = Efer.SCE | Efer.LME | Efer.NXE;
/** Memory types that PAT knows: UC, WC, WT, WP, WB, UC-. */
const PAT_TYPES: ReadonlySet<number> = new Set([0, 1, 4, 5, 6, 7]);

function register(vcpu: Vcpu, msr: number): Halves | undefined {
  const native = nativeOf(vcpu);
  switch (msr) {
    case MSR_STAR:
      return native.star;
    case MSR_LSTAR:
      return native.lstar;
    case MSR_CSTAR:
      return native.cstar;
    case MSR_SYSENTER_CS:
      return native.sysenterCs;
    case MSR_SYSENTER_ESP:
      return native.sysenterEsp;
    case MSR_SYSENTER_EIP:
      return native.sysenterEip;
    case MSR_PAT:
      return native.pat;
    default:
      return undefined;
  }
}

/** RDMSR of a PVH guest's kernel: the value, or undefined for #GP(0). */
export function readMsr(hv: Hypervisor, vcpu: Vcpu, msr: number): Halves | undefined {
  const native = nativeOf(vcpu);
  if (msr === MSR_EFER) return { lo: native.efer, hi: 0 };
  if (msr === MSR_SYSCALL_MASK) return { lo: native.syscallMask, hi: 0 };
  if (msr === MSR_APIC_BASE) return { lo: native.apic.base, hi: 0 };
  if (msr === MSR_HYPERCALL_PAGE) return undefined;
  if (LocalApic.has(msr)) return native.apic.read(msr);
  const kept = register(vcpu, msr);
  if (kept !== undefined) return kept;
  return hv.msrs.read(vcpu, msr) ? { lo: hv.msrs.lo, hi: hv.msrs.hi } : undefined;
}

/** WRMSR; false for #GP(0). */
export function writeMsr(hv: Hypervisor, vcpu: Vcpu, msr: number, lo: number, hi: number): boolean {
  const native = nativeOf(vcpu);
  if (LocalApic.has(msr)) return native.apic.write(msr, lo, hi);
  switch (msr) {
    case MSR_EFER:
      return writeEfer(hv, vcpu, lo, hi);
    case MSR_SYSCALL_MASK:
      native.syscallMask = lo;
      return true;
    case MSR_TSC:
      // It is the machine's clock, and counts without an offset for the guest.
      return false;
    case MSR_APIC_BASE:
      // It cannot be turned off, nor into one whose registers lie in memory.
      return lo === native.apic.base && hi === 0;
    case MSR_HYPERCALL_PAGE:
      return installHypercallPage(hv, vcpu.domain, lo, hi);
    case MSR_LSTAR:
    case MSR_CSTAR:
    case MSR_SYSENTER_ESP:
    case MSR_SYSENTER_EIP:
      if (Number.isNaN(vaOf(lo, hi))) return false;
      break;
    case MSR_PAT:
      for (let i = 0; i < 8; i++) if (!PAT_TYPES.has(((i < 4 ? lo : hi) >>> (8 * (i & 3))) & 0xff)) return false;
      break;
    default:
      break;
  }
  const kept = register(vcpu, msr);
  if (kept === undefined) return hv.msrs.write(vcpu, msr, lo, hi);
  kept.lo = lo;
  kept.hi = hi;
  return true;
}

function writeEfer(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number): boolean {
  const native = nativeOf(vcpu);
  if (hi !== 0 || (lo & ~(EFER_WRITABLE | Efer.LMA)) !== 0) return false;
  const paging = (hv.regs.u32[CR0 >>> 2] & Cr0.PG) !== 0;
  if (paging && ((lo ^ native.efer) & Efer.LME) !== 0) return false;
  const before = native.efer;
  native.efer = (lo & EFER_WRITABLE) | (before & Efer.LMA);
  if (((before ^ native.efer) & Efer.NXE) !== 0) updatePaging(hv, vcpu);
  return true;
}
