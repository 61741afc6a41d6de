import { FrameFlags } from "@xen-node/mmu";
import { EINVAL, ENOMEM } from "@xen-node/xen-abi";
import type { Domain } from "../domain.ts";
import { targetDomain } from "../foreign-domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { MemoryCalls } from "./interface.ts";

/** Memory operations of one domain. */
export class DomainMemory implements MemoryCalls {
  constructor(
    private readonly hv: Hypervisor,
    private readonly domain: Domain,
  ) {}

  maximumRamPage(): number {
    return this.hv.mmu.frames.endMfn - 1;
  }

  currentReservation(domid: number): number {
    const target = targetDomain(this.hv, this.domain, domid);
    return typeof target === "number" ? target : target.totalPages;
  }

  maximumReservation(domid: number): number {
    const target = targetDomain(this.hv, this.domain, domid);
    return typeof target === "number" ? target : target.maxPages;
  }

  /** Highest guest frame number, as the guest's own shared_info says. */
  maximumGpfn(domid: number): number {
    const target = targetDomain(this.hv, this.domain, domid);
    if (typeof target === "number") return target;
    if (target.sharedInfoMfn === 0) return target.maxPages - 1;
    const { abi } = target;
    const at = this.hv.mmu.frames.hostAddress(target.sharedInfoMfn) + abi.sharedInfo.maxPfn;
    return abi.words.read(this.hv.mmu.memory.u32, at);
  }

  increaseReservation(): number {
    return this.allocate(this.domain);
  }

  decreaseReservation(mfn: number): number {
    return this.release(this.domain, mfn);
  }

  /** One zero-filled frame for a domain within its limit: mfn or -ENOMEM. */
  allocate(domain: Domain): number {
    if (domain.totalPages >= domain.maxPages || domain.state !== "running") return -ENOMEM;
    const mfn = this.hv.mmu.frames.alloc(domain.domid);
    if (mfn < 0) return -ENOMEM;
    domain.totalPages++;
    return mfn;
  }

  /** Takes a frame back from its domain; it is free once nobody refers to it. 0 or -EINVAL. */
  release(domain: Domain, mfn: number): number {
    const { lingeringFrames } = domain;
    if (lingeringFrames.has(mfn)) return -EINVAL;
    // Before the release: if that is the last reference, the frame is counted off at once.
    lingeringFrames.add(mfn);
    const rc = this.hv.mmu.types.releaseFrame(mfn, domain.domid);
    if (rc !== 0) lingeringFrames.delete(mfn);
    return rc;
  }

  frameBytes(mfn: number): Uint8Array | undefined {
    const { frames, memory } = this.hv.mmu;
    if (this.domain.kind !== "typescript" || !frames.exists(mfn)) return undefined;
    const mine = frames.owner[mfn] === this.domain.domid && (frames.flags[mfn] & FrameFlags.allocated) !== 0;
    if (!mine && !this.domain.mappedFrames.has(mfn)) return undefined;
    // The program keeps the view: its frame stays where it is. A mapped one does anyhow.
    if (mine) frames.flags[mfn] |= FrameFlags.unlendable;
    const host = frames.hostAddress(mfn);
    return memory.u8.subarray(host, host + 4096);
  }

  noteWritten(mfn: number, offset: number, length: number): void {
    if (this.domain.kind !== "typescript" || !(offset >= 0 && length >= 0 && offset + length <= 4096)) return;
    this.hv.mmu.noteHostWrite(mfn, offset, length);
  }
}
