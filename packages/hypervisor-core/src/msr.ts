import { FS, GS } from "@xen-node/x86-cpu";
import { vaOf } from "./address.ts";
import type { Hypervisor } from "./hypervisor.ts";
import type { Vcpu } from "./vcpu.ts";

// Intel SDM vol. 4 and AMD's programmer manual vol. 2, appendix A.
const MSR_TSC = 0x10;
const MSR_PLATFORM_ID = 0x17;
const MSR_APIC_BASE = 0x1b;
const MSR_EBL_CR_POWERON = 0x2a;
const MSR_UCODE_REV = 0x8b;
const MSR_PLATFORM_INFO = 0xce;
const MSR_MISC_FEATURES_ENABLES = 0x140;
const MSR_MCG_CAP = 0x179;
const MSR_MCG_STATUS = 0x17a;
const MSR_MCG_CTL = 0x17b;
const MSR_MISC_ENABLE = 0x1a0;
const MSR_PAT = 0x277;
const MSR_MC0_CTL = 0x400;
const MC_BANKS = 2;
const MSR_EFER = 0xc0000080;
const MSR_FS_BASE = 0xc0000100;
const MSR_GS_BASE = 0xc0000101;
const MSR_SHADOW_GS_BASE = 0xc0000102;
const MSR_TSC_AUX = 0xc0000103;
const MSR_K7_EVNTSEL0 = 0xc0010000;
const MSR_K7_PERFCTR3 = 0xc0010007;
const MSR_K8_HWCR = 0xc0010015;
const MSR_K8_INT_PENDING = 0xc0010055;
const MSR_F10_DE_CFG = 0xc0011029;

const EFER_LONG_MODE = 0xd01; // SCE, LME, LMA, NXE
// Xen's fixed value: write-back, write-through, uncached-minus, uncached, write-combining, write-protected, uncached twice.
const PAT_LO = 0x00070406;
const PAT_HI = 0x00000501;
const APIC_BASE_LO = 0xfee00800;
const APIC_BASE_BSP = 0x100;

/** Model-specific registers as a PV guest sees them. Values in `lo`, `hi`. */
export class Msrs {
  lo = 0;
  hi = 0;

  constructor(private readonly hv: Hypervisor) {}

  /** A PV guest without a #GP handler cannot survive one: what it does not know reads 0. */
  private survivesNoFault(vcpu: Vcpu): boolean {
    return vcpu.native === undefined && vcpu.traps.address[13] === 0;
  }

  private value(lo: number, hi: number): boolean {
    this.lo = lo;
    this.hi = hi;
    return true;
  }

  /** False: #GP(0). */
  read(vcpu: Vcpu, msr: number): boolean {
    const { regs } = this.hv;
    switch (msr) {
      case MSR_FS_BASE:
        return this.value(regs.baseLo(FS), regs.baseHi(FS));
      case MSR_GS_BASE:
        return this.value(regs.baseLo(GS), regs.baseHi(GS));
      case MSR_SHADOW_GS_BASE:
        return this.value(vcpu.gsBaseShadowLo, vcpu.gsBaseShadowHi);
      case MSR_TSC_AUX:
        return this.value(vcpu.tscAux, 0);
      case MSR_EFER:
        return this.value(EFER_LONG_MODE, 0);
      case MSR_TSC: {
        const tsc = this.hv.now();
        return this.value(tsc >>> 0, Math.floor(tsc / 0x100000000));
      }
      case MSR_PAT:
        return this.value(PAT_LO, PAT_HI);
      case MSR_APIC_BASE:
        return this.value((APIC_BASE_LO | (vcpu.id === 0 ? APIC_BASE_BSP : 0)) >>> 0, 0);
      case MSR_MISC_ENABLE:
        // Fast strings; branch trace store and PEBS unavailable.
        return this.value(0x1801, 0);
      case MSR_MCG_CAP:
        return this.value(MC_BANKS, 0);
      case MSR_MCG_STATUS:
      case MSR_PLATFORM_ID:
      case MSR_EBL_CR_POWERON:
      case MSR_UCODE_REV:
      case MSR_PLATFORM_INFO:
      case MSR_MISC_FEATURES_ENABLES:
      case MSR_K8_INT_PENDING:
        return this.value(0, 0);
      case MSR_K8_HWCR:
        // TscFreqSel: the TSC runs at the P0 frequency.
        return this.value(0x01000000, 0);
      case MSR_F10_DE_CFG:
        // LFENCE serialises.
        return this.value(2, 0);
      default:
        if (msr >= MSR_MC0_CTL && msr < MSR_MC0_CTL + 4 * MC_BANKS) {
          return (msr & 3) === 0 ? this.value(-1, -1) : this.value(0, 0);
        }
        if (msr >= MSR_K7_EVNTSEL0 && msr <= MSR_K7_PERFCTR3) return this.value(0, 0);
        return this.survivesNoFault(vcpu) && this.value(0, 0);
    }
  }

  /** False: #GP(0). */
  write(vcpu: Vcpu, msr: number, lo: number, hi: number): boolean {
    const { regs } = this.hv;
    switch (msr) {
      case MSR_FS_BASE:
      case MSR_GS_BASE:
      case MSR_SHADOW_GS_BASE:
        if (Number.isNaN(vaOf(lo, hi))) return false;
        if (msr === MSR_FS_BASE) regs.setBase(FS, lo, hi);
        else if (msr === MSR_GS_BASE) regs.setBase(GS, lo, hi);
        else {
          vcpu.gsBaseShadowLo = lo;
          vcpu.gsBaseShadowHi = hi;
        }
        return true;
      case MSR_TSC_AUX:
        if (hi !== 0) return false;
        vcpu.tscAux = lo >>> 0;
        this.hv.processor.setTscAux?.(lo >>> 0);
        return true;
      case MSR_EFER:
        return lo === EFER_LONG_MODE && hi === 0;
      case MSR_UCODE_REV:
      case MSR_MCG_STATUS:
      case MSR_MCG_CTL:
      case MSR_MISC_ENABLE:
      case MSR_K8_HWCR:
      case MSR_F10_DE_CFG:
        return true;
      default:
        if (msr >= MSR_MC0_CTL && msr < MSR_MC0_CTL + 4 * MC_BANKS) return true;
        if (msr >= MSR_K7_EVNTSEL0 && msr <= MSR_K7_PERFCTR3) return true;
        return this.survivesNoFault(vcpu);
    }
  }
}
