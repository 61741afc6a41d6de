import { CS, SS } from "@xen-node/x86-cpu";
import { FLAT_RING3_CS, FLAT_RING3_SS } from "@xen-node/xen-abi";
import { BounceFlag, injectException } from "../bounce.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { Gpr } from "../registers.ts";
import type { Vcpu } from "../vcpu.ts";

const UD = 6;
const GP = 13;
const SYSCALL_LENGTH = 2;

/** SYSCALL of a 32-bit guest's program; its kernel makes hypercalls by INT 0x82. */
export function syscall32(hv: Hypervisor, vcpu: Vcpu): void {
  const { regs } = hv;
  const { callbacks } = vcpu;
  if (vcpu.kernelMode || callbacks.syscall32 === 0) {
    injectException(hv, vcpu, UD, false, 0);
    return;
  }
  regs.advance(SYSCALL_LENGTH);
  regs.set(Gpr.rcx, regs.ripLo, 0);
  // SYSCALL loses the selectors: the frame shows the flat ones.
  regs.setSelector(CS, FLAT_RING3_CS);
  regs.setSelector(SS, FLAT_RING3_SS);
  const flags = callbacks.syscall32MasksEvents ? BounceFlag.maskEvents : BounceFlag.none;
  vcpu.domain.abi.bounce(hv, vcpu, callbacks.syscall32, callbacks.syscall32Cs, flags, 0);
}

/** SYSENTER keeps neither EIP nor ESP: the frame shows zeroes. */
export function sysenter32(hv: Hypervisor, vcpu: Vcpu): void {
  const { regs } = hv;
  const { callbacks } = vcpu;
  if (vcpu.kernelMode || callbacks.sysenter === 0) {
    injectException(hv, vcpu, GP, true, 0);
    return;
  }
  regs.setRip(0, 0);
  regs.set(Gpr.rsp, 0, 0);
  regs.setSelector(CS, 3);
  regs.setSelector(SS, FLAT_RING3_SS);
  const flags = callbacks.sysenterMasksEvents ? BounceFlag.maskEvents : BounceFlag.none;
  vcpu.domain.abi.bounce(hv, vcpu, callbacks.sysenter, callbacks.sysenterCs, flags, 0);
}
