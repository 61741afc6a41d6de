import { BackRing, netifRxRing, netifTxRing } from "@xen-node/io-rings";
import { type DriverDomain, type EventChannel, type GrantedPage, XenbusError } from "@xen-node/xenbus";
import type { FrontendFeatures, QueueNodes } from "./frontend-nodes.ts";
import { QueueChannel } from "./queue-channel.ts";
import { ReceiveQueue } from "./receive-queue.ts";
import type { VifStatistics } from "./statistics.ts";
import { TransmitQueue } from "./transmit-queue.ts";

/** Offset of the shared index up to which an earlier backend has answered (xen/include/public/io/ring.h). */
const RSP_PROD_BYTES = 8;

export interface ConnectionOptions {
  domain: DriverDomain;
  frontendId: number;
  features: FrontendFeatures;
  queues: readonly QueueNodes[];
  statistics: VifStatistics;
  /** Where packets from the guest are gathered. */
  buffer: Uint8Array;
  /** Called inside of the frontend's hypercall. */
  onTransmitEvent: () => void;
  /** Called inside of the frontend's hypercall. */
  onReceiveEvent: () => void;
  onMulticast: (add: boolean, address: Uint8Array) => boolean;
}

/** Everything that is held of one frontend while it is connected: its rings, mapped, and its event channels, bound. */
export class Connection {
  readonly features: FrontendFeatures;
  readonly transmit: TransmitQueue[] = [];
  readonly receive: ReceiveQueue[] = [];
  private readonly options: ConnectionOptions;
  private readonly pages: GrantedPage[] = [];
  private readonly channels: EventChannel[] = [];
  private isOpen = true;

  /** @throws XenbusError if a ring can't be mapped or a port not be bound; then nothing is held. */
  constructor(options: ConnectionOptions) {
    this.options = options;
    this.features = options.features;
    try {
      for (const nodes of options.queues) this.connectQueue(nodes);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get open(): boolean {
    return this.isOpen;
  }

  /** Lets go of all rings and ports. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    for (const channel of this.channels) channel.close();
    for (const page of this.pages) page.unmap();
  }

  /** Shows the guest what has been answered on its transmit rings. */
  pushTransmit(): void {
    for (const queue of this.transmit) queue.push();
  }

  private connectQueue(nodes: QueueNodes): void {
    const { domain, frontendId, statistics, buffer, onTransmitEvent, onReceiveEvent, onMulticast } = this.options;
    const txPage = this.map(nodes.txRef);
    const rxPage = this.map(nodes.rxRef);
    const txRing = attach(txPage, netifTxRing, "transmit");
    const rxRing = attach(rxPage, netifRxRing, "receive");
    let txChannel: EventChannel;
    let rxChannel: EventChannel;
    if (nodes.txPort === nodes.rxPort) {
      txChannel = this.bind(nodes.txPort, () => {
        onTransmitEvent();
        onReceiveEvent();
      });
      rxChannel = txChannel;
    } else {
      txChannel = this.bind(nodes.txPort, onTransmitEvent);
      rxChannel = this.bind(nodes.rxPort, onReceiveEvent);
    }
    this.transmit.push(
      new TransmitQueue({
        channel: new QueueChannel(txRing, txPage, txChannel),
        domain,
        frontendId,
        buffer,
        statistics: statistics.transmit,
        onMulticast,
      }),
    );
    this.receive.push(
      new ReceiveQueue({
        channel: new QueueChannel(rxRing, rxPage, rxChannel),
        domain,
        frontendId,
        statistics: statistics.receive,
      }),
    );
  }

  private map(ref: number): GrantedPage {
    const page = this.options.domain.mapGrant(this.options.frontendId, ref);
    if (typeof page === "number") throw new XenbusError(`can't map the ring of grant ${ref}: status ${page}`);
    this.pages.push(page);
    return page;
  }

  private bind(port: number, onEvent: () => void): EventChannel {
    const channel = this.options.domain.bindEventChannel(this.options.frontendId, port, () => {
      if (this.isOpen) onEvent();
    });
    if (channel === undefined) throw new XenbusError(`can't bind to event channel ${port}`);
    this.channels.push(channel);
    return channel;
  }
}

/** Goes on where an earlier backend left the ring, as Linux's netback does. */
function attach(page: GrantedPage, shape: typeof netifTxRing, name: string): BackRing {
  const { bytes } = page;
  const answered = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(RSP_PROD_BYTES, true);
  const ring = new BackRing([bytes], shape, answered);
  if (ring.pending() < 0) throw new XenbusError(`impossible index of the ${name} ring`);
  return ring;
}
