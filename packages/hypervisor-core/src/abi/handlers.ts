import {
  __HYPERVISOR_callback_op,
  __HYPERVISOR_console_io,
  __HYPERVISOR_domctl,
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_fpu_taskswitch,
  __HYPERVISOR_get_debugreg,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_memory_op,
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_multicall,
  __HYPERVISOR_nmi_op,
  __HYPERVISOR_physdev_op,
  __HYPERVISOR_platform_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_sched_op_compat,
  __HYPERVISOR_set_callbacks,
  __HYPERVISOR_set_debugreg,
  __HYPERVISOR_set_gdt,
  __HYPERVISOR_set_segment_base,
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_stack_switch,
  __HYPERVISOR_sysctl,
  __HYPERVISOR_update_descriptor,
  __HYPERVISOR_update_va_mapping,
  __HYPERVISOR_update_va_mapping_otherdomain,
  __HYPERVISOR_vcpu_op,
  __HYPERVISOR_vm_assist,
  __HYPERVISOR_xen_version,
  __HYPERVISOR_xenpmu_op,
  EOPNOTSUPP,
} from "@xen-node/xen-abi";
import { consoleIo } from "./console-io.ts";
import { domctl, platformOp, sysctl } from "./control-ops.ts";
import {
  fpuTaskswitch,
  getDebugreg,
  physdevOp,
  setDebugreg,
  setSegmentBase,
  stackSwitch,
  vmAssist,
} from "./cpu-state.ts";
import { setGdt, updateDescriptor } from "./descriptor-tables.ts";
import { eventChannelOp } from "./event-channel.ts";
import { grantTableOp } from "./grant-table.ts";
import type { HypercallHandler } from "./hypercall-args.ts";
import { memoryOp } from "./memory-op.ts";
import { mmuextOp } from "./mmuext.ts";
import { multicall } from "./multicall.ts";
import { mmuUpdate, updateVaMapping, updateVaMappingOtherdomain } from "./page-tables.ts";
import { schedOp, schedOpCompat, setTimerOp } from "./sched.ts";
import { callbackOp, nmiOp, setCallbacks, setTrapTable } from "./traps.ts";
import { vcpuOp } from "./vcpu-op.ts";
import { xenVersion } from "./version.ts";

const notSupported: HypercallHandler = () => -EOPNOTSUPP;

const HIGHEST = 55;

/** Handlers by hypercall number; undefined = -ENOSYS. `iret` is not here: it replaces the context. */
export const handlers: (HypercallHandler | undefined)[] = new Array<HypercallHandler | undefined>(HIGHEST + 1);

handlers[__HYPERVISOR_set_trap_table] = setTrapTable;
handlers[__HYPERVISOR_mmu_update] = mmuUpdate;
handlers[__HYPERVISOR_set_gdt] = setGdt;
handlers[__HYPERVISOR_stack_switch] = stackSwitch;
handlers[__HYPERVISOR_set_callbacks] = setCallbacks;
handlers[__HYPERVISOR_fpu_taskswitch] = fpuTaskswitch;
handlers[__HYPERVISOR_sched_op_compat] = schedOpCompat;
handlers[__HYPERVISOR_platform_op] = platformOp;
handlers[__HYPERVISOR_set_debugreg] = setDebugreg;
handlers[__HYPERVISOR_get_debugreg] = getDebugreg;
handlers[__HYPERVISOR_update_descriptor] = updateDescriptor;
handlers[__HYPERVISOR_memory_op] = memoryOp;
handlers[__HYPERVISOR_multicall] = multicall;
handlers[__HYPERVISOR_update_va_mapping] = updateVaMapping;
handlers[__HYPERVISOR_set_timer_op] = setTimerOp;
handlers[__HYPERVISOR_xen_version] = xenVersion;
handlers[__HYPERVISOR_console_io] = consoleIo;
handlers[__HYPERVISOR_grant_table_op] = grantTableOp;
handlers[__HYPERVISOR_vm_assist] = vmAssist;
handlers[__HYPERVISOR_update_va_mapping_otherdomain] = updateVaMappingOtherdomain;
handlers[__HYPERVISOR_vcpu_op] = vcpuOp;
handlers[__HYPERVISOR_set_segment_base] = setSegmentBase;
handlers[__HYPERVISOR_mmuext_op] = mmuextOp;
handlers[__HYPERVISOR_nmi_op] = nmiOp;
handlers[__HYPERVISOR_sched_op] = schedOp;
handlers[__HYPERVISOR_callback_op] = callbackOp;
handlers[__HYPERVISOR_event_channel_op] = eventChannelOp;
handlers[__HYPERVISOR_physdev_op] = physdevOp;
handlers[__HYPERVISOR_sysctl] = sysctl;
handlers[__HYPERVISOR_domctl] = domctl;
handlers[__HYPERVISOR_xenpmu_op] = notSupported;
