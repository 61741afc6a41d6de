import type { Hypercalls } from "@xen-node/hypervisor-core";
import { errnoName, GNTMAP_host_map, GNTMAP_readonly, GNTST_bad_page, GNTST_okay } from "@xen-node/xen-abi";
import type { DriverDomain, EventChannel, GrantedPage } from "@xen-node/xenbus";

/** A hypercall of Dom0 was refused: a fault of the host's own programs, or the guest has gone. */
export class Dom0Error extends Error {
  override readonly name = "Dom0Error";
}

/**
 * The privileged domain that runs in TypeScript. It reaches guests as any backend does, by hypercalls: it maps what they
 * grant and sends events. Its programs are xenstored, the console and the backends of disks and networks.
 */
export class Dom0 implements DriverDomain {
  private readonly handlers = new Map<number, () => void>();

  /**
   * @param calls the domain's hypercalls.
   * @param onSend called after an event was sent, since that may have made a guest runnable.
   */
  constructor(
    readonly calls: Hypercalls,
    private readonly onSend: () => void = () => {},
  ) {}

  /** The hypervisor's upcall: an event for `port` is pending. */
  readonly onEvent = (port: number): void => {
    this.handlers.get(port)?.();
  };

  /** Opens a port in `domid` that Dom0 may bind, as the toolstack does for a new guest's rings. */
  allocUnbound(domid: number): number {
    return check(this.calls.eventChannel.allocUnbound(domid, this.calls.domid), `opening a port in domain ${domid}`);
  }

  get domid(): number {
    return this.calls.domid;
  }

  /** As `bindInterdomain`; undefined if it is refused. */
  bindEventChannel(domid: number, remotePort: number, onEvent: () => void): EventChannel | undefined {
    const { eventChannel } = this.calls;
    const port = eventChannel.bindInterdomain(domid, remotePort);
    return port < 0 ? undefined : this.channel(port, onEvent);
  }

  /** Binds to a port that `domid` opened for Dom0. The ABI leaves the new port pending, so `onEvent` is called once at first. */
  bindInterdomain(domid: number, remotePort: number, onEvent: () => void): EventChannel {
    const doing = `binding to port ${remotePort} of domain ${domid}`;
    return this.channel(check(this.calls.eventChannel.bindInterdomain(domid, remotePort), doing), onEvent);
  }

  private channel(port: number, onEvent: () => void): EventChannel {
    const { eventChannel } = this.calls;
    this.handlers.set(port, onEvent);
    return {
      notify: () => {
        // The guest may have closed its end: then there is nobody to tell.
        eventChannel.send(port);
        this.onSend();
      },
      close: () => {
        this.handlers.delete(port);
        eventChannel.close(port);
      },
    };
  }

  mapGrant(domid: number, ref: number, readOnly = false): GrantedPage | number {
    const { grantTable, memory } = this.calls;
    const flags = readOnly ? GNTMAP_host_map | GNTMAP_readonly : GNTMAP_host_map;
    const { status, handle, mfn } = grantTable.mapGrantRef(domid, ref, flags);
    if (status !== GNTST_okay) return status;
    const bytes = memory.frameBytes(mfn);
    if (bytes === undefined) {
      grantTable.unmapGrantRef(handle);
      return GNTST_bad_page;
    }
    return {
      bytes,
      noteWritten: (offset, length) => memory.noteWritten(mfn, offset, length),
      unmap: () => void grantTable.unmapGrantRef(handle),
    };
  }

  /** Maps the frame behind a grant that the domain's builder made, writable. */
  mapRing(domid: number, ref: number): GrantedPage {
    const page = this.mapGrant(domid, ref);
    if (typeof page === "number")
      throw new Dom0Error(`mapping grant ${ref} of domain ${domid} failed with status ${page}`);
    return page;
  }

  copyFromGrant(domid: number, ref: number, offset: number, into: Uint8Array): number {
    return this.calls.grantTable.copyFromGrant(domid, ref, offset, into);
  }

  copyToGrant(domid: number, ref: number, offset: number, from: Uint8Array): number {
    return this.calls.grantTable.copyToGrant(domid, ref, offset, from);
  }
}

function check(result: number, doing: string): number {
  if (result < 0) throw new Dom0Error(`${doing} failed: ${errnoName(-result)}`);
  return result;
}
