import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import { nativeOf } from "./paging.ts";

/** Events wait and the guest has said by which interrupt it wants to hear of them. */
export function isUpcallDue(hv: Hypervisor, vcpu: Vcpu): boolean {
  const info = vcpu.infoHost;
  return info !== 0 && vcpu.domain.callbackVector !== 0 && hv.mmu.memory.u8[info] !== 0;
}

/** There is something that would interrupt a vcpu whose flags allow it. */
export function isInterruptDue(hv: Hypervisor, vcpu: Vcpu): boolean {
  return isUpcallDue(hv, vcpu) || nativeOf(vcpu).apic.pending >= 0;
}
