import {
  CALLBACKF_mask_events,
  CALLBACKOP_register,
  CALLBACKOP_unregister,
  CALLBACKTYPE_event,
  CALLBACKTYPE_failsafe,
  CALLBACKTYPE_nmi,
  CALLBACKTYPE_syscall,
  CALLBACKTYPE_syscall32,
  CALLBACKTYPE_sysenter,
  EFAULT,
  EINVAL,
  ENOSYS,
  XENNMI_register_callback,
  XENNMI_unregister_callback,
} from "@xen-node/xen-abi";
import { vaOf } from "../address.ts";
import { NMI_VECTOR } from "../trap-table.ts";
import type { Vcpu } from "../vcpu.ts";
import type { HypercallHandler } from "./hypercall-args.ts";
import { RESTART } from "./results.ts";

const TRAP_INFO_BYTES = 16;
const TI_MASK_EVENTS = 4;
/** Callbacks that can be replaced, but not taken away. */
const UNREGISTRABLE = new Set<number>([
  CALLBACKTYPE_event,
  CALLBACKTYPE_failsafe,
  CALLBACKTYPE_syscall,
  CALLBACKTYPE_syscall32,
  CALLBACKTYPE_sysenter,
]);

/** set_trap_table(trap_info[]): ends at an entry with address 0; a null pointer clears the table. */
export const setTrapTable: HypercallHandler = (hv, vcpu, args) => {
  if (args.lo[0] === 0 && args.hi[0] === 0) {
    vcpu.traps.clear();
    return 0;
  }
  const { guest } = hv;
  for (;;) {
    if (hv.dispatcher.spend()) return RESTART;
    const va = args.va(0);
    if (!guest.fetch(va, TRAP_INFO_BYTES)) return -EFAULT;
    const lo = guest.u32[2];
    const hi = guest.u32[3];
    if (lo === 0 && hi === 0) return 0;
    const address = vaOf(lo, hi);
    if (Number.isNaN(address)) return -EINVAL;
    vcpu.traps.set(guest.scratch[0], guest.scratch[1], guest.u16[1] | 3, address);
    args.set(0, va + TRAP_INFO_BYTES);
  }
};

function register(vcpu: Vcpu, type: number, flags: number, address: number): number {
  if (Number.isNaN(address)) return -EINVAL;
  const masks = (flags & CALLBACKF_mask_events) !== 0;
  const { callbacks } = vcpu;
  switch (type) {
    case CALLBACKTYPE_event:
      callbacks.event = address;
      return 0;
    case CALLBACKTYPE_failsafe:
      callbacks.failsafe = address;
      callbacks.failsafeMasksEvents = masks;
      return 0;
    case CALLBACKTYPE_syscall:
      callbacks.syscall = address;
      callbacks.syscallMasksEvents = masks;
      return 0;
    case CALLBACKTYPE_syscall32:
      callbacks.syscall32 = address;
      callbacks.syscall32MasksEvents = masks;
      return 0;
    case CALLBACKTYPE_sysenter:
      callbacks.sysenter = address;
      callbacks.sysenterMasksEvents = masks;
      return 0;
    case CALLBACKTYPE_nmi:
      return registerNmi(vcpu, address);
    default:
      return -ENOSYS;
  }
}

function registerNmi(vcpu: Vcpu, address: number): number {
  if (vcpu.id !== 0 || Number.isNaN(address)) return -EINVAL;
  vcpu.traps.set(NMI_VECTOR, TI_MASK_EVENTS, 0, address);
  return 0;
}

/** callback_op(cmd, callback_register *). */
export const callbackOp: HypercallHandler = (hv, vcpu, args) => {
  const { guest } = hv;
  switch (args.u32(0)) {
    case CALLBACKOP_register:
      if (!guest.fetch(args.va(1), 16)) return -EFAULT;
      return register(vcpu, guest.u16[0], guest.u16[1], vaOf(guest.u32[2], guest.u32[3]));
    case CALLBACKOP_unregister:
      if (!guest.fetch(args.va(1), 4)) return -EFAULT;
      if (guest.u16[0] === CALLBACKTYPE_nmi) {
        vcpu.traps.set(NMI_VECTOR, 0, 0, 0);
        return 0;
      }
      return UNREGISTRABLE.has(guest.u16[0]) ? -EINVAL : -ENOSYS;
    default:
      return -ENOSYS;
  }
};

/** set_callbacks(event, failsafe, syscall), the old form: never fails, an address that is not canonical is passed over. */
export const setCallbacks: HypercallHandler = (_hv, vcpu, args) => {
  register(vcpu, CALLBACKTYPE_event, 0, args.va(0));
  register(vcpu, CALLBACKTYPE_failsafe, 0, args.va(1));
  register(vcpu, CALLBACKTYPE_syscall, 0, args.va(2));
  return 0;
};

/** nmi_op(cmd, xennmi_callback *). */
export const nmiOp: HypercallHandler = (hv, vcpu, args) => {
  switch (args.u32(0)) {
    case XENNMI_register_callback:
      if (!hv.guest.fetch(args.va(1), 16)) return -EFAULT;
      return registerNmi(vcpu, vaOf(hv.guest.u32[0], hv.guest.u32[1]));
    case XENNMI_unregister_callback:
      vcpu.traps.set(NMI_VECTOR, 0, 0, 0);
      return 0;
    default:
      return -ENOSYS;
  }
};
