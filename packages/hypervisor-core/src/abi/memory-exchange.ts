import { EFAULT, EINVAL, ENOMEM, EPERM } from "@xen-node/xen-abi";
import { isGuestRange, u64Number, vaOf } from "../address.ts";
import { targetDomain } from "../foreign-domain.ts";
import type { DomainMemory } from "../hypercalls/memory.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { putU64 } from "../runstate.ts";
import type { Vcpu } from "../vcpu.ts";
import { RESTART } from "./results.ts";

const EXCHANGE_BYTES = 72;
const NR_EXCHANGED = 64;
/** Largest extent order of a domain without hardware. */
const MAX_ORDER = 9;
/** More would not fit in the address space. */
const MOST_EXTENTS = 2 ** 44;

/**
 * XENMEM_exchange of single frames: each frame of `in` goes back, each pfn of `out` gets a fresh one, whose mfn is
 * stored in its place. Larger extents: -ENOMEM, since frames are handed out one by one. Can be continued: the argument
 * says how many are done.
 */
export function memoryExchange(hv: Hypervisor, vcpu: Vcpu, va: number): number {
  const { guest } = hv;
  if (!guest.fetch(va, EXCHANGE_BYTES)) return -EFAULT;
  const w = guest.u32;
  const inStart = vaOf(w[0], w[1]);
  const inCount = u64Number(w[2], w[3]);
  const inOrder = w[4];
  const inDomid = guest.u16[12];
  const outStart = vaOf(w[8], w[9]);
  const outCount = u64Number(w[10], w[11]);
  const outOrder = w[12];
  const outDomid = guest.u16[28];
  const done = u64Number(w[16], w[17]);
  if (Math.max(inOrder, outOrder) > MAX_ORDER) return -EPERM;
  if (done > inCount || inDomid !== outDomid) return -EINVAL;
  if (inCount * 2 ** inOrder !== outCount * 2 ** outOrder) return -EINVAL;
  if (done === inCount) return 0;
  // The output list is written to: it must be the guest's before anything is exchanged (XSA-212).
  if (inCount > MOST_EXTENTS || !isGuestRange(inStart, inCount * 8)) return -EFAULT;
  if (outCount > MOST_EXTENTS || !isGuestRange(outStart, outCount * 8)) return -EFAULT;
  const target = targetDomain(hv, vcpu.domain, inDomid);
  if (typeof target === "number") return target;
  if (target !== vcpu.domain) return -EPERM;
  if (inOrder !== 0 || outOrder !== 0) return -ENOMEM;
  const memory = vcpu.domain.hypercalls.memory as DomainMemory;
  let i = done;
  let rc = 0;
  while (i < inCount) {
    rc = hv.dispatcher.spend() ? RESTART : exchangeOne(hv, vcpu, memory, inStart + 8 * i, outStart + 8 * i);
    if (rc !== 0) break;
    i++;
  }
  putU64(guest.view, 0, i);
  return guest.store(va + NR_EXCHANGED, 8) ? rc : -EFAULT;
}

function exchangeOne(hv: Hypervisor, vcpu: Vcpu, memory: DomainMemory, inVa: number, outVa: number): number {
  const { guest } = hv;
  const { frames } = hv.mmu;
  if (!guest.fetch(inVa, 8)) return -EFAULT;
  const mfn = u64Number(guest.u32[0], guest.u32[1]);
  // A frame that something still refers to cannot be taken away.
  if (!frames.exists(mfn) || frames.owner[mfn] !== vcpu.domain.domid || frames.refCount[mfn] !== 1) return -EINVAL;
  if (!guest.fetch(outVa, 8)) return -EFAULT;
  const pfnLo = guest.u32[0];
  const pfnHi = guest.u32[1];
  if (memory.release(vcpu.domain, mfn) !== 0) return -EINVAL;
  const fresh = memory.allocate(vcpu.domain);
  if (fresh < 0) return -ENOMEM;
  hv.mmu.m2p.set(fresh, pfnLo, pfnHi);
  putU64(guest.view, 0, fresh);
  return guest.store(outVa, 8) ? 0 : -EFAULT;
}
