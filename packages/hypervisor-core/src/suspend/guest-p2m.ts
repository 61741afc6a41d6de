import { Access, PageType } from "@xen-node/mmu";
import { structs } from "@xen-node/xen-abi";
import { isGuestRange, u64Number, vaHigh, vaLow, vaOf } from "../address.ts";
import type { Domain } from "../domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { DomainImageError } from "./domain-image-error.ts";

const PAGE_BYTES = 4096;
const ENTRIES = 512;
/** A guest's list is read up to 16 GiB: more than any machine has, and what a guest claims costs memory here. */
const MOST_PAGES = 2 ** 22;

/** A guest's physical-to-machine list: which frame stands behind each of its page numbers. */
export interface GuestP2m {
  /** By pfn; 0 = none, or not one of the domain's own frames. */
  readonly mfns: Uint32Array;
  /** The pfns of the pages that the list lies in. */
  readonly listPages: number[];
}

/**
 * Reads the list that a guest keeps for the toolstack (arch_shared_info in xen/include/public/arch-x86/xen.h): either mapped
 * at p2m_vaddr in the address space p2m_cr3, or as a tree of frames from pfn_to_mfn_frame_list_list. Nothing in it is
 * believed: an entry counts if the frame is the domain's and says the same of itself in the machine-to-physical table.
 *
 * @throws DomainImageError `guest`
 */
export function readGuestP2m(hv: Hypervisor, domain: Domain): GuestP2m {
  const { frames, memory, m2p } = hv.mmu;
  const { offsets } = structs.shared_info;
  const info = frames.readAddress(domain.sharedInfoMfn);
  const word = (offset: number): { lo: number; hi: number } => {
    const at = (info + offset) >>> 2;
    return { lo: memory.u32[at], hi: memory.u32[at + 1] };
  };
  const { lo, hi } = word(offsets["arch.max_pfn"]);
  const pages = u64Number(lo, hi);
  if (!(pages > 0 && pages <= MOST_PAGES))
    throw new DomainImageError(
      "guest",
      `the guest says that it has ${pages} pages, and up to ${MOST_PAGES} can be saved.`,
    );
  const listFrames = Math.ceil(pages / ENTRIES);
  const cr3 = word(offsets["arch.p2m_cr3"]);
  const listMfns =
    cr3.lo === 0 && cr3.hi === 0
      ? treeFrames(hv, domain, word(offsets["arch.pfn_to_mfn_frame_list_list"]), listFrames)
      : mappedFrames(hv, domain, cr3, word(offsets["arch.p2m_vaddr"]), listFrames);

  const mfns = new Uint32Array(pages);
  for (let pfn = 0; pfn < pages; pfn++) {
    const at = (frames.readAddress(listMfns[Math.floor(pfn / ENTRIES)]) >>> 2) + (pfn % ENTRIES) * 2;
    const mfn = memory.u32[at];
    if (memory.u32[at + 1] === 0 && owns(hv, domain, mfn) && m2p.get(mfn) === pfn) mfns[pfn] = mfn;
  }
  const listPages = listMfns.map((mfn) => {
    const pfn = m2p.get(mfn);
    if (!(pfn >= 0 && pfn < pages && mfns[pfn] === mfn))
      throw new DomainImageError(
        "guest",
        `the guest's list of frames lies in frame 0x${mfn.toString(16)}, which it does not name itself.`,
      );
    return pfn;
  });
  return { mfns, listPages };
}

function owns(hv: Hypervisor, domain: Domain, mfn: number): boolean {
  const { frames } = hv.mmu;
  return frames.exists(mfn) && frames.owner[mfn] === domain.domid && frames.refCount[mfn] > 0;
}

/** The frames of a list that is mapped. */
function mappedFrames(
  hv: Hypervisor,
  domain: Domain,
  cr3: { lo: number; hi: number },
  start: { lo: number; hi: number },
  count: number,
): number[] {
  const { frames, walker } = hv.mmu;
  const root = (cr3.lo >>> 12) + (cr3.hi & 0xfffff) * 0x100000;
  if (!owns(hv, domain, root) || frames.type[root] !== PageType.l4)
    throw new DomainImageError("guest", "the guest's list of frames is mapped by what is no page table of its own.");
  const va = vaOf(start.lo | 0, start.hi | 0);
  if (!isGuestRange(va, count * PAGE_BYTES) || (start.lo & (PAGE_BYTES - 1)) !== 0)
    throw new DomainImageError("guest", "the guest's list of frames has no address that a guest can have.");
  return Array.from({ length: count }, (_, page) => {
    const at = va + page * PAGE_BYTES;
    if (walker.walk(root, vaLow(at), vaHigh(at), Access.read, true) !== 0 || !owns(hv, domain, walker.mfn))
      throw new DomainImageError("guest", `page ${page} of the guest's list of frames is not mapped.`);
    return walker.mfn;
  });
}

/** The frames of a list that is a tree: a frame of frames of frames of the list. */
function treeFrames(hv: Hypervisor, domain: Domain, top: { lo: number; hi: number }, count: number): number[] {
  const { frames, memory } = hv.mmu;
  const entry = (mfn: number, index: number): number => {
    if (!owns(hv, domain, mfn))
      throw new DomainImageError("guest", "the guest's tree of frames names a frame that is not its own.");
    const at = (frames.readAddress(mfn) >>> 2) + index * 2;
    return u64Number(memory.u32[at], memory.u32[at + 1]);
  };
  const topMfn = u64Number(top.lo, top.hi);
  return Array.from({ length: count }, (_, page) => {
    const mfn = entry(entry(topMfn, Math.floor(page / ENTRIES)), page % ENTRIES);
    if (!owns(hv, domain, mfn))
      throw new DomainImageError("guest", "the guest's list of frames lies in a frame that is not its own.");
    return mfn;
  });
}
