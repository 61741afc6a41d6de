import type { EventChannelCalls } from "@xen-node/hypervisor-core";
import { DOMID_SELF, errnoName } from "@xen-node/xen-abi";

/** A port of the domain's. */
export interface EventPort {
  readonly port: number;
  /** Sends an event to the other end; nothing happens if there is none. */
  notify(): void;
  close(): void;
}

/** Event channels. Handlers run between the turns of the machine, never inside a hypercall. */
export class EventPorts {
  private readonly handlers = new Map<number, () => void>();

  constructor(private readonly calls: EventChannelCalls) {}

  /** Opens a port that `domid` may bind to. @throws RangeError when refused */
  open(domid: number, onEvent: () => void): EventPort {
    return this.add(this.calls.allocUnbound(DOMID_SELF, domid), onEvent);
  }

  /** Binds to a port that `domid` opened for this domain. The first event comes at once. @throws RangeError when refused */
  bind(domid: number, remotePort: number, onEvent: () => void): EventPort {
    return this.add(this.calls.bindInterdomain(domid, remotePort), onEvent);
  }

  /** As `bind`; undefined when refused. */
  tryBind(domid: number, remotePort: number, onEvent: () => void): EventPort | undefined {
    const port = this.calls.bindInterdomain(domid, remotePort);
    return port < 0 ? undefined : this.add(port, onEvent);
  }

  /** Takes a port that exists, such as the console's. */
  adopt(port: number, onEvent: () => void): EventPort {
    return this.add(port, onEvent);
  }

  /** The machine's upcall. */
  deliver(port: number): void {
    this.handlers.get(port)?.();
  }

  /** No handler is called any more. */
  end(): void {
    this.handlers.clear();
  }

  private add(port: number, onEvent: () => void): EventPort {
    if (port < 0) throw new RangeError(`no event channel: ${errnoName(-port)}`);
    this.handlers.set(port, onEvent);
    return {
      port,
      notify: () => void this.calls.send(port),
      close: () => {
        if (this.handlers.delete(port)) this.calls.close(port);
      },
    };
  }
}
