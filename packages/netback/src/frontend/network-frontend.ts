import { FrameReader, type Packet } from "@xen-node/packets";
import {
  XEN_NETIF_EXTRA_TYPE_MCAST_ADD,
  XEN_NETIF_EXTRA_TYPE_MCAST_DEL,
  XenbusStateClosed,
  XenbusStateClosing,
  XenbusStateConnected,
  XenbusStateInitialising,
  XenbusStateInitWait,
} from "@xen-node/xen-abi";
import { readNumber, readPeerState, type StoreClient } from "@xen-node/xenbus";
import { flowHash } from "../flow-hash.ts";
import { FrontReceive } from "./front-receive.ts";
import { FrontTransmit } from "./front-transmit.ts";
import type { FrontendChannel, FrontendDomain } from "./frontend-domain.ts";

/** What the frontend tells the backend that it can receive. */
export interface NetworkFrontendFeatures {
  sg?: boolean;
  gsoTcpv4?: boolean;
  gsoTcpv6?: boolean;
  /** False: checksums over IPv4 are to be complete (feature-no-csum-offload). */
  checksum4?: boolean;
  checksum6?: boolean;
}

export interface NetworkFrontendOptions {
  store: StoreClient;
  domain: FrontendDomain;
  /** The frontend's node, such as /local/domain/1/device/vif/0, with `backend` and `backend-id` written. */
  path: string;
  /** By default it can everything. */
  features?: NetworkFrontendFeatures;
  /** Pairs of rings, if the backend offers that many. */
  queues?: number;
  /** One event channel for both rings of a queue, as old frontends have it. */
  sharedChannel?: boolean;
  /** Asks for only those multicast frames whose addresses were added. */
  multicastControl?: boolean;
  /** A packet has come; what is kept of it is to be copied. */
  onPacket: (packet: Packet) => void;
  /** The transmit ring has room again after `send` returned false. */
  onSendReady?: () => void;
  onConnected?: () => void;
  onClosed?: () => void;
  /** Runs a task soon, outside of any hypercall; by default in a microtask. */
  defer?: (task: () => void) => void;
}

interface Queue {
  transmit: FrontTransmit;
  receive: FrontReceive;
  txChannel: FrontendChannel;
  rxChannel: FrontendChannel;
}

/** A network frontend, for guests written in TypeScript and for tests: handshake, rings and packets. */
export class NetworkFrontend {
  private readonly options: NetworkFrontendOptions;
  private readonly backendPath: string;
  private readonly backendId: number;
  private readonly watch: { close(): void };
  private readonly defer: (task: () => void) => void;
  private readonly reader = new FrameReader();
  private queues: Queue[] = [];
  private state: number = XenbusStateInitialising;
  private pollWaits = false;
  private refused = false;

  constructor(options: NetworkFrontendOptions) {
    const { store, path } = options;
    const backendPath = store.read(`${path}/backend`);
    const backendId = readNumber(store, `${path}/backend-id`);
    if (backendPath === undefined || backendId === undefined)
      throw new RangeError(`${path} lacks the nodes backend and backend-id`);
    this.options = options;
    this.backendPath = backendPath;
    this.backendId = backendId;
    this.defer = options.defer ?? queueMicrotask;
    this.switchTo(XenbusStateInitialising);
    this.watch = store.watch(`${backendPath}/state`, () => this.onBackend());
  }

  get connected(): boolean {
    return this.state === XenbusStateConnected;
  }

  /** Slots that the backend answered with an error, or filled with nonsense. */
  get errors(): number {
    return this.queues.reduce((sum, { transmit, receive }) => sum + transmit.errors + receive.errors, 0);
  }

  /** Sends a packet; its bytes are read before the call returns. False: there is no room, or no connection. */
  send(packet: Packet): boolean {
    if (!this.connected) return false;
    const { queues } = this;
    const queue = queues[queues.length === 1 ? 0 : flowHash(this.reader.read(packet.bytes)) % queues.length];
    if (!queue.transmit.put(packet)) {
      this.refused = true;
      return false;
    }
    if (queue.transmit.push()) queue.txChannel.notify();
    return true;
  }

  /** Adds an address to the multicast frames that are wanted, or removes it. False: there is no room. */
  wantMulticast(address: Uint8Array, wanted: boolean): boolean {
    const queue = this.queues[0];
    const type = wanted ? XEN_NETIF_EXTRA_TYPE_MCAST_ADD : XEN_NETIF_EXTRA_TYPE_MCAST_DEL;
    if (!this.connected || !queue.transmit.putMulticast(type, address)) return false;
    if (queue.transmit.push()) queue.txChannel.notify();
    return true;
  }

  /** Begins to close; `onClosed` is called when the backend has let go. */
  close(): void {
    if (this.state === XenbusStateInitialising) this.finish();
    else if (this.state === XenbusStateConnected) this.switchTo(XenbusStateClosing);
  }

  private switchTo(state: number): void {
    const { store, path } = this.options;
    this.state = state;
    // A device that was taken away has no nodes any more, and they are not the frontend's to make.
    if (store.exists(path)) store.write(`${path}/state`, String(state));
  }

  private onBackend(): void {
    switch (readPeerState(this.options.store, this.backendPath)) {
      case XenbusStateInitWait:
        if (this.state === XenbusStateInitialising) this.connect();
        break;
      case XenbusStateClosing:
        if (this.state !== XenbusStateClosed) this.switchTo(XenbusStateClosed);
        break;
      case XenbusStateClosed:
      case undefined:
        if (this.state !== XenbusStateInitialising) this.finish();
        break;
    }
  }

  private connect(): void {
    const { store, path, queues = 1, multicastControl = false, features = {} } = this.options;
    const most = readNumber(store, `${this.backendPath}/multi-queue-max-queues`) ?? 1;
    const count = Math.min(queues, most);
    for (let i = 0; i < count; i++) this.queues.push(this.makeQueue());
    const bit = (value = true): string => (value ? "1" : "0");
    store.transaction((tree) => {
      const write = (name: string, value: string | number) => tree.write(`${path}/${name}`, String(value));
      write("multi-queue-num-queues", count);
      for (const [index, queue] of this.queues.entries()) {
        const home = count === 1 ? "" : `queue-${index}/`;
        write(`${home}tx-ring-ref`, queue.transmit.ringFrame.ref);
        write(`${home}rx-ring-ref`, queue.receive.ringFrame.ref);
        if (queue.txChannel === queue.rxChannel) write(`${home}event-channel`, queue.txChannel.port);
        else {
          write(`${home}event-channel-tx`, queue.txChannel.port);
          write(`${home}event-channel-rx`, queue.rxChannel.port);
        }
      }
      write("request-rx-copy", 1);
      write("feature-rx-notify", 1);
      write("feature-sg", bit(features.sg));
      write("feature-gso-tcpv4", bit(features.gsoTcpv4));
      write("feature-gso-tcpv6", bit(features.gsoTcpv6));
      write("feature-no-csum-offload", bit(!(features.checksum4 ?? true)));
      write("feature-ipv6-csum-offload", bit(features.checksum6));
      write("request-multicast-control", bit(multicastControl));
    });
    for (const { receive } of this.queues) receive.post();
    this.switchTo(XenbusStateConnected);
    this.options.onConnected?.();
  }

  private makeQueue(): Queue {
    const { domain, sharedChannel = false } = this.options;
    const onEvent = () => this.onEvent();
    const transmit = new FrontTransmit(domain, this.backendId);
    const receive = new FrontReceive(domain, this.backendId);
    const txChannel = domain.openEventChannel(this.backendId, onEvent);
    return {
      transmit,
      receive,
      txChannel,
      rxChannel: sharedChannel ? txChannel : domain.openEventChannel(this.backendId, onEvent),
    };
  }

  private onEvent(): void {
    if (this.pollWaits) return;
    this.pollWaits = true;
    this.defer(() => {
      this.pollWaits = false;
      this.poll();
    });
  }

  private poll(): void {
    const { onPacket, onSendReady } = this.options;
    for (const { transmit, receive, rxChannel } of this.queues) {
      if (!this.connected) return;
      if (!transmit.collect() || !receive.collect(onPacket)) {
        this.close();
        return;
      }
      if (receive.post()) rxChannel.notify();
    }
    if (!this.refused || !this.connected) return;
    this.refused = false;
    onSendReady?.();
  }

  /** The backend holds nothing any more. */
  private finish(): void {
    this.watch.close();
    if (this.state !== XenbusStateClosed) this.switchTo(XenbusStateClosed);
    for (const { transmit, receive, txChannel, rxChannel } of this.queues) {
      txChannel.close();
      if (rxChannel !== txChannel) rxChannel.close();
      transmit.release();
      receive.release();
    }
    this.queues = [];
    this.options.onClosed?.();
  }
}
