import type { DriverDomain, GrantedPage } from "@xen-node/xenbus";

/** A guest's page, mapped for a request; by more than one if it is kept. */
export interface HeldPage {
  readonly granted: GrantedPage;
  /** It stays mapped after the request. */
  readonly kept: boolean;
  users: number;
  lastUseMs: number;
}

export interface GuestPagesOptions {
  domain: DriverDomain;
  /** The guest. */
  domid: number;
  /** Whether both sides agreed on persistent grants ("feature-persistent"). */
  persistent: boolean;
  /** Most pages that stay mapped; further ones are mapped for one request. */
  maxKept: number;
  nowMs: () => number;
}

/** When room is needed, this part of the limit is unmapped at once, so that it isn't looked for at each request. */
const EVICTED_PART = 20;

/** The pages of one queue. With persistent grants a page stays mapped, read-write, until it was long unused. */
export class GuestPages {
  private readonly options: GuestPagesOptions;
  private readonly kept = new Map<number, HeldPage>();
  /** Kept pages that no request uses. */
  private idle = 0;

  constructor(options: GuestPagesOptions) {
    this.options = options;
  }

  get persistent(): boolean {
    return this.options.persistent;
  }

  get keptCount(): number {
    return this.kept.size;
  }

  /** Maps a page for one request; undefined, if the guest's grant doesn't allow it. */
  hold(ref: number, readOnly: boolean): HeldPage | undefined {
    const { domain, domid, persistent } = this.options;
    if (persistent) {
      const found = this.kept.get(ref);
      if (found !== undefined) {
        if (found.users++ === 0) this.idle--;
        return found;
      }
    }
    const granted = domain.mapGrant(domid, ref, readOnly && !persistent);
    if (typeof granted === "number") return undefined;
    const kept = persistent && this.makeRoom();
    const page: HeldPage = { granted, kept, users: 1, lastUseMs: 0 };
    if (kept) this.kept.set(ref, page);
    return page;
  }

  release(page: HeldPage): void {
    if (!page.kept) {
      page.granted.unmap();
      return;
    }
    page.lastUseMs = this.options.nowMs();
    if (--page.users === 0) this.idle++;
  }

  /**
   * Copies the beginning of a page; false, if the guest's grant doesn't allow it. A frontend with persistent grants reuses
   * its pages of indirect segments as it does others, so such a page is kept too.
   */
  copy(ref: number, into: Uint8Array): boolean {
    const { domain, domid, persistent } = this.options;
    if (!persistent) return domain.copyFromGrant(domid, ref, 0, into) === 0;
    const page = this.hold(ref, true);
    if (page === undefined) return false;
    into.set(page.granted.bytes.subarray(0, into.length));
    this.release(page);
    return true;
  }

  /** Unmaps the pages that nothing has used since then. */
  dropUnusedSince(timeMs: number): void {
    for (const [ref, page] of this.kept) if (page.users === 0 && page.lastUseMs <= timeMs) this.drop(ref, page);
  }

  /** Unmaps everything; no request may be under way. */
  close(): void {
    for (const [ref, page] of this.kept) this.drop(ref, page);
  }

  private makeRoom(): boolean {
    const { maxKept } = this.options;
    if (this.kept.size < maxKept) return true;
    if (this.idle === 0 || maxKept === 0) return false;
    const idle = [...this.kept].filter(([, page]) => page.users === 0);
    idle.sort(([, a], [, b]) => a.lastUseMs - b.lastUseMs);
    for (const [ref, page] of idle.slice(0, Math.ceil(maxKept / EVICTED_PART))) this.drop(ref, page);
    return true;
  }

  private drop(ref: number, page: HeldPage): void {
    this.kept.delete(ref);
    if (page.users === 0) this.idle--;
    page.granted.unmap();
  }
}
