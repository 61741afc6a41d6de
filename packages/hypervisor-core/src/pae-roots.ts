import { allocateXenFrame, freeXenFrame, paeRootEntry } from "@xen-node/mmu";
import type { Hypervisor } from "./hypervisor.ts";
import type { Vcpu } from "./vcpu.ts";

// A processor in long mode wants a root of level 4. Each vcpu of a 32-bit guest has one of the hypervisor's, whose only
// entry leads to the guest's L3 table; the kernel and its programs use it with different rights (mmu's root.ts).

/** Gives a vcpu its L4 table. False: memory is short. */
export function equipPaeRoot(hv: Hypervisor, vcpu: Vcpu): boolean {
  const mfn = allocateXenFrame(hv.mmu.frames);
  if (mfn < 0) return false;
  vcpu.paeL4 = mfn;
  return true;
}

/** Links an L3 table, on which a type reference is held, or 0 for none. What came through the former one is forgotten. */
export function linkPaeRoot(hv: Hypervisor, vcpu: Vcpu, l3Mfn: number): void {
  const { frames, memory, tlb } = hv.mmu;
  const word = frames.hostAddress(vcpu.paeL4) >>> 2;
  const [lo, hi] = l3Mfn === 0 ? [0, 0] : paeRootEntry(l3Mfn);
  memory.u32[word] = lo;
  memory.u32[word + 1] = hi;
  tlb.flushL4(vcpu.paeL4);
}

/** Takes the L4 table away for good. */
export function freePaeRoot(hv: Hypervisor, vcpu: Vcpu): void {
  if (vcpu.paeL4 === 0) return;
  hv.mmu.tlb.forget(vcpu.paeL4);
  freeXenFrame(hv.mmu.frames, vcpu.paeL4);
  vcpu.paeL4 = 0;
}
