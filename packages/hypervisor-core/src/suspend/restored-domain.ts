import {
  ERESTART,
  errnoName,
  GNTTAB_RESERVED_CONSOLE,
  GNTTAB_RESERVED_XENSTORE,
  GTF_permit_access,
} from "@xen-node/xen-abi";
import type { Domain } from "../domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { DomainImageError } from "./domain-image-error.ts";
import { restoreSharedInfo, restoreStartInfo } from "./restored-info.ts";
import { restoreVcpu, startInfoPage } from "./restored-vcpu.ts";
import { renumberTable } from "./saved-table.ts";
import type { SavedVcpu } from "./saved-vcpu.ts";

const ENTRIES = 512;
const PINNED = 8;
const BROKEN = 13;
const ABSENT = 15;
/** Linux marks entries of its list that are no frames of its memory by the two top bits (foreign, identity). */
const MARKS = 0xc0000000;

/** What is saved beside the pages. */
export interface SavedState {
  sharedInfo: Uint8Array;
  vcpus: ReadonlyMap<number, SavedVcpu>;
  /** Pages of the list that the guest's kernel keeps of its frames. */
  p2mPages: readonly number[];
}

/** The ports that the toolstack opened for the domain, and who serves them. */
export interface RestoredChannels {
  storeEvtchn: number;
  consoleEvtchn: number;
  /** Default: 0. */
  storeDomid?: number;
  consoleDomid?: number;
}

/**
 * Fills a new, empty PV domain with a saved one: pages first, in any order, then `finish`. When it throws, the domain is
 * good for nothing but being destroyed.
 */
export class RestoredDomain {
  /** Machine frame of each pfn; 0 = none. */
  private readonly p2m: Uint32Array;
  private readonly types: Uint8Array;

  /** @param pages how many the guest counts, absent ones too */
  constructor(
    private readonly hv: Hypervisor,
    private readonly domain: Domain,
    pages: number,
  ) {
    this.p2m = new Uint32Array(pages);
    this.types = new Uint8Array(pages).fill(ABSENT);
  }

  /**
   * Puts a page in its place, instead of what was there.
   * @param type as `SuspendedDomain.pageType`; 14: a page without contents
   * @throws DomainImageError: the image counts less pages, or the domain may have no more
   */
  addPage(pfn: number, type: number, bytes: Uint8Array | undefined): void {
    if (!(pfn < this.p2m.length))
      throw new DomainImageError("image", `the image holds page ${pfn}, but counts only ${this.p2m.length}.`);
    if (type === ABSENT) {
      this.dropPage(pfn);
      return;
    }
    if (type === BROKEN) throw new DomainImageError("image", `page ${pfn} was broken when the guest was saved.`);
    const { frames, memory } = this.hv.mmu;
    const mfn = this.p2m[pfn] || this.allocate(pfn);
    this.types[pfn] = type;
    // An untouched page that stays zero takes no memory.
    if (bytes !== undefined && !this.hasPage(pfn, bytes)) memory.u8.set(bytes, frames.hostAddress(mfn));
  }

  /**
   * Puts plain pages in their places that have the bytes of another domain's frames: each shares their place until one of both is
   * written, if nobody holds a pointer to that frame. There are no translations to those for writing.
   * @param pfns none of them was put before
   * @param sources the other domain's frames, by pfn
   * @throws DomainImageError as `addPage`
   */
  sharePages(pfns: Uint32Array, sources: Uint32Array): void {
    const { domain, p2m, types } = this;
    const { domid } = domain;
    const { frames, m2p } = this.hv.mmu;
    const room = domain.maxPages - domain.totalPages;
    for (let i = 0; i < pfns.length; i++) {
      const pfn = pfns[i];
      const mfn = i < room ? frames.allocSharing(domid, sources[pfn]) : -1;
      if (mfn < 0) throw this.noFrame();
      domain.totalPages++;
      m2p.set(mfn, pfn);
      p2m[pfn] = mfn;
      types[pfn] = 0;
    }
  }

  /** Whether a page that was added holds these bytes. A page table does until `finish`. */
  hasPage(pfn: number, bytes: Uint8Array): boolean {
    const mfn = this.frameOf(pfn);
    if (mfn === 0) return false;
    const { frames, memory } = this.hv.mmu;
    const host = frames.readAddress(mfn);
    return Buffer.compare(memory.u8.subarray(host, host + bytes.length), bytes) === 0;
  }

  /** The guest has given up a page that it had. */
  private dropPage(pfn: number): void {
    const mfn = this.p2m[pfn];
    if (mfn === 0) return;
    this.p2m[pfn] = 0;
    this.types[pfn] = ABSENT;
    this.domain.totalPages--;
    this.hv.mmu.frames.free(mfn);
  }

  private allocate(pfn: number): number {
    const { domain } = this;
    const { frames, m2p } = this.hv.mmu;
    const mfn = domain.totalPages < domain.maxPages ? frames.alloc(domain.domid) : -1;
    if (mfn < 0) throw this.noFrame();
    domain.totalPages++;
    m2p.set(mfn, pfn);
    this.p2m[pfn] = mfn;
    return mfn;
  }

  private noFrame(): DomainImageError {
    return new DomainImageError(
      "machine",
      `the saved guest has more than the ${this.domain.totalPages} pages that there are for it.`,
    );
  }

  /**
   * Makes what the pages hold fit their new frames: page tables, the list of frames, start_info; pins, grants, vcpus.
   * The domain can be unpaused then.
   * @throws DomainImageError
   */
  finish(state: SavedState, channels: RestoredChannels): { storeMfn: number; consoleMfn: number } {
    const { hv, domain } = this;
    const first = state.vcpus.get(0);
    if (first === undefined) throw new DomainImageError("image", "the image has no vcpu 0.");
    this.localiseTables();
    this.writeList(state.p2mPages);
    const frameOf = (pfn: number): number => this.frameOf(pfn);
    const startInfo = this.plainFrame(startInfoPage(first), "start_info");
    const rings = restoreStartInfo(hv, domain, startInfo, { pages: this.p2m.length, ...channels }, (pfn, what) =>
      this.plainFrame(pfn, what),
    );
    restoreSharedInfo(hv, domain, state.sharedInfo);
    this.pinTables();
    this.grant(GNTTAB_RESERVED_CONSOLE, channels.consoleDomid ?? 0, rings.consoleMfn);
    this.grant(GNTTAB_RESERVED_XENSTORE, channels.storeDomid ?? 0, rings.storeMfn);
    for (const [id, saved] of state.vcpus) {
      const vcpu = domain.vcpus[id];
      if (vcpu === undefined)
        throw new DomainImageError("image", `the image has a vcpu ${id}, but the domain has ${domain.vcpus.length}.`);
      restoreVcpu(hv, vcpu, saved, frameOf);
    }
    return rings;
  }

  /** The frame of a page, 0 if it has none. */
  private frameOf(pfn: number): number {
    return pfn >= 0 && pfn < this.p2m.length ? this.p2m[pfn] : 0;
  }

  /** The frame of a page that is no page table: the toolstack writes there. */
  private plainFrame(pfn: number, what: string): number {
    const mfn = this.frameOf(pfn);
    if (mfn === 0 || this.levelOf(pfn) !== 0)
      throw new DomainImageError("image", `the image has no page for ${what}, which should be page ${pfn}.`);
    return mfn;
  }

  private localiseTables(): void {
    const { frames, memory } = this.hv.mmu;
    for (let pfn = 0; pfn < this.types.length; pfn++) {
      const level = this.levelOf(pfn);
      if (level === 0) continue;
      const word = frames.hostAddress(this.p2m[pfn]) >>> 2;
      const wrong = renumberTable(
        memory.u32.subarray(word, word + 2 * ENTRIES),
        level,
        (number) => this.frameOf(number) || -1,
      );
      if (wrong >= 0)
        throw new DomainImageError(
          "image",
          `entry ${wrong} of the page table in page ${pfn} names a page that the image has not.`,
        );
    }
  }

  /** Of a page table, else 0. */
  private levelOf(pfn: number): number {
    const type = this.types[pfn];
    return type < BROKEN ? type & 7 : 0;
  }

  /** The guest's own list names its new frames. What it keeps there about pages without a frame stays. */
  private writeList(listPages: readonly number[]): void {
    const { p2m } = this;
    const { frames, memory } = this.hv.mmu;
    if (listPages.length !== Math.ceil(p2m.length / ENTRIES))
      throw new DomainImageError(
        "image",
        `the image's list of frames has ${listPages.length} pages, which do not fit its ${p2m.length} entries.`,
      );
    for (const [page, listPfn] of listPages.entries()) {
      const word = frames.hostAddress(this.plainFrame(listPfn, "the list of frames")) >>> 2;
      const words = memory.u32.subarray(word, word + 2 * ENTRIES);
      for (let entry = 0; entry < ENTRIES && page * ENTRIES + entry < p2m.length; entry++) {
        const mfn = p2m[page * ENTRIES + entry];
        if (mfn !== 0) {
          words[2 * entry] = mfn;
          words[2 * entry + 1] = 0;
        } else if ((words[2 * entry + 1] & MARKS) === 0) {
          words[2 * entry] = 0xffffffff;
          words[2 * entry + 1] = 0xffffffff;
        }
      }
    }
  }

  private pinTables(): void {
    const { types } = this.hv.mmu;
    const { domid } = this.domain;
    for (let pfn = 0; pfn < this.types.length; pfn++) {
      const level = this.levelOf(pfn);
      if (level === 0 || (this.types[pfn] & PINNED) === 0) continue;
      let result = types.pin(this.p2m[pfn], level, domid);
      while (result === -ERESTART) result = types.pin(this.p2m[pfn], level, domid);
      if (result !== 0)
        throw new DomainImageError(
          "image",
          `the hypervisor refused the page table in page ${pfn} (${errnoName(-result)}).`,
        );
    }
  }

  private grant(ref: number, grantee: number, mfn: number): void {
    if (!this.hv.grants.writeEntry(this.domain.domid, ref, GTF_permit_access, grantee, mfn))
      throw new DomainImageError("machine", `the domain's grant table has no entry ${ref}.`);
  }
}
