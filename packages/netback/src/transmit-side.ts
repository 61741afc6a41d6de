import type { Packet } from "@xen-node/packets";
import type { Connection } from "./connection.ts";
import type { NetworkPort } from "./network-port.ts";
import type { DirectionStatistics } from "./statistics.ts";

export interface TransmitSideOptions {
  connection: Connection;
  port: NetworkPort;
  statistics: DirectionStatistics;
  onFault: (message: string) => void;
}

/** From the guest into the network: the queues in turn, one packet each. */
export class TransmitSide {
  private readonly options: TransmitSideOptions;
  /** A packet that found no room. It lies in the shared buffer, so the rings wait until it is sent. */
  private held: Packet | undefined;
  private next = 0;

  constructor(options: TransmitSideOptions) {
    this.options = options;
  }

  /** Inside of the guest's hypercall. */
  onEvent(): void {
    if (this.held === undefined) this.options.port.requestTransmit();
  }

  /** Takes at most `budget` packets; whether more wait. */
  transmit(budget: number): boolean {
    const { connection, port, onFault } = this.options;
    if (!connection.open || !this.sendHeld()) return false;
    const queues = connection.transmit;
    let idle = 0;
    for (let left = budget; left > 0 && idle < queues.length; ) {
      const queue = queues[this.next];
      this.next = (this.next + 1) % queues.length;
      if (queue.take()) {
        idle = 0;
        left--;
        const { packet } = queue;
        if (packet !== undefined && !port.send(packet)) {
          this.held = packet;
          break;
        }
        // What the packet set off may have ended the connection.
        if (!connection.open) return false;
      } else if (queue.fault !== undefined) {
        connection.pushTransmit();
        onFault(queue.fault);
        return false;
      } else idle++;
    }
    connection.pushTransmit();
    return this.held === undefined && idle < queues.length;
  }

  /** Whoever refused a packet has room again. */
  onSendReady(): void {
    if (this.held !== undefined) this.options.port.requestTransmit();
  }

  close(): void {
    if (this.held !== undefined) this.options.statistics.dropped++;
    this.held = undefined;
  }

  private sendHeld(): boolean {
    if (this.held === undefined) return true;
    if (!this.options.port.send(this.held)) return false;
    this.held = undefined;
    return this.options.connection.open;
  }
}
