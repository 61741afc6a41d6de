import { EXIT_OPERATION, ExitReason, opcodeEntries, SYSTEM_FLAGS } from "@xen-node/x86-cpu";
import type { Hypervisor } from "../hypervisor.ts";
import { TraceKind } from "../trace.ts";
import type { Vcpu } from "../vcpu.ts";
import { syscall } from "./far-transfers.ts";
import { executeNative } from "./instructions.ts";
import { isInterruptDue, isUpcallDue } from "./interrupt-sources.ts";
import { deliver, IF, NO_ERROR_CODE, raise, Vector } from "./interrupts.ts";
import { nativeOf } from "./paging.ts";

const DB = 1;
const BP = 3;

const familyOf = (operation: number): string => opcodeEntries[operation]?.family ?? "";

/** Turns an exit of a PVH guest's vcpu into what its own processor would do. BUDGET and STOPPED need nothing. */
export function handleNativeExit(hv: Hypervisor, vcpu: Vcpu, reason: number): void {
  const { regs } = hv;
  if (hv.trace.enabled) hv.traceEvent(TraceKind.exit, vcpu, reason, regs.exitVector, regs.rip);
  switch (reason) {
    case ExitReason.EXCEPTION:
      if (regs.exitVector === DB && hv.debuggerTook(vcpu, DB)) return;
      raise(hv, vcpu, regs.exitVector, regs.exitHasErrorCode ? regs.exitErrorCode : NO_ERROR_CODE);
      return;
    case ExitReason.SYSCALL:
      syscall(hv, vcpu);
      return;
    case ExitReason.SYSENTER:
      // Not in long mode on AMD's processors, which this one is of.
      raise(hv, vcpu, Vector.UD);
      return;
    case ExitReason.SOFT_INT:
      softwareInterrupt(hv, vcpu);
      return;
    case ExitReason.PRIVILEGED:
      privileged(hv, vcpu);
      return;
    default:
      return;
  }
}

function softwareInterrupt(hv: Hypervisor, vcpu: Vcpu): void {
  const { regs } = hv;
  const { exitVector: vector, exitLength: length, ripLo, ripHi } = regs;
  if (vector === DB || vector === BP) {
    regs.advance(length);
    if (hv.debuggerTook(vcpu, vector)) return;
    regs.setRip(ripLo, ripHi);
  }
  // INT1 is a trap, and asks no gate for leave.
  deliver(hv, vcpu, vector, NO_ERROR_CODE, vector === DB ? "exception" : "software", length);
}

function privileged(hv: Hypervisor, vcpu: Vcpu): void {
  const family = familyOf(hv.regs.u32[EXIT_OPERATION >>> 2]);
  if (family === "vmcall" || family === "vmmcall") {
    hv.dispatcher.nativeHypercall(vcpu);
    return;
  }
  const native = nativeOf(vcpu);
  const wasOpen = (hv.regs.rflags & IF) !== 0;
  executeNative(hv, vcpu);
  if (family === "sti" && !wasOpen && !native.inShadow && vcpu.alive && hasNativePending(hv, vcpu)) {
    // One more instruction before the interrupt, as "sti; hlt" and "sti; ret" count on.
    native.inShadow = true;
    try {
      handleNativeExit(hv, vcpu, hv.processor.run(1));
    } finally {
      native.inShadow = false;
    }
  }
}

/** An event upcall, an interrupt or an NMI that can be delivered now. */
export function hasNativePending(hv: Hypervisor, vcpu: Vcpu): boolean {
  if (vcpu.nmiPending && !vcpu.nmiMasked) return true;
  return isInterruptDue(hv, vcpu) && (hv.regs.u32[SYSTEM_FLAGS >>> 2] & IF) !== 0;
}

/** Delivers it. What evtchn_upcall_mask says does not count in these guests. */
export function deliverNativePending(hv: Hypervisor, vcpu: Vcpu): void {
  if (vcpu.nmiPending && !vcpu.nmiMasked) {
    vcpu.nmiPending = false;
    vcpu.nmiMasked = true;
    deliver(hv, vcpu, Vector.NMI, NO_ERROR_CODE, "external");
    return;
  }
  if (isUpcallDue(hv, vcpu)) {
    if (hv.trace.enabled) hv.traceEvent(TraceKind.upcall, vcpu, 0, 0, hv.regs.rip);
    deliver(hv, vcpu, vcpu.domain.callbackVector, NO_ERROR_CODE, "external");
    return;
  }
  const { apic } = nativeOf(vcpu);
  const { pending } = apic;
  if (pending < 0) return;
  apic.accept(pending);
  deliver(hv, vcpu, pending, NO_ERROR_CODE, "external");
}
