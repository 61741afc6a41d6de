import type { GuestDomain, OwnChannel, OwnPage } from "@xen-node/blkback";
import type { FrontendChannel, FrontendDomain } from "@xen-node/netback";
import type { DomainMemory } from "./domain-memory.ts";
import type { EventPorts } from "./event-ports.ts";
import type { Grants } from "./grants.ts";

/** The domain as the frontends of disks and networks want to see it. */
export class RuntimeDomain implements GuestDomain, FrontendDomain {
  constructor(
    readonly domid: number,
    private readonly memory: DomainMemory,
    private readonly events: EventPorts,
    private readonly grants: Grants,
  ) {}

  allocatePage(): OwnPage {
    return this.memory.allocate();
  }

  freePage({ bytes }: OwnPage): void {
    this.freeFrame(bytes);
  }

  allocateFrame(): Uint8Array {
    return this.memory.allocate().bytes;
  }

  freeFrame(bytes: Uint8Array): void {
    this.memory.free(this.memory.frameOf(bytes));
  }

  grant(domid: number, { bytes }: OwnPage, readOnly = false): number {
    return this.grants.grant(domid, this.memory.frameOf(bytes), readOnly);
  }

  grantAccess(domid: number, bytes: Uint8Array, readOnly: boolean): number {
    return this.grants.grant(domid, this.memory.frameOf(bytes), readOnly);
  }

  revoke(ref: number): boolean {
    return this.grants.revoke(ref);
  }

  endAccess(ref: number): boolean {
    return this.grants.revoke(ref);
  }

  openEventChannel(domid: number, onEvent: () => void): OwnChannel & FrontendChannel {
    return this.events.open(domid, onEvent);
  }
}
