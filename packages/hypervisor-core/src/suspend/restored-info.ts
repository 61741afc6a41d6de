import { SIF_VIRT_P2M_4TOOLS, structs, XEN_LEGACY_MAX_VCPUS } from "@xen-node/xen-abi";
import type { Domain } from "../domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { DomainImageError } from "./domain-image-error.ts";

const PAGE_BYTES = 4096;

interface StartInfoFacts {
  pages: number;
  storeEvtchn: number;
  consoleEvtchn: number;
}

/**
 * Tells the guest of its new surroundings in its start_info, where it wrote the pfns of its two ring pages before it
 * suspended itself.
 * @param ringFrame the frame of such a page; throws if there is none
 */
export function restoreStartInfo(
  hv: Hypervisor,
  domain: Domain,
  mfn: number,
  { pages, storeEvtchn, consoleEvtchn }: StartInfoFacts,
  ringFrame: (pfn: number, what: string) => number,
): { storeMfn: number; consoleMfn: number } {
  const { frames, memory } = hv.mmu;
  const { start_info } = structs;
  const host = frames.hostAddress(mfn);
  const page = new DataView(memory.u8.buffer, memory.u8.byteOffset + host, PAGE_BYTES);
  const storeMfn = ringFrame(start_info.getRounded(page, 0, "store_mfn"), "xenstore's ring");
  const consoleMfn = ringFrame(start_info.getRounded(page, 0, "console.domU.mfn"), "the console's ring");
  start_info.set(page, 0, "nr_pages", pages);
  start_info.set(page, 0, "shared_info", domain.sharedInfoMfn * PAGE_BYTES);
  start_info.set(page, 0, "flags", SIF_VIRT_P2M_4TOOLS);
  start_info.set(page, 0, "store_mfn", storeMfn);
  start_info.set(page, 0, "store_evtchn", storeEvtchn);
  start_info.set(page, 0, "console.domU.mfn", consoleMfn);
  start_info.set(page, 0, "console.domU.evtchn", consoleEvtchn);
  return { storeMfn, consoleMfn };
}

/**
 * What a saved shared_info has that is the guest's: its vcpu_info slots and arch part. Events and time are the new
 * hypervisor's; nothing is pending, all is masked, and the guest will say anew where its list of frames is.
 */
export function restoreSharedInfo(hv: Hypervisor, domain: Domain, saved: Uint8Array): void {
  if (saved.length !== PAGE_BYTES)
    throw new DomainImageError("image", `the image's shared_info has ${saved.length} bytes instead of ${PAGE_BYTES}.`);
  const { frames, memory } = hv.mmu;
  const { shared_info, vcpu_info } = structs;
  const { offsets } = shared_info;
  const host = frames.hostAddress(domain.sharedInfoMfn);
  const page = memory.u8.subarray(host, host + PAGE_BYTES);
  const slots = XEN_LEGACY_MAX_VCPUS * vcpu_info.size;
  page.set(saved.subarray(offsets.vcpu_info, offsets.vcpu_info + slots), offsets.vcpu_info);
  page.set(saved.subarray(offsets.arch, shared_info.size), offsets.arch);
  for (let id = 0; id < XEN_LEGACY_MAX_VCPUS; id++) {
    const at = offsets.vcpu_info + id * vcpu_info.size + vcpu_info.offsets.evtchn_pending_sel;
    page.fill(0, at, at + 8);
  }
  page.fill(0, offsets["arch.pfn_to_mfn_frame_list_list"], offsets["arch.pfn_to_mfn_frame_list_list"] + 8);
  page.fill(0, offsets.evtchn_pending, offsets.evtchn_mask);
  page.fill(0xff, offsets.evtchn_mask, offsets.wc_version);
}
