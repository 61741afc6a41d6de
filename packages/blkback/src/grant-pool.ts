import type { GuestDomain, OwnPage } from "./guest-domain.ts";

export interface GrantedPage {
  readonly page: OwnPage;
  readonly ref: number;
}

/** A frontend's pages for data. With persistent grants they keep their references; else each use has its own. */
export class GrantPool {
  private readonly domain: GuestDomain;
  private readonly backendId: number;
  private readonly persistent: boolean;
  private readonly free: GrantedPage[] = [];
  /** Pages whose grant couldn't be ended while the backend had them mapped. */
  private stuck: GrantedPage[] = [];
  private closed = false;

  constructor(domain: GuestDomain, backendId: number, persistent: boolean) {
    this.domain = domain;
    this.backendId = backendId;
    this.persistent = persistent;
  }

  /** `readOnly`: the backend only reads it. Persistent pages are used for both. */
  get(readOnly: boolean): GrantedPage {
    const found = this.free.pop();
    if (found !== undefined) return found;
    const page = this.domain.allocatePage();
    return { page, ref: this.domain.grant(this.backendId, page, readOnly && !this.persistent) };
  }

  put(granted: GrantedPage): void {
    if (this.persistent && !this.closed) this.free.push(granted);
    else this.end(granted);
  }

  /** To be called when the backend has let go. */
  close(): void {
    this.closed = true;
    const left = [...this.free.splice(0), ...this.stuck];
    this.stuck = [];
    for (const granted of left) this.end(granted);
  }

  private end(granted: GrantedPage): void {
    if (this.domain.revoke(granted.ref)) this.domain.freePage(granted.page);
    else this.stuck.push(granted);
  }
}
