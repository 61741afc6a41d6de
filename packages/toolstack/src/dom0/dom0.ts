import type { Hypercalls } from "@xen-node/hypervisor-core";
import { errnoName, GNTMAP_host_map, GNTST_okay } from "@xen-node/xen-abi";

/** A bound event channel of Dom0. */
export interface EventChannel {
  /** Dom0's end. */
  readonly port: number;
  /** Sends an event to the other end. */
  notify(): void;
  close(): void;
}

/** A frame that a guest granted, mapped into Dom0. */
export interface GrantedPage {
  /** The frame's 4096 bytes, live: the guest sees what is written and its writes are seen. */
  readonly bytes: Uint8Array;
  unmap(): void;
}

/** A hypercall of Dom0 was refused: a fault of the host's own programs, or the guest has gone. */
export class Dom0Error extends Error {
  override readonly name = "Dom0Error";
}

/**
 * The privileged domain that runs in TypeScript. It reaches guests as any backend does, by hypercalls: it maps what they
 * grant and sends events. Its programs are xenstored and the console.
 */
export class Dom0 {
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

  /** Binds to a port that `domid` opened for Dom0. The ABI leaves the new port pending, so `onEvent` is called once at first. */
  bindInterdomain(domid: number, remotePort: number, onEvent: () => void): EventChannel {
    const { eventChannel } = this.calls;
    const doing = `binding to port ${remotePort} of domain ${domid}`;
    const port = check(eventChannel.bindInterdomain(domid, remotePort), doing);
    this.handlers.set(port, onEvent);
    return {
      port,
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

  /** Maps the frame behind a grant reference of `domid`, writable. */
  mapGrant(domid: number, ref: number): GrantedPage {
    const { grantTable, memory } = this.calls;
    const mapping = grantTable.mapGrantRef(domid, ref, GNTMAP_host_map);
    if (mapping.status !== GNTST_okay) {
      throw new Dom0Error(`mapping grant ${ref} of domain ${domid} failed with status ${mapping.status}`);
    }
    const bytes = memory.frameBytes(mapping.mfn);
    if (bytes === undefined) throw new Dom0Error(`the frame of grant ${ref} of domain ${domid} is out of reach`);
    return { bytes, unmap: () => void grantTable.unmapGrantRef(mapping.handle) };
  }
}

function check(result: number, doing: string): number {
  if (result < 0) throw new Dom0Error(`${doing} failed: ${errnoName(-result)}`);
  return result;
}
