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
import { raiseSelector } from "../segments.ts";
import { NMI_VECTOR } from "../trap-table.ts";
import type { Vcpu } from "../vcpu.ts";
import type { HypercallHandler } from "./hypercall-args.ts";
import { RESTART } from "./results.ts";

const TI_MASK_EVENTS = 4;
/** Offsets in struct callback_register, in both forms. */
const CALLBACK_CS = 4;
const CALLBACK_ADDRESS = 8;
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
  const { abi } = vcpu.domain;
  const { words } = abi;
  const { offsets, size } = abi.structs.trap_info;
  for (;;) {
    if (hv.dispatcher.spend()) return RESTART;
    const va = args.va(0);
    if (!guest.fetch(va, size)) return -EFAULT;
    const address = words.readVa(guest.u32, offsets.address);
    if (address === 0) return 0;
    if (Number.isNaN(address)) return -EINVAL;
    vcpu.traps.set(guest.scratch[0], guest.scratch[1], raiseSelector(abi, guest.u16[1]), address);
    args.set(0, va + size);
  }
};

function register(vcpu: Vcpu, type: number, flags: number, address: number, selector: number): number {
  if (Number.isNaN(address)) return -EINVAL;
  const masks = (flags & CALLBACKF_mask_events) !== 0;
  const { callbacks } = vcpu;
  const { abi } = vcpu.domain;
  const cs = raiseSelector(abi, selector);
  switch (type) {
    case CALLBACKTYPE_event:
      callbacks.event = address;
      callbacks.eventCs = cs;
      return 0;
    case CALLBACKTYPE_failsafe:
      callbacks.failsafe = address;
      callbacks.failsafeCs = cs;
      callbacks.failsafeMasksEvents = masks;
      return 0;
    case CALLBACKTYPE_syscall:
      // Of programs in 64-bit code.
      if (abi.wordBits === 32) return -ENOSYS;
      callbacks.syscall = address;
      callbacks.syscallMasksEvents = masks;
      return 0;
    case CALLBACKTYPE_syscall32:
      callbacks.syscall32 = address;
      callbacks.syscall32Cs = cs;
      callbacks.syscall32MasksEvents = masks;
      return 0;
    case CALLBACKTYPE_sysenter:
      callbacks.sysenter = address;
      callbacks.sysenterCs = cs;
      callbacks.sysenterMasksEvents = masks;
      return 0;
    case CALLBACKTYPE_nmi:
      return registerNmi(vcpu, address, cs);
    default:
      return -ENOSYS;
  }
}

function registerNmi(vcpu: Vcpu, address: number, cs: number): number {
  if (vcpu.id !== 0 || Number.isNaN(address)) return -EINVAL;
  vcpu.traps.set(NMI_VECTOR, TI_MASK_EVENTS, cs, address);
  return 0;
}

/** callback_op(cmd, callback_register *). */
export const callbackOp: HypercallHandler = (hv, vcpu, args) => {
  const { guest } = hv;
  const { words, structs } = vcpu.domain.abi;
  switch (args.u32(0)) {
    case CALLBACKOP_register: {
      if (!guest.fetch(args.va(1), structs.callback_register.size)) return -EFAULT;
      // A 32-bit guest's code segment lies in what is padding for others.
      const cs = guest.u32[CALLBACK_CS >>> 2] & 0xffff;
      return register(vcpu, guest.u16[0], guest.u16[1], words.readVa(guest.u32, CALLBACK_ADDRESS), cs);
    }
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
  register(vcpu, CALLBACKTYPE_event, 0, args.va(0), 0);
  register(vcpu, CALLBACKTYPE_failsafe, 0, args.va(1), 0);
  register(vcpu, CALLBACKTYPE_syscall, 0, args.va(2), 0);
  return 0;
};

/** set_callbacks(event cs, event, failsafe cs, failsafe) of a 32-bit guest. */
export const setCallbacks32: HypercallHandler = (_hv, vcpu, args) => {
  register(vcpu, CALLBACKTYPE_event, 0, args.va(1), args.lo[0] & 0xffff);
  register(vcpu, CALLBACKTYPE_failsafe, 0, args.va(3), args.lo[2] & 0xffff);
  return 0;
};

/** nmi_op(cmd, xennmi_callback *). */
export const nmiOp: HypercallHandler = (hv, vcpu, args) => {
  switch (args.u32(0)) {
    case XENNMI_register_callback: {
      const { words, structs, flat } = vcpu.domain.abi;
      if (!hv.guest.fetch(args.va(1), structs.xennmi_callback.size)) return -EFAULT;
      return registerNmi(vcpu, words.readVa(hv.guest.u32, 0), flat.kernelCs);
    }
    case XENNMI_unregister_callback:
      vcpu.traps.set(NMI_VECTOR, 0, 0, 0);
      return 0;
    default:
      return -ENOSYS;
  }
};
