import { EFAULT, EINVAL, ENOMEM, EPERM } from "@xen-node/xen-abi";
import { isGuestRange } from "../address.ts";
import { targetDomain } from "../foreign-domain.ts";
import type { DomainMemory } from "../hypercalls/memory.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import { RESTART } from "./results.ts";

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
  const { words, structs } = vcpu.domain.abi;
  const { offsets, size } = structs.xen_memory_exchange;
  if (!guest.fetch(va, size)) return -EFAULT;
  const w = guest.u32;
  const inStart = words.readVa(w, offsets["in.extent_start"]);
  const inCount = words.read(w, offsets["in.nr_extents"]);
  const inOrder = w[offsets["in.extent_order"] >>> 2];
  const inDomid = guest.u16[offsets["in.domid"] >>> 1];
  const outStart = words.readVa(w, offsets["out.extent_start"]);
  const outCount = words.read(w, offsets["out.nr_extents"]);
  const outOrder = w[offsets["out.extent_order"] >>> 2];
  const outDomid = guest.u16[offsets["out.domid"] >>> 1];
  const done = words.read(w, offsets.nr_exchanged);
  if (Math.max(inOrder, outOrder) > MAX_ORDER) return -EPERM;
  if (done > inCount || inDomid !== outDomid) return -EINVAL;
  if (inCount * 2 ** inOrder !== outCount * 2 ** outOrder) return -EINVAL;
  if (done === inCount) return 0;
  // The output list is written to: it must be the guest's before anything is exchanged (XSA-212).
  if (inCount > MOST_EXTENTS || !isGuestRange(inStart, inCount * words.bytes)) return -EFAULT;
  if (outCount > MOST_EXTENTS || !isGuestRange(outStart, outCount * words.bytes)) return -EFAULT;
  const target = targetDomain(hv, vcpu.domain, inDomid);
  if (typeof target === "number") return target;
  if (target !== vcpu.domain) return -EPERM;
  if (inOrder !== 0 || outOrder !== 0) return -ENOMEM;
  const memory = vcpu.domain.hypercalls.memory as DomainMemory;
  let i = done;
  let rc = 0;
  while (i < inCount) {
    const at = words.bytes * i;
    rc = hv.dispatcher.spend() ? RESTART : exchangeOne(hv, vcpu, memory, inStart + at, outStart + at);
    if (rc !== 0) break;
    i++;
  }
  words.write(guest.view, 0, i);
  return guest.store(va + offsets.nr_exchanged, words.bytes) ? rc : -EFAULT;
}

function exchangeOne(hv: Hypervisor, vcpu: Vcpu, memory: DomainMemory, inVa: number, outVa: number): number {
  const { guest } = hv;
  const { frames } = hv.mmu;
  const { words } = vcpu.domain.abi;
  if (!guest.fetch(inVa, words.bytes)) return -EFAULT;
  const mfn = words.read(guest.u32, 0);
  // A frame that something still refers to cannot be taken away.
  if (!frames.exists(mfn) || frames.owner[mfn] !== vcpu.domain.domid || frames.refCount[mfn] !== 1) return -EINVAL;
  if (!guest.fetch(outVa, words.bytes)) return -EFAULT;
  const pfnLo = guest.u32[0];
  const pfnHi = words.bytes === 8 ? guest.u32[1] : 0;
  if (memory.release(vcpu.domain, mfn) !== 0) return -EINVAL;
  const fresh = memory.allocate(vcpu.domain);
  if (fresh < 0) return -ENOMEM;
  hv.mmu.m2p.set(fresh, pfnLo, pfnHi);
  words.write(guest.view, 0, fresh);
  return guest.store(outVa, words.bytes) ? 0 : -EFAULT;
}
