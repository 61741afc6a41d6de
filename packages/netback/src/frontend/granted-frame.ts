import type { FrontendDomain } from "./frontend-domain.ts";

/** A frame that is granted to the backend as long as it lives. */
export class GrantedFrame {
  readonly bytes: Uint8Array;
  readonly ref: number;
  private readonly domain: FrontendDomain;

  constructor(domain: FrontendDomain, backendId: number, readOnly: boolean) {
    this.domain = domain;
    this.bytes = domain.allocateFrame();
    this.ref = domain.grantAccess(backendId, this.bytes, readOnly);
  }

  /** A frame that the backend still has mapped is lost, not reused. */
  release(): void {
    if (this.domain.endAccess(this.ref)) this.domain.freeFrame(this.bytes);
  }
}
