import {
  EFAULT,
  ENOSYS,
  EVTCHN_FIFO_LINK_BITS,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_interdomain,
  EVTCHNOP_bind_ipi,
  EVTCHNOP_bind_pirq,
  EVTCHNOP_bind_vcpu,
  EVTCHNOP_bind_virq,
  EVTCHNOP_close,
  EVTCHNOP_expand_array,
  EVTCHNOP_init_control,
  EVTCHNOP_reset,
  EVTCHNOP_send,
  EVTCHNOP_set_priority,
  EVTCHNOP_status,
  EVTCHNOP_unmask,
  EVTCHNSTAT_interdomain,
  EVTCHNSTAT_unbound,
  EVTCHNSTAT_virq,
} from "@xen-node/xen-abi";
import { u64Number } from "../address.ts";
import type { HypercallHandler } from "./hypercall-args.ts";

/** Bytes of each operation's argument, by operation. */
const ARGUMENT_BYTES = [12, 12, 12, 4, 4, 24, 8, 8, 8, 4, 2, 24, 8, 8];

/** event_channel_op(cmd, argument *): structures of xen/include/public/event_channel.h. */
export const eventChannelOp: HypercallHandler = (hv, vcpu, args) => {
  const cmd = args.u32(0);
  const va = args.va(1);
  const bytes = ARGUMENT_BYTES[cmd];
  if (cmd >= ARGUMENT_BYTES.length || cmd === EVTCHNOP_bind_pirq) {
    hv.logOnce(vcpu.domain, "event", `event_channel_op ${cmd} is not there: -ENOSYS`);
    return -ENOSYS;
  }
  const { guest } = hv;
  if (!guest.fetch(va, bytes)) return -EFAULT;
  const calls = vcpu.domain.hypercalls.eventChannel;
  const { u32, u16 } = guest;
  switch (cmd) {
    case EVTCHNOP_bind_interdomain:
      return storePort(hv, va, 8, calls.bindInterdomain(u16[0], u32[1]));
    case EVTCHNOP_bind_virq:
      return storePort(hv, va, 8, calls.bindVirq(u32[0], u32[1]));
    case EVTCHNOP_close:
      return calls.close(u32[0]);
    case EVTCHNOP_send:
      return calls.send(u32[0]);
    case EVTCHNOP_status: {
      const status = calls.status(u16[0], u32[1]);
      if (typeof status === "number") return status;
      guest.u32[2] = status.status;
      guest.u32[3] = status.vcpu;
      guest.u32[4] = 0;
      guest.u32[5] = 0;
      if (status.status === EVTCHNSTAT_unbound || status.status === EVTCHNSTAT_interdomain) {
        guest.u16[8] = status.remoteDomid;
        guest.u32[5] = status.remotePort;
      } else if (status.status === EVTCHNSTAT_virq) {
        guest.u32[4] = status.virq;
      }
      return guest.store(va, bytes) ? 0 : -EFAULT;
    }
    case EVTCHNOP_alloc_unbound:
      return storePort(hv, va, 4, calls.allocUnbound(u16[0], u16[1]));
    case EVTCHNOP_bind_ipi:
      return storePort(hv, va, 4, calls.bindIpi(u32[0]));
    case EVTCHNOP_bind_vcpu:
      return calls.bindVcpu(u32[0], u32[1]);
    case EVTCHNOP_unmask:
      return calls.unmask(u32[0]);
    case EVTCHNOP_reset:
      return calls.reset(u16[0]);
    case EVTCHNOP_init_control: {
      const rc = calls.initControl(vcpu.domain.frameOf(u64Number(u32[0], u32[1])), u32[2], u32[3]);
      if (rc !== 0) return rc;
      guest.scratch[16] = EVTCHN_FIFO_LINK_BITS;
      return guest.store(va, bytes) ? 0 : -EFAULT;
    }
    case EVTCHNOP_expand_array:
      return calls.expandArray(vcpu.domain.frameOf(u64Number(u32[0], u32[1])));
    case EVTCHNOP_set_priority:
      return calls.setPriority(u32[0], u32[1]);
    default:
      return -ENOSYS;
  }
};

/** Stores a new port at `offset` in the argument, or answers the error. */
function storePort(hv: Parameters<HypercallHandler>[0], va: number, offset: number, port: number): number {
  if (port < 0) return port;
  return hv.guest.writeU32(va + offset, port) ? 0 : -EFAULT;
}
