import { CR2 } from "@xen-node/x86-cpu";
import type { Hypervisor } from "./hypervisor.ts";
import { TraceKind } from "./trace.ts";
import type { Vcpu } from "./vcpu.ts";

/** Options of `GuestAbi.bounce`. */
export const BounceFlag = {
  none: 0,
  errorCode: 1,
  maskEvents: 2,
  /** The failsafe frame: DS, ES, FS, GS below the instruction pointer. */
  failsafe: 4,
} as const;

/** Injects exception `vector` at the current context, through the trap table. */
export function injectException(
  hv: Hypervisor,
  vcpu: Vcpu,
  vector: number,
  hasErrorCode: boolean,
  errorCode: number,
): void {
  if (hv.trace.enabled) hv.traceEvent(TraceKind.bounce, vcpu, vector, errorCode, hv.regs.rip);
  const handler = vcpu.traps.address[vector];
  if (handler === 0) {
    const code = hasErrorCode ? ` (error code ${errorCode.toString(16)})` : "";
    hv.crashDomain(vcpu, `unhandled exception: vector ${vector}${code}`);
    return;
  }
  let flags: number = hasErrorCode ? BounceFlag.errorCode : BounceFlag.none;
  if (vcpu.traps.masksEvents(vector)) flags |= BounceFlag.maskEvents;
  vcpu.domain.abi.bounce(hv, vcpu, handler, vcpu.traps.cs[vector], flags, errorCode);
}

/** #PF: CR2 goes to vcpu_info as well, and the U/S bit says guest kernel or guest user, whatever their CPL. */
export function injectPageFault(hv: Hypervisor, vcpu: Vcpu, errorCode: number, cr2Lo: number, cr2Hi: number): void {
  const info = vcpu.infoHost;
  if (info !== 0) {
    const { abi } = vcpu.domain;
    const at = (info + abi.sharedInfo.cr2) >>> 2;
    hv.mmu.memory.u32[at] = cr2Lo;
    if (abi.words.bytes === 8) hv.mmu.memory.u32[at + 1] = cr2Hi;
  }
  hv.regs.u32[CR2 >>> 2] = cr2Lo;
  hv.regs.u32[(CR2 >>> 2) + 1] = cr2Hi;
  const code = vcpu.kernelMode ? errorCode & ~4 : errorCode | 4;
  injectException(hv, vcpu, 14, true, code);
}
