import { ExitReason } from "@xen-node/x86-cpu";
import { BounceFlag, injectException } from "./bounce.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { forcedCpuidLength } from "./instruction.ts";
import { emulateCpuid, emulatePrivileged } from "./privileged.ts";
import { handlePageFault } from "./ptwr.ts";
import { deliverNativePending, handleNativeExit, hasNativePending } from "./pvh/exits.ts";
import { TraceKind } from "./trace.ts";
import { NMI_VECTOR } from "./trap-table.ts";
import type { Vcpu } from "./vcpu.ts";

const DB = 1;
const BP = 3;
const OF = 4;
const UD = 6;
const NM = 7;
const GP = 13;
const PF = 14;
const INT80 = 0x80;

/** Turns one exit of the processor into what Xen does about it. BUDGET and STOPPED need nothing. */
export function handleExit(hv: Hypervisor, vcpu: Vcpu, exit: number): void {
  vcpu.domain.activity.exits[exit]++;
  if (vcpu.native !== undefined) {
    handleNativeExit(hv, vcpu, exit);
    return;
  }
  let reason = exit;
  // A page-table write that was emulated may itself end in another exit; that one cannot be such a write again.
  for (let guard = 0; guard < 4; guard++) {
    if (hv.trace.enabled) hv.traceEvent(TraceKind.exit, vcpu, reason, hv.regs.exitVector, hv.regs.rip);
    switch (reason) {
      case ExitReason.EXCEPTION:
        if (hv.regs.exitVector === PF) {
          reason = handlePageFault(hv, vcpu, hv.regs.exitErrorCode);
          continue;
        }
        handleException(hv, vcpu, hv.regs.exitVector);
        return;
      case ExitReason.SYSCALL:
        vcpu.domain.abi.syscall(hv, vcpu);
        return;
      case ExitReason.PRIVILEGED:
        emulatePrivileged(hv, vcpu, 0);
        return;
      case ExitReason.SOFT_INT:
        handleSoftwareInterrupt(hv, vcpu, hv.regs.exitVector, hv.regs.exitLength);
        return;
      case ExitReason.SYSENTER:
        vcpu.domain.abi.sysenter(hv, vcpu);
        return;
      default:
        return;
    }
  }
}

function handleException(hv: Hypervisor, vcpu: Vcpu, vector: number): void {
  const { regs } = hv;
  switch (vector) {
    case DB:
      if (hv.debuggerTook(vcpu, DB)) return;
      break;
    case UD: {
      const length = forcedCpuidLength(hv);
      if (length > 0) {
        emulateCpuid(hv, length);
        return;
      }
      break;
    }
    case NM:
      if (vcpu.taskSwitched) {
        hv.control.setTaskSwitched(vcpu, false);
        injectException(hv, vcpu, NM, false, 0);
      }
      return;
    case GP:
      emulatePrivileged(hv, vcpu, regs.exitErrorCode);
      return;
    default:
      break;
  }
  injectException(hv, vcpu, vector, regs.exitHasErrorCode, regs.exitErrorCode);
}

/** INT n, INT3, INTO: RIP is at the instruction. */
function handleSoftwareInterrupt(hv: Hypervisor, vcpu: Vcpu, vector: number, length: number): void {
  if (vector === DB) {
    // INT1 raises #DB as a trap.
    hv.regs.advance(length);
    if (!hv.debuggerTook(vcpu, DB)) injectException(hv, vcpu, DB, false, 0);
    return;
  }
  if (vector === BP) {
    hv.regs.advance(length);
    if (!hv.debuggerTook(vcpu, BP)) injectException(hv, vcpu, BP, false, 0);
    return;
  }
  if (vector === OF) {
    hv.regs.advance(length);
    injectException(hv, vcpu, OF, false, 0);
    return;
  }
  if (vector === INT80) {
    // Reached through a gate of its own: no DPL check.
    if (vcpu.traps.address[INT80] === 0) {
      injectException(hv, vcpu, GP, true, INT80 * 8 + 2);
      return;
    }
    hv.regs.advance(length);
    injectException(hv, vcpu, INT80, false, 0);
    return;
  }
  if (vector === vcpu.domain.abi.hypercallVector && vcpu.kernelMode) {
    hv.dispatcher.hypercall32(vcpu);
    return;
  }
  const dpl = vcpu.traps.dpl(vector);
  const allowed = vcpu.traps.address[vector] !== 0 && dpl >= (vcpu.kernelMode ? 1 : 3);
  if (!allowed) {
    injectException(hv, vcpu, GP, true, vector * 8 + 2);
    return;
  }
  hv.regs.advance(length);
  injectException(hv, vcpu, vector, false, 0);
}

/** Whether `deliverPending` has anything to do. */
export function hasPending(hv: Hypervisor, vcpu: Vcpu): boolean {
  if (vcpu.native !== undefined) return hasNativePending(hv, vcpu);
  const info = vcpu.infoHost;
  const { u8 } = hv.mmu.memory;
  return (
    (info !== 0 && u8[info] !== 0 && u8[info + 1] === 0) || vcpu.nmiPending || vcpu.failsafeSelectors !== undefined
  );
}

/** What is due before a vcpu goes back to the guest: the failsafe callback, an NMI, then an event upcall. */
export function deliverPending(hv: Hypervisor, vcpu: Vcpu): void {
  if (vcpu.native !== undefined) {
    deliverNativePending(hv, vcpu);
    return;
  }
  const { abi } = vcpu.domain;
  if (vcpu.failsafeSelectors !== undefined) {
    const masks = vcpu.callbacks.failsafeMasksEvents ? BounceFlag.maskEvents : 0;
    abi.bounce(hv, vcpu, vcpu.callbacks.failsafe, vcpu.callbacks.failsafeCs, BounceFlag.failsafe | masks, 0);
    vcpu.failsafeSelectors = undefined;
    if (!vcpu.alive) return;
  }
  if (vcpu.nmiPending && !vcpu.nmiMasked && vcpu.traps.address[NMI_VECTOR] !== 0) {
    vcpu.nmiPending = false;
    vcpu.nmiMasked = true;
    abi.bounce(hv, vcpu, vcpu.traps.address[NMI_VECTOR], vcpu.traps.cs[NMI_VECTOR], BounceFlag.maskEvents, 0);
    if (!vcpu.alive) return;
  }
  const info = vcpu.infoHost;
  if (info === 0) return;
  const u8 = hv.mmu.memory.u8;
  // evtchn_upcall_pending, evtchn_upcall_mask.
  if (u8[info] === 0 || u8[info + 1] !== 0) return;
  if (hv.trace.enabled) hv.traceEvent(TraceKind.upcall, vcpu, 0, 0, hv.regs.rip);
  abi.bounce(hv, vcpu, vcpu.callbacks.event, vcpu.callbacks.eventCs, BounceFlag.maskEvents, 0);
}
