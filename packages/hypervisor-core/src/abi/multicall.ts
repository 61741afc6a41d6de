import { __HYPERVISOR_iret, __HYPERVISOR_multicall, EFAULT, EINVAL } from "@xen-node/xen-abi";
import { isGuestRange } from "../address.ts";
import { HypercallArgs, type HypercallHandler } from "./hypercall-args.ts";
import { NO_RESULT, RESTART } from "./results.ts";

const ENTRY_BYTES = 64;
const RESULT_OFFSET = 8;
const ARGS_OFFSET = 16;
/** More would not fit in the address space. */
const MOST_ENTRIES = 2 ** 47 / ENTRY_BYTES;

const inner = new HypercallArgs();
inner.inMulticall = true;

/** multicall(multicall_entry[], count): each entry's result is stored in it; order is kept, nothing is atomic. */
export const multicall: HypercallHandler = (hv, vcpu, args) => {
  if (args.inMulticall) return -EINVAL;
  const { guest } = hv;
  let left = args.u64(1);
  let va = args.va(0);
  if (left >= MOST_ENTRIES || !isGuestRange(va, left * ENTRY_BYTES)) return -EFAULT;
  while (left > 0) {
    if (hv.dispatcher.spend()) return RESTART;
    const at = guest.wordsForRead(va, ENTRY_BYTES);
    if (at === 0 && !guest.fetch(va, ENTRY_BYTES)) return -EFAULT;
    const entry = at !== 0 ? hv.mmu.memory.u32 : guest.u32;
    const number = entry[at + 1] === 0 ? entry[at] : 0xffffffff;
    for (let i = 0; i < 6; i++) {
      inner.lo[i] = entry[at + 4 + 2 * i];
      inner.hi[i] = entry[at + 5 + 2 * i];
    }
    // A PVH guest has the processor's own.
    if (number === __HYPERVISOR_iret && vcpu.native === undefined) {
      vcpu.domain.abi.iret(hv, vcpu);
      return NO_RESULT;
    }
    const result = number === __HYPERVISOR_multicall ? -EINVAL : hv.dispatcher.call(vcpu, number, inner);
    if (!vcpu.alive) return 0;
    if (result === RESTART) {
      for (let i = 0; i < 6; i++) {
        guest.u32[2 * i] = inner.lo[i];
        guest.u32[2 * i + 1] = inner.hi[i];
      }
      return guest.store(va + ARGS_OFFSET, 48) ? RESTART : -EFAULT;
    }
    guest.u32[0] = result | 0;
    guest.u32[1] = Math.floor(result / 0x100000000) | 0;
    if (!guest.store(va + RESULT_OFFSET, 8)) return -EFAULT;
    va += ENTRY_BYTES;
    left--;
    args.set(0, va);
    args.set(1, left);
  }
  return 0;
};
