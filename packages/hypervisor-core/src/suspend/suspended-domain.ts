import { FrameFlags, PageType } from "@xen-node/mmu";
import { SHUTDOWN_suspend } from "@xen-node/xen-abi";
import { u64Number } from "../address.ts";
import type { Domain } from "../domain.ts";
import { ContextAt } from "../guest-abi/context64.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { DomainImageError } from "./domain-image-error.ts";
import { type GuestP2m, readGuestP2m } from "./guest-p2m.ts";
import { RestoredDomain, type SavedState } from "./restored-domain.ts";
import { renumberTable } from "./saved-table.ts";
import { type SavedVcpu, saveVcpu } from "./saved-vcpu.ts";

const PAGE_BYTES = 4096;
const PINNED = 8;
const ABSENT = 15;

/** The pages of a domain that forks share, by pfn, and its page tables as an image has them. */
interface ForkPrototype {
  readonly plain: Uint32Array;
  readonly tables: { pfn: number; type: number; bytes: Uint8Array }[];
}

/** A suspended PV domain, to be read in the terms of an image: its own numbers of pages instead of machine frames. */
export class SuspendedDomain {
  private readonly p2m: GuestP2m;
  private readonly copy = new Uint8Array(PAGE_BYTES);
  private readonly words = new Uint32Array(this.copy.buffer);
  /** What all forks begin with; nothing of it changes while the domain stands still. */
  private prototype: ForkPrototype | undefined;

  /** @throws DomainImageError if it is not suspended, or its own list of frames cannot be read */
  constructor(
    private readonly hv: Hypervisor,
    private readonly domain: Domain,
  ) {
    this.check();
    // Tables that are still being let go of are no tables any more.
    while (hv.mmu.types.hasWork(domain.domid)) hv.mmu.types.continueWork(domain.domid);
    this.p2m = readGuestP2m(hv, domain);
  }

  /** How many pages it counts, absent ones too. */
  get pages(): number {
    return this.p2m.mfns.length;
  }

  /** The pages of the list that its kernel keeps of its frames. */
  get p2mPages(): readonly number[] {
    return this.p2m.listPages;
  }

  /** @throws DomainImageError if it is suspended no more: whoever saves it must stop */
  check(): void {
    const { state, shutdownReason, kind, name, abi } = this.domain;
    if (abi.wordBits !== 64)
      throw new DomainImageError("guest", `${name} is a 32-bit guest, and those cannot be saved.`);
    if (kind !== "pv") throw new DomainImageError("guest", `${name} is no PV guest, and only those can be saved.`);
    if (state !== "shutdown" || shutdownReason !== SHUTDOWN_suspend)
      throw new DomainImageError("guest", `${name} is not suspended (any more).`);
  }

  /** The machine frame of a page; 0 = none. */
  frameOf(pfn: number): number {
    return this.p2m.mfns[pfn] ?? 0;
  }

  /** What a page is, as XEN_DOMCTL_PFINFO has it: 0, or the level of a page table, plus 8 if pinned; 15 for none. */
  pageType(pfn: number): number {
    const mfn = this.p2m.mfns[pfn] ?? 0;
    if (mfn === 0) return ABSENT;
    const { type, flags } = this.hv.mmu.frames;
    if (type[mfn] < PageType.l1 || type[mfn] > PageType.l4) return 0;
    return type[mfn] | ((flags[mfn] & FrameFlags.pinned) === 0 ? 0 : PINNED);
  }

  /**
   * Gives a new, empty domain what this one has; plain pages are not copied, but shared until one of both writes them.
   * What is left to do is `finish` of the answer.
   * @throws DomainImageError: this domain cannot be saved, or the machine has no frames left
   */
  forkInto(child: Domain): { pages: RestoredDomain; state: SavedState } {
    this.check();
    const { hv } = this;
    this.prototype ??= this.readPrototype();
    const pages = new RestoredDomain(hv, child, this.pages);
    // No store goes past the frames that are lent now.
    hv.mmu.tlb.flushDomainTranslations(this.domain.domid);
    pages.sharePages(this.prototype.plain, this.p2m.mfns);
    for (const { pfn, type, bytes } of this.prototype.tables) pages.addPage(pfn, type, bytes);
    return { pages, state: { sharedInfo: this.sharedInfo(), vcpus: this.vcpus(), p2mPages: this.p2mPages } };
  }

  private readPrototype(): ForkPrototype {
    const plain = new Uint32Array(this.pages);
    const tables: ForkPrototype["tables"] = [];
    let count = 0;
    for (let pfn = 0; pfn < this.pages; pfn++) {
      const type = this.pageType(pfn);
      if (type === 0) plain[count++] = pfn;
      if (type === 0 || type === ABSENT) continue;
      const bytes = new Uint8Array(PAGE_BYTES);
      this.readPage(pfn, bytes, 0);
      tables.push({ pfn, type, bytes });
    }
    return { plain: plain.subarray(0, count), tables };
  }

  /**
   * Copies a page that is not absent.
   * @throws DomainImageError if it is a page table with an entry for something that is not the guest's own
   */
  readPage(pfn: number, into: Uint8Array, at: number): void {
    const mfn = this.p2m.mfns[pfn];
    const { frames, memory } = this.hv.mmu;
    const host = frames.readAddress(mfn);
    const type = this.pageType(pfn) & 7;
    if (type === 0) {
      into.set(memory.u8.subarray(host, host + PAGE_BYTES), at);
      return;
    }
    if ((frames.flags[mfn] & FrameFlags.partial) !== 0)
      throw new DomainImageError("guest", `the guest's page table in page ${pfn} is half validated.`);
    this.copy.set(memory.u8.subarray(host, host + PAGE_BYTES));
    const wrong = renumberTable(this.words, type, (number) => this.find(number));
    if (wrong >= 0)
      throw new DomainImageError(
        "guest",
        `entry ${wrong} of the guest's page table in page ${pfn} maps a frame that is not the guest's own.`,
      );
    into.set(this.copy, at);
  }

  sharedInfo(): Uint8Array {
    const { frames, memory } = this.hv.mmu;
    const host = frames.readAddress(this.domain.sharedInfoMfn);
    return memory.u8.slice(host, host + PAGE_BYTES);
  }

  /** The vcpus that are up, by number. @throws DomainImageError */
  vcpus(): Map<number, SavedVcpu> {
    const pfnOf = (mfn: number): number => {
      const pfn = this.find(mfn);
      if (pfn < 0)
        throw new DomainImageError("guest", `a vcpu uses frame 0x${mfn.toString(16)}, which the guest does not name.`);
      return pfn;
    };
    const vcpus = new Map<number, SavedVcpu>();
    for (const vcpu of this.domain.vcpus)
      if (vcpu.initialised && !vcpu.down) vcpus.set(vcpu.id, saveVcpu(this.hv, vcpu, pfnOf));
    const first = vcpus.get(0);
    if (first !== undefined) {
      // The frame of start_info, third argument of the hypercall by which the guest suspended itself.
      const context = new DataView(first.basic.buffer);
      const mfn = u64Number(context.getUint32(ContextAt.rdx, true), context.getUint32(ContextAt.rdx + 4, true));
      context.setUint32(ContextAt.rdx, pfnOf(mfn), true);
      context.setUint32(ContextAt.rdx + 4, 0, true);
    }
    return vcpus;
  }

  /** The page that a frame is; -1 if it is none of the guest's. */
  find(mfn: number): number {
    const pfn = this.hv.mmu.m2p.get(mfn);
    return pfn >= 0 && pfn < this.p2m.mfns.length && this.p2m.mfns[pfn] === mfn ? pfn : -1;
  }
}
