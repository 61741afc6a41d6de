import { CR0, CR4, DR, DR6, DR7 } from "@xen-node/x86-cpu";
import { EINVAL, ENODEV, EPERM } from "@xen-node/xen-abi";
import { isGuestAddress, vaOf } from "./address.ts";
import type { Hypervisor } from "./hypervisor.ts";
import type { Vcpu } from "./vcpu.ts";

// Intel SDM vol. 3, 2.5.
const CR0_TS = 1 << 3;
/** PE MP ET NE WP AM PG: what the hypervisor runs every vcpu with. */
const CR0_BASE = 0x80050033;
const CR4_TSD = 1 << 2;
const CR4_DE = 1 << 3;
const CR4_PAE = 1 << 5;
const CR4_MCE = 1 << 6;
const CR4_OSFXSR = 1 << 9;
const CR4_OSXMMEXCPT = 1 << 10;
const CR4_FSGSBASE = 1 << 16;
const CR4_OSXSAVE = 1 << 18;
const CR4_VISIBLE = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

const DR6_ONES = 0xffff0ff0;
const DR6_ZEROES = 0x1000;
const DR7_ONES = 0x400;
const DR7_ZEROES = 0xd800;
const DR7_GENERAL_DETECT = 0x2000;
const DR7_LOCAL_GLOBAL = 0xff;
const DR_IO = 2;

/** CR0, CR4 and debug registers of the loaded vcpu. */
export class ControlRegisters {
  constructor(private readonly hv: Hypervisor) {}

  /** Puts a new vcpu's registers in their initial state. */
  reset(vcpu: Vcpu): void {
    this.setTaskSwitched(vcpu, false);
    this.writeCr4(vcpu, 0);
    const { u32 } = this.hv.regs;
    u32[DR6 >>> 2] = DR6_ONES;
    u32[DR7 >>> 2] = DR7_ONES;
  }

  readCr0(vcpu: Vcpu): number {
    return (CR0_BASE | (vcpu.taskSwitched ? CR0_TS : 0)) >>> 0;
  }

  /** Only TS may change. */
  writeCr0(vcpu: Vcpu, lo: number, hi: number): boolean {
    if (hi !== 0 || ((lo ^ CR0_BASE) & ~CR0_TS) !== 0) return false;
    this.setTaskSwitched(vcpu, (lo & CR0_TS) !== 0);
    return true;
  }

  setTaskSwitched(vcpu: Vcpu, on: boolean): void {
    vcpu.taskSwitched = on;
    this.hv.regs.u32[CR0 >>> 2] = CR0_BASE | (on ? CR0_TS : 0);
  }

  /** Bits that a guest may not have are dropped without a word. */
  writeCr4(vcpu: Vcpu, value: number): void {
    const mask = CR4_TSD | CR4_DE | CR4_OSXSAVE | (this.hv.offersFsGsBase ? CR4_FSGSBASE : 0);
    vcpu.guestCr4 = (value & mask) | CR4_VISIBLE;
    // The processor always has OSXSAVE on: user code may use XGETBV whatever the guest kernel set.
    this.hv.regs.u32[CR4 >>> 2] = vcpu.guestCr4 | CR4_OSXSAVE;
  }

  readDr(vcpu: Vcpu, register: number): { lo: number; hi: number } | undefined {
    const { u32 } = this.hv.regs;
    if (register < 4) return { lo: u32[DR(register) >>> 2], hi: u32[(DR(register) >>> 2) + 1] };
    const aliased = register < 6 ? register + 2 : register;
    if (register < 6 && (vcpu.guestCr4 & CR4_DE) !== 0) return undefined;
    if (aliased === 6) return { lo: u32[DR6 >>> 2], hi: 0 };
    if (aliased === 7) return { lo: u32[DR7 >>> 2], hi: 0 };
    return undefined;
  }

  /** 0, -EPERM, -EINVAL, -ENODEV. */
  writeDr(vcpu: Vcpu, register: number, lo: number, hi: number): number {
    const { u32 } = this.hv.regs;
    if (register < 4) {
      if (!isGuestAddress(vaOf(lo, hi))) return -EPERM;
      u32[DR(register) >>> 2] = lo;
      u32[(DR(register) >>> 2) + 1] = hi;
      return 0;
    }
    if (register < 6 && (vcpu.guestCr4 & CR4_DE) !== 0) return -ENODEV;
    switch (register) {
      case 4:
      case 6:
        if (hi !== 0) return -EINVAL;
        u32[DR6 >>> 2] = (lo & ~DR6_ZEROES) | DR6_ONES;
        return 0;
      case 5:
      case 7: {
        if (hi !== 0) return -EINVAL;
        const value = (lo & ~DR7_ZEROES) | DR7_ONES;
        if ((value & DR7_GENERAL_DETECT) !== 0) return -EPERM;
        if ((value & DR7_LOCAL_GLOBAL) !== 0) {
          for (let i = 0; i < 4; i++) {
            if (((value >>> (16 + 4 * i)) & 3) === DR_IO && (vcpu.guestCr4 & CR4_DE) === 0) return -EPERM;
          }
        }
        u32[DR7 >>> 2] = value;
        return 0;
      }
      default:
        return -ENODEV;
    }
  }
}
