import type { GuestDomain, OwnChannel, OwnPage } from "@xen-node/blkback";
import type { FrontendChannel, FrontendDomain } from "@xen-node/netback";
import type { DriverDomain, EventChannel, GrantedPage } from "@xen-node/xenbus";
import type { DomainMemory } from "./domain-memory.ts";
import type { EventPorts } from "./event-ports.ts";
import type { Grants } from "./grants.ts";

/** The domain as the frontends and backends of disks and networks want to see it. */
export class RuntimeDomain implements GuestDomain, FrontendDomain, DriverDomain {
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

  mapGrant(domid: number, ref: number, readOnly = false): GrantedPage | number {
    return this.grants.tryMap(domid, ref, readOnly);
  }

  copyFromGrant(domid: number, ref: number, offset: number, into: Uint8Array): number {
    return this.grants.copyFrom(domid, ref, offset, into);
  }

  copyToGrant(domid: number, ref: number, offset: number, from: Uint8Array): number {
    return this.grants.copyTo(domid, ref, offset, from);
  }

  bindEventChannel(domid: number, port: number, onEvent: () => void): EventChannel | undefined {
    return this.events.tryBind(domid, port, onEvent);
  }
}
