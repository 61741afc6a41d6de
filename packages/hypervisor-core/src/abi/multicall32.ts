import { __HYPERVISOR_iret, __HYPERVISOR_multicall, EFAULT, EINVAL } from "@xen-node/xen-abi";
import { isGuestRange } from "../address.ts";
import { HypercallArgs, type HypercallHandler } from "./hypercall-args.ts";
import { NO_RESULT, RESTART } from "./results.ts";

const ENTRY_BYTES = 32;
const RESULT_OFFSET = 4;
const ARGS_OFFSET = 8;
const ARGUMENTS = 6;

const inner = new HypercallArgs();
inner.inMulticall = true;

/** `multicall` of a 32-bit guest, whose entries hold words of 4 bytes. */
export const multicall32: HypercallHandler = (hv, vcpu, args) => {
  if (args.inMulticall) return -EINVAL;
  const { guest } = hv;
  let left = args.u32(1);
  let va = args.va(0);
  if (!isGuestRange(va, left * ENTRY_BYTES)) return -EFAULT;
  while (left > 0) {
    if (hv.dispatcher.spend()) return RESTART;
    if (!guest.fetch(va, ENTRY_BYTES)) return -EFAULT;
    const number = guest.u32[0];
    for (let i = 0; i < ARGUMENTS; i++) inner.set(i, guest.u32[ARGS_OFFSET / 4 + i]);
    if (number === __HYPERVISOR_iret) {
      vcpu.domain.abi.iret(hv, vcpu);
      return NO_RESULT;
    }
    const result = number === __HYPERVISOR_multicall ? -EINVAL : hv.dispatcher.call(vcpu, number, inner);
    if (!vcpu.alive) return 0;
    if (result === RESTART) {
      for (let i = 0; i < ARGUMENTS; i++) guest.u32[i] = inner.lo[i];
      return guest.store(va + ARGS_OFFSET, 4 * ARGUMENTS) ? RESTART : -EFAULT;
    }
    if (!guest.writeU32(va + RESULT_OFFSET, result)) return -EFAULT;
    va += ENTRY_BYTES;
    left--;
    args.set(0, va);
    args.set(1, left);
  }
  return 0;
};
