import {
  EFAULT,
  EINVAL,
  ENOSYS,
  EPERM,
  SCHEDOP_block,
  SCHEDOP_pin_override,
  SCHEDOP_poll,
  SCHEDOP_remote_shutdown,
  SCHEDOP_shutdown,
  SCHEDOP_shutdown_code,
  SCHEDOP_watchdog,
  SCHEDOP_yield,
} from "@xen-node/xen-abi";
import { u64Number } from "../address.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import type { HypercallHandler } from "./hypercall-args.ts";

const MAX_POLL_PORTS = 128;
const SOON_NS = 100_000_000;
const FAR_NS = 2 ** 50;

/** sched_op(cmd, argument *) */
export const schedOp: HypercallHandler = (hv, vcpu, args) => {
  const { guest } = hv;
  const va = args.va(1);
  switch (args.u32(0)) {
    case SCHEDOP_yield:
      hv.yieldVcpu();
      return 0;
    case SCHEDOP_block:
      hv.blockVcpu(vcpu);
      return 0;
    case SCHEDOP_shutdown:
      if (!guest.fetch(va, 4)) return -EFAULT;
      return vcpu.domain.hypercalls.sched.shutdown(guest.u32[0]);
    case SCHEDOP_shutdown_code:
      if (!guest.fetch(va, 4)) return -EFAULT;
      // The first word counts.
      vcpu.domain.shutdownCode ??= guest.u32[0] & 0xff;
      return 0;
    case SCHEDOP_poll: {
      const { words, structs } = vcpu.domain.abi;
      const { offsets, size } = structs.sched_poll;
      if (!guest.fetch(va, size)) return -EFAULT;
      const timeout = offsets.timeout >>> 2;
      const timeoutNs = u64Number(guest.u32[timeout], guest.u32[timeout + 1]);
      return poll(hv, vcpu, words.readVa(guest.u32, offsets.ports), guest.u32[offsets.nr_ports >>> 2], timeoutNs);
    }
    case SCHEDOP_remote_shutdown:
      if (!guest.fetch(va, 8)) return -EFAULT;
      return vcpu.domain.hypercalls.sched.remoteShutdown(guest.u16[0], guest.u32[1]);
    case SCHEDOP_watchdog:
      if (!guest.fetch(va, 8)) return -EFAULT;
      return hv.watchdogs.operate(vcpu.domain, guest.u32[0], guest.u32[1]);
    case SCHEDOP_pin_override:
      return -EPERM;
    default:
      return -ENOSYS;
  }
};

function poll(hv: Hypervisor, vcpu: Vcpu, portsVa: number, count: number, timeout: number): number {
  if (count > MAX_POLL_PORTS) return -EINVAL;
  if (!hv.guest.fetch(portsVa, count * 4)) return -EFAULT;
  // An upcall that is due ends the wait before it begins.
  if (hv.events.upcallDue(vcpu.domain.domid, vcpu.id)) return 0;
  const armed = hv.events.poll(vcpu.domain.domid, vcpu.id, hv.guest.u32, count);
  if (armed !== 1) return armed;
  vcpu.polling = true;
  vcpu.blocked = true;
  if (timeout !== 0) hv.timers.set(vcpu.pollTimer, timeout);
  return 0;
}

/** sched_op of old guests: (cmd, immediate) with yield and block alone, and shutdown(reason). */
export const schedOpCompat: HypercallHandler = (hv, vcpu, args) => {
  switch (args.u32(0)) {
    case SCHEDOP_yield:
      hv.yieldVcpu();
      return 0;
    case SCHEDOP_block:
      hv.blockVcpu(vcpu);
      return 0;
    case SCHEDOP_shutdown:
      return vcpu.domain.hypercalls.sched.shutdown(args.u32(1));
    default:
      return -ENOSYS;
  }
};

/** set_timer_op(absolute ns): VIRQ_TIMER at that time, 0 = cancel. */
export const setTimerOp: HypercallHandler = (hv, vcpu, args) => setTimer(hv, vcpu, args.lo[0], args.hi[0]);

/** set_timer_op(low word, high word) of a 32-bit guest. */
export const setTimerOp32: HypercallHandler = (hv, vcpu, args) => setTimer(hv, vcpu, args.lo[0], args.lo[1]);

function setTimer(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number): number {
  if (lo === 0 && hi === 0) {
    hv.timers.stop(vcpu.domainTimer);
    return 0;
  }
  // A negative time, or one weeks ahead, comes from a guest whose arithmetic went wrong: it gets a tick soon.
  const now = hv.now();
  const deadlineNs = u64Number(lo, hi);
  const wrong = hi < 0 || deadlineNs - now >= FAR_NS;
  hv.timers.set(vcpu.domainTimer, wrong ? now + SOON_NS : deadlineNs);
  return 0;
}
