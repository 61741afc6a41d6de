import { CS, SS } from "@xen-node/x86-cpu";
import { FLAT_KERNEL_SS, FLAT_RING3_CS32, FLAT_RING3_CS64, FLAT_USER_SS } from "@xen-node/xen-abi";
import { injectException } from "../bounce.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { Gpr } from "../registers.ts";
import type { Vcpu } from "../vcpu.ts";
import { bounceSystemCall } from "./frame64.ts";

const UD = 6;
const GP = 13;
const SYSCALL_LENGTH = 2;

/** SYSCALL: a hypercall from the guest kernel, a system call from guest user mode. */
export function syscall64(hv: Hypervisor, vcpu: Vcpu): void {
  const { regs } = hv;
  const is64 = regs.is64Bit;
  if (vcpu.kernelMode && is64) {
    hv.dispatcher.hypercall64(vcpu);
    return;
  }
  const { callbacks } = vcpu;
  const handler = is64 ? callbacks.syscall : callbacks.syscall32;
  if (handler === 0 || vcpu.kernelMode) {
    injectException(hv, vcpu, UD, false, 0);
    return;
  }
  const rflags = regs.rflags;
  regs.advance(SYSCALL_LENGTH);
  regs.set(Gpr.rcx, regs.ripLo, regs.ripHi);
  regs.set(Gpr.r11, rflags, 0);
  // SYSCALL loses the selectors: the frame shows the flat ones.
  regs.setSelector(CS, is64 ? FLAT_RING3_CS64 : FLAT_RING3_CS32);
  regs.setSelector(SS, FLAT_USER_SS);
  bounceSystemCall(hv, vcpu, handler, is64 ? callbacks.syscallMasksEvents : callbacks.syscall32MasksEvents, rflags);
}

/** SYSENTER keeps neither RIP nor RSP: the frame shows zeroes. */
export function sysenter64(hv: Hypervisor, vcpu: Vcpu): void {
  const { regs } = hv;
  const handler = vcpu.callbacks.sysenter;
  if (handler === 0 || vcpu.kernelMode) {
    injectException(hv, vcpu, GP, true, 0);
    return;
  }
  regs.setRip(0, 0);
  regs.set(Gpr.rsp, 0, 0);
  regs.setSelector(CS, 3);
  regs.setSelector(SS, FLAT_KERNEL_SS);
  bounceSystemCall(hv, vcpu, handler, vcpu.callbacks.sysenterMasksEvents, regs.rflags);
}
