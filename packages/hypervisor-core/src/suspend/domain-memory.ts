import type { Domain } from "../domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { saveVcpu } from "./saved-vcpu.ts";

const PAGE_BYTES = 4096;

/**
 * The memory and vcpus of a PV domain that stands still, as they are on the machine: for whoever looks for the reason of a
 * crash. What the guest's own lists say plays no part.
 */
export class DomainMemory {
  /** Its frames and what the machine-to-physical table calls them, by pfn. */
  readonly pages: readonly { pfn: number; mfn: number }[];

  constructor(
    private readonly hv: Hypervisor,
    private readonly domain: Domain,
  ) {
    const { frames, m2p } = hv.mmu;
    const byPfn = new Map<number, number>();
    for (let mfn = frames.nextOwned(domain.domid); mfn >= 0; mfn = frames.nextOwned(domain.domid, mfn + 1)) {
      const pfn = m2p.get(mfn);
      if (pfn >= 0 && !byPfn.has(pfn)) byPfn.set(pfn, mfn);
    }
    this.pages = [...byPfn].map(([pfn, mfn]) => ({ pfn, mfn })).sort((a, b) => a.pfn - b.pfn);
  }

  /** Copies a page; zeros if it is the domain's no more. */
  readPage(mfn: number, into: Uint8Array, at: number): void {
    const { frames, memory } = this.hv.mmu;
    const host = frames.readAddress(mfn);
    if (frames.owner[mfn] !== this.domain.domid) into.fill(0, at, at + PAGE_BYTES);
    else into.set(memory.u8.subarray(host, host + PAGE_BYTES), at);
  }

  sharedInfo(): Uint8Array {
    const { frames, memory } = this.hv.mmu;
    const host = frames.readAddress(this.domain.sharedInfoMfn);
    return host === 0 ? new Uint8Array(PAGE_BYTES) : memory.u8.slice(host, host + PAGE_BYTES);
  }

  /** struct vcpu_guest_context of each vcpu that is up, by number. */
  contexts(): Uint8Array[] {
    return this.domain.vcpus
      .filter((vcpu) => vcpu.initialised && !vcpu.down)
      .map((vcpu) => saveVcpu(this.hv, vcpu, (mfn) => mfn).basic);
  }
}
