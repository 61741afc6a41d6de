import { PageType } from "@xen-node/mmu";
import { EFAULT, EINVAL, FIRST_RESERVED_GDT_ENTRY } from "@xen-node/xen-abi";
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
  const { words } = vcpu.domain.abi;
  if (!hv.guest.fetch(args.va(0), count * words.bytes)) return -EFAULT;
  const frames: number[] = [];
  for (let i = 0; i < count; i++) frames.push(words.read(hv.guest.u32, i * words.bytes));
  return installGdt(hv, vcpu, frames, entries);
};

/** update_descriptor(machine address, descriptor) */
export const updateDescriptor: HypercallHandler = (hv, vcpu, args) =>
  storeDescriptor(hv, vcpu, args.lo[0], args.hi[0], args.lo[1], args.hi[1]);

/** The same of a 32-bit guest, each as low and high word. */
export const updateDescriptor32: HypercallHandler = (hv, vcpu, args) =>
  storeDescriptor(hv, vcpu, args.lo[0], args.lo[1], args.lo[2], args.lo[3]);

function storeDescriptor(
  hv: Hypervisor,
  vcpu: Vcpu,
  addressLo: number,
  addressHi: number,
  lo: number,
  hi: number,
): number {
  if ((addressLo & 7) !== 0) return -EINVAL;
  const mfn = (addressLo >>> 12) + (addressHi >>> 0) * 0x100000;
  return hv.mmu.types.updateDescriptor(mfn, addressLo & 0xff8, lo, hi, vcpu.domain.domid);
}
