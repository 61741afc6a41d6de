import { PageType } from "@xen-node/mmu";
import { EFAULT, EINVAL, FIRST_RESERVED_GDT_ENTRY } from "@xen-node/xen-abi";
import { u64Number } from "../address.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { releaseGdt } from "../segments.ts";
import type { Vcpu } from "../vcpu.ts";
import type { HypercallHandler } from "./hypercall-args.ts";

/** Makes frames the vcpu's GDT: each becomes a checked descriptor page. 0 or -EINVAL. */
export function installGdt(hv: Hypervisor, vcpu: Vcpu, frames: readonly number[], entries: number): number {
  if (entries > FIRST_RESERVED_GDT_ENTRY || frames.length !== Math.ceil(entries / 512)) return -EINVAL;
  const { types } = hv.mmu;
  const domid = vcpu.domain.domid;
  let taken = 0;
  for (; taken < frames.length; taken++) {
    if (types.getPageAndType(frames[taken], PageType.segDesc, domid) !== 0) break;
  }
  if (taken < frames.length) {
    while (taken-- > 0) types.putPageAndType(frames[taken]);
    return -EINVAL;
  }
  releaseGdt(hv, vcpu);
  vcpu.gdtFrames = [...frames];
  vcpu.gdtEntries = entries;
  return 0;
}

/** set_gdt(frames[], entries) */
export const setGdt: HypercallHandler = (hv, vcpu, args) => {
  const entries = args.u32(1);
  if (entries > FIRST_RESERVED_GDT_ENTRY) return -EINVAL;
  const count = Math.ceil(entries / 512);
  if (!hv.guest.fetch(args.va(0), count * 8)) return -EFAULT;
  const frames: number[] = [];
  for (let i = 0; i < count; i++) frames.push(u64Number(hv.guest.u32[2 * i], hv.guest.u32[2 * i + 1]));
  return installGdt(hv, vcpu, frames, entries);
};

/** update_descriptor(machine address, descriptor) */
export const updateDescriptor: HypercallHandler = (hv, vcpu, args) => {
  const address = args.lo[0];
  if ((address & 7) !== 0) return -EINVAL;
  const mfn = (address >>> 12) + (args.hi[0] >>> 0) * 0x100000;
  return hv.mmu.types.updateDescriptor(mfn, address & 0xff8, args.lo[1], args.hi[1], vcpu.domain.domid);
};
