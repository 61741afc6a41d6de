import {
  DOMID_SELF,
  EFAULT,
  EINVAL,
  ENOSYS,
  EPERM,
  HVM_PARAM_CALLBACK_IRQ,
  HVM_PARAM_CALLBACK_TYPE_VECTOR,
  HVM_PARAM_CONSOLE_EVTCHN,
  HVM_PARAM_CONSOLE_PFN,
  HVM_PARAM_STORE_EVTCHN,
  HVM_PARAM_STORE_PFN,
  HVMOP_get_param,
  HVMOP_set_param,
} from "@xen-node/xen-abi";
import type { HypercallHandler } from "../abi/hypercall-args.ts";
import type { Domain } from "../domain.ts";

/** Parameters that a guest may read of itself, and that exist here; all others read 0, as those that nobody set. */
const READABLE: ReadonlySet<number> = new Set([
  HVM_PARAM_CALLBACK_IRQ,
  HVM_PARAM_STORE_PFN,
  HVM_PARAM_STORE_EVTCHN,
  HVM_PARAM_CONSOLE_PFN,
  HVM_PARAM_CONSOLE_EVTCHN,
]);
const HIGHEST_PARAM = 38;
const FIRST_DEVICE_VECTOR = 0x10;
const PARAM_BYTES = 16;

/** hvm_op(cmd, argument *): xen_hvm_param {domid u16, index u32, value u64} of xen/include/public/hvm/hvm_op.h. */
export const hvmOp: HypercallHandler = (hv, vcpu, args) => {
  const { guest } = hv;
  const cmd = args.u32(0);
  if (cmd !== HVMOP_set_param && cmd !== HVMOP_get_param) {
    hv.logOnce(vcpu.domain, "hypercall", `hvm_op ${cmd} is not there: -ENOSYS`);
    return -ENOSYS;
  }
  const va = args.va(1);
  if (!guest.fetch(va, PARAM_BYTES)) return -EFAULT;
  const { domain } = vcpu;
  const domid = guest.u16[0];
  if (domid !== DOMID_SELF && domid !== domain.domid) return -EPERM;
  const index = guest.u32[1];
  if (index > HIGHEST_PARAM) return -EINVAL;
  if (cmd === HVMOP_set_param) return setParam(domain, index, guest.u32[2], guest.u32[3]);
  const value = READABLE.has(index) ? (domain.hvmParams.get(index) ?? 0) : 0;
  guest.u32[2] = value >>> 0;
  guest.u32[3] = Math.floor(value / 0x100000000);
  return guest.store(va, PARAM_BYTES) ? 0 : -EFAULT;
};

function setParam(domain: Domain, index: number, lo: number, hi: number): number {
  // The toolstack has set the others, once.
  if (index !== HVM_PARAM_CALLBACK_IRQ) return -EPERM;
  const type = hi >>> 24;
  const vector = lo & 0xff;
  // Without interrupt controllers there are no lines that could carry an upcall.
  if (type !== HVM_PARAM_CALLBACK_TYPE_VECTOR || vector < FIRST_DEVICE_VECTOR) {
    domain.callbackVector = 0;
    return lo === 0 && hi === 0 ? 0 : -EINVAL;
  }
  domain.callbackVector = vector;
  domain.hvmParams.set(index, hi * 0x100000000 + lo);
  return 0;
}
