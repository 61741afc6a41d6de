import {
  __HYPERVISOR_console_io,
  __HYPERVISOR_domctl,
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_hvm_op,
  __HYPERVISOR_memory_op,
  __HYPERVISOR_multicall,
  __HYPERVISOR_platform_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_sysctl,
  __HYPERVISOR_vcpu_op,
  __HYPERVISOR_vm_assist,
  __HYPERVISOR_xen_version,
  __HYPERVISOR_xenpmu_op,
  EINVAL,
  VMASST_TYPE_runstate_update_flag,
} from "@xen-node/xen-abi";
import { vmAssist } from "../abi/cpu-state.ts";
import { handlers } from "../abi/handlers.ts";
import type { HypercallHandler } from "../abi/hypercall-args.ts";
import { hvmOp } from "./hvm-op.ts";
import { nativeMemoryOp } from "./memory-op.ts";

/** Hypercalls that mean the same to a PV and a PVH guest; frames in their arguments are named by gfn. */
const SHARED = [
  __HYPERVISOR_xen_version,
  __HYPERVISOR_console_io,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_vcpu_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_multicall,
  __HYPERVISOR_platform_op,
  __HYPERVISOR_sysctl,
  __HYPERVISOR_domctl,
  __HYPERVISOR_xenpmu_op,
];

/** Of Xen's assistances only one has a meaning without PV page tables. */
const nativeVmAssist: HypercallHandler = (hv, vcpu, args) =>
  args.u32(1) === VMASST_TYPE_runstate_update_flag ? vmAssist(hv, vcpu, args) : -EINVAL;

/** Handlers of a PVH guest's hypercalls by number; undefined = -ENOSYS. */
export const nativeHandlers: (HypercallHandler | undefined)[] = new Array<HypercallHandler | undefined>(
  handlers.length,
);

for (const number of SHARED) nativeHandlers[number] = handlers[number];
nativeHandlers[__HYPERVISOR_memory_op] = nativeMemoryOp;
nativeHandlers[__HYPERVISOR_hvm_op] = hvmOp;
nativeHandlers[__HYPERVISOR_vm_assist] = nativeVmAssist;
