import {
  __HYPERVISOR_multicall,
  __HYPERVISOR_set_callbacks,
  __HYPERVISOR_set_segment_base,
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_update_descriptor,
  __HYPERVISOR_update_va_mapping,
  __HYPERVISOR_update_va_mapping_otherdomain,
} from "@xen-node/xen-abi";
import { updateDescriptor32 } from "./descriptor-tables.ts";
import { handlers } from "./handlers.ts";
import type { HypercallHandler } from "./hypercall-args.ts";
import { multicall32 } from "./multicall32.ts";
import { updateVaMapping32, updateVaMappingOtherdomain32 } from "./page-tables.ts";
import { setTimerOp32 } from "./sched.ts";
import { setCallbacks32 } from "./traps.ts";

/** Handlers of 32-bit guests: those differ whose arguments are wider than a register, or which have other ones. */
export const handlers32: (HypercallHandler | undefined)[] = [...handlers];

handlers32[__HYPERVISOR_set_callbacks] = setCallbacks32;
handlers32[__HYPERVISOR_set_timer_op] = setTimerOp32;
handlers32[__HYPERVISOR_update_descriptor] = updateDescriptor32;
handlers32[__HYPERVISOR_update_va_mapping] = updateVaMapping32;
handlers32[__HYPERVISOR_update_va_mapping_otherdomain] = updateVaMappingOtherdomain32;
handlers32[__HYPERVISOR_multicall] = multicall32;
handlers32[__HYPERVISOR_set_segment_base] = undefined;
