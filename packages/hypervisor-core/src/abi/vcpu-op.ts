import { PageType } from "@xen-node/mmu";
import {
  EFAULT,
  EINVAL,
  ENOENT,
  ENOSYS,
  ENXIO,
  VCPUOP_down,
  VCPUOP_get_physid,
  VCPUOP_get_runstate_info,
  VCPUOP_initialise,
  VCPUOP_is_up,
  VCPUOP_register_runstate_memory_area,
  VCPUOP_register_vcpu_info,
  VCPUOP_register_vcpu_time_memory_area,
  VCPUOP_send_nmi,
  VCPUOP_set_periodic_timer,
  VCPUOP_set_singleshot_timer,
  VCPUOP_stop_periodic_timer,
  VCPUOP_stop_singleshot_timer,
  VCPUOP_up,
} from "@xen-node/xen-abi";
import { isGuestRange, u64Number } from "../address.ts";
import type { GuestAbi } from "../guest-abi/guest-abi.ts";
import { initialiseVcpu } from "../guest-context.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { updateTime, updateTimeArea } from "../pvclock.ts";
import type { Vcpu } from "../vcpu.ts";
import type { HypercallHandler } from "./hypercall-args.ts";

const TIME_BYTES = 32;
const VCPU_INFO_BYTES = 64;
const PAGE_BYTES = 4096;
const MIN_PERIOD_NS = 1_000_000;
const MAX_PERIOD_NS = 2 ** 62;

/** vcpu_op(cmd, vcpu, argument *) */
export const vcpuOp: HypercallHandler = (hv, vcpu, args) => {
  const target = vcpu.domain.vcpus[args.u32(1)];
  if (target === undefined) return -ENOENT;
  const { guest } = hv;
  const { abi } = vcpu.domain;
  const runstateBytes = abi.structs.vcpu_runstate_info.size;
  const va = args.va(2);
  switch (args.u32(0)) {
    case VCPUOP_is_up:
      return target.down ? 0 : 1;
    case VCPUOP_initialise: {
      if (!guest.fetch(va, abi.contextBytes)) return -EFAULT;
      const copy = guest.scratch.slice(0, abi.contextBytes);
      return initialiseVcpu(hv, target, new DataView(copy.buffer));
    }
    case VCPUOP_up:
      if (!target.initialised) return -EINVAL;
      hv.bringUp(target);
      return 0;
    case VCPUOP_down:
      hv.takeDown(target);
      return 0;
    case VCPUOP_get_runstate_info:
      target.runstate.encode(guest.view, hv.now(), false, abi.words.bytes);
      return guest.store(va, runstateBytes) ? 0 : -EFAULT;
    case VCPUOP_register_runstate_memory_area: {
      if (!guest.fetch(va, 8)) return -EFAULT;
      const area = abi.words.readVa(guest.u32, 0);
      if (!isAreaOf(abi, area, runstateBytes)) return -EFAULT;
      target.runstate.areaVa = area === 0 ? Number.NaN : area;
      hv.writeRunstate(target);
      return 0;
    }
    case VCPUOP_set_periodic_timer: {
      if (!guest.fetch(va, 8)) return -EFAULT;
      const period = u64Number(guest.u32[0], guest.u32[1]);
      if (period < MIN_PERIOD_NS || period > MAX_PERIOD_NS) return -EINVAL;
      target.periodicNs = period;
      hv.timers.set(target.periodicTimer, hv.now() + period);
      return 0;
    }
    case VCPUOP_stop_periodic_timer:
      target.periodicNs = 0;
      hv.timers.stop(target.periodicTimer);
      return 0;
    case VCPUOP_set_singleshot_timer: {
      if (target !== vcpu) return -EINVAL;
      if (!guest.fetch(va, 12)) return -EFAULT;
      const timeout = u64Number(guest.u32[0], guest.u32[1]);
      // VCPU_SSHOTTMR_future once asked for -ETIME when the time has passed. Xen 4.17.7 ignores it: the event comes at once.
      hv.timers.set(target.singleshotTimer, timeout);
      return 0;
    }
    case VCPUOP_stop_singleshot_timer:
      if (target !== vcpu) return -EINVAL;
      hv.timers.stop(target.singleshotTimer);
      return 0;
    case VCPUOP_register_vcpu_info:
      if (!guest.fetch(va, 16)) return -EFAULT;
      return registerVcpuInfo(
        hv,
        vcpu,
        target,
        target.domain.frameOf(u64Number(guest.u32[0], guest.u32[1])),
        guest.u32[2],
      );
    case VCPUOP_send_nmi:
      if (args.lo[2] !== 0 || args.hi[2] !== 0) return -EINVAL;
      target.nmiPending = true;
      hv.wake(target);
      return 0;
    case VCPUOP_register_vcpu_time_memory_area: {
      if (!guest.fetch(va, 8)) return -EFAULT;
      const area = abi.words.readVa(guest.u32, 0);
      if (!isAreaOf(abi, area, TIME_BYTES)) return -EFAULT;
      target.timeAreaVa = area === 0 ? Number.NaN : area;
      updateTimeArea(hv, target);
      return 0;
    }
    case VCPUOP_get_physid:
      // Only for vcpus that are pinned to a processor.
      return -EINVAL;
    default:
      return -ENOSYS;
  }
};

/** Whether Xen may keep writing there. A 32-bit guest's area must also end below Xen's part (compat_handle_okay). */
function isAreaOf(abi: GuestAbi, va: number, bytes: number): boolean {
  return isGuestRange(va, bytes) && (abi.wordBits === 64 || va + bytes <= abi.virtStart);
}

/** For the vcpu that calls, or one that is down, and once (map_vcpu_info of Xen 4.17; later versions have other errnos). */
function registerVcpuInfo(hv: Hypervisor, caller: Vcpu, target: Vcpu, mfn: number, offset: number): number {
  if (offset > PAGE_BYTES - VCPU_INFO_BYTES || (offset & 7) !== 0) return -ENXIO;
  if (target.vcpuInfoMfn !== 0) return -EINVAL;
  if (target !== caller && !target.down) return -EINVAL;
  const { types, frames } = hv.mmu;
  const { domid } = target.domain;
  if (!types.getPage(mfn, domid)) return -EINVAL;
  const busy = types.getPageAndType(mfn, PageType.writable, domid) !== 0;
  types.putPage(mfn);
  if (busy) return -EINVAL;
  const rc = hv.events.registerVcpuInfo(domid, target.id, frames.hostAddress(mfn) + offset);
  if (rc !== 0) {
    types.putPageAndType(mfn);
    return rc;
  }
  target.vcpuInfoMfn = mfn;
  target.infoHost = hv.events.vcpuInfo(domid, target.id);
  updateTime(hv, target);
  return 0;
}
