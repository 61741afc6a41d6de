import { formatMac } from "@xen-node/packets";
import { XenbusStateConnected } from "@xen-node/xen-abi";
import {
  BackendDevice,
  type BackendDriver,
  type DriverDomain,
  type StoreClient,
  type StoreTree,
} from "@xen-node/xenbus";
import { Connection } from "./connection.ts";
import {
  multicastControlNode,
  readFeatures,
  readQueues,
  wantsMulticastControl,
  writeFeatures,
} from "./frontend-nodes.ts";
import { MulticastList } from "./multicast-list.ts";
import type { NetworkPort } from "./network-port.ts";
import { ReceiveSide } from "./receive-side.ts";
import { newStatistics, type VifStatistics } from "./statistics.ts";
import { hostTimer, type Timer } from "./timer.ts";
import { MOST_PACKET_BYTES } from "./transmit-queue.ts";
import { TransmitSide } from "./transmit-side.ts";

/** As long as nobody is hurt much by waiting for a guest that doesn't run. */
const STALL_MS = 250;
/** A frontend that sends no event after posting buffers is looked at again this soon, as by Linux's netback. */
const STALL_WITHOUT_NOTIFY_MS = 30;

export interface VifOptions {
  store: StoreClient;
  domain: DriverDomain;
  /** The backend's node, such as /local/domain/0/backend/vif/1/0, with `frontend` and `frontend-id` written. */
  path: string;
  /** Where it is plugged into the network. Its handlers belong to the vif. */
  port: NetworkPort;
  /** 6 bytes; written to the backend's node. The frontend reads its own, which a toolstack writes. */
  mac: Uint8Array;
  /** Longest payload of an Ethernet frame to the guest that isn't a large segment. */
  mtu?: number;
  /** Pairs of rings that are offered to a frontend. */
  maxQueues?: number;
  log?: (message: string) => void;
  /** Runs a task soon, outside of any guest's hypercall; by default in a microtask. */
  defer?: (task: () => void) => void;
  /** Does work that the frontend's domain asked for, for whoever counts that. */
  onBehalf?: <T>(work: () => T) => T;
  timer?: Timer;
  /** How long a guest that posts no buffers may hold up the senders of its packets before those are dropped. */
  stallMs?: number;
  /** The device is closed and nothing of it is left: after `close`, or because the frontend went away. */
  onClosed?: () => void;
}

/** A virtual network interface: the backend of one frontend's netif rings (xen/include/public/io/netif.h). */
export class Vif {
  readonly statistics: VifStatistics = newStatistics();
  private readonly options: Required<Omit<VifOptions, "onClosed">> & VifOptions;
  private readonly device: BackendDevice;
  private readonly buffer = new Uint8Array(MOST_PACKET_BYTES + 1);
  private readonly multicast = new MulticastList();
  private live: { connection: Connection; end: () => void } | undefined;

  /** @throws XenbusError if the toolstack's nodes are missing. */
  constructor(options: VifOptions) {
    this.options = {
      mtu: 1500,
      maxQueues: 4,
      log: () => {},
      defer: queueMicrotask,
      onBehalf: (work) => work(),
      timer: hostTimer,
      stallMs: STALL_MS,
      ...options,
    };
    if (options.mac.length !== 6) throw new RangeError("a MAC address has 6 bytes");
    const driver: BackendDriver = {
      advertise: (tree, path) => this.advertise(tree, path),
      connect: (frontendPath) => this.connect(frontendPath),
      describe: () => {},
      disconnect: (done) => {
        this.disconnect();
        done();
      },
    };
    this.device = new BackendDevice({
      store: options.store,
      path: options.path,
      driver,
      connectAt: XenbusStateConnected,
      onClosed: options.onClosed,
      onError: (message) => this.options.log(`${options.path}: ${message}`),
    });
  }

  get connected(): boolean {
    return this.device.connected;
  }

  get closed(): boolean {
    return this.device.closed;
  }

  /** Unplugs the interface; `onClosed` is called when the frontend has closed, or at once with `force`. */
  close(options?: { force?: boolean }): void {
    this.device.close(options);
  }

  private advertise(tree: StoreTree, path: string): void {
    const { port, mac, maxQueues } = this.options;
    writeFeatures(tree, path, maxQueues, port.setMulticastFilter !== undefined);
    tree.write(`${path}/mac`, formatMac(mac));
    if (!tree.exists(`${path}/handle`)) tree.write(`${path}/handle`, path.slice(path.lastIndexOf("/") + 1));
    // There is no hotplug script to wait for: the interface is in its network from the beginning.
    tree.write(`${path}/hotplug-status`, "connected");
  }

  private connect(frontendPath: string): void {
    const { store, domain, port, mtu, maxQueues, defer, timer, stallMs } = this.options;
    const features = readFeatures(store, frontendPath);
    let transmit: TransmitSide | undefined;
    let receive: ReceiveSide | undefined;
    const connection = new Connection({
      domain,
      frontendId: this.device.frontendId,
      features,
      queues: readQueues(store, frontendPath, maxQueues),
      statistics: this.statistics,
      buffer: this.buffer,
      onTransmitEvent: () => transmit?.onEvent(),
      onReceiveEvent: () => receive?.onEvent(),
      onMulticast: (add, address) => this.changeMulticast(frontendPath, add, address),
    });
    let faulty = false;
    const onFault = (message: string) => {
      if (faulty) return;
      faulty = true;
      defer(() => {
        if (connection.open) this.device.fail(message);
      });
    };
    const { statistics } = this;
    transmit = new TransmitSide({ connection, port, statistics: statistics.transmit, onFault });
    receive = new ReceiveSide({
      connection,
      port,
      statistics: statistics.receive,
      mtu,
      stallMs: features.rxNotify ? stallMs : Math.min(stallMs, STALL_WITHOUT_NOTIFY_MS),
      timer,
      defer,
      onFault,
    });
    this.plugIn(connection, transmit, receive, frontendPath);
  }

  private plugIn(connection: Connection, transmit: TransmitSide, receive: ReceiveSide, frontendPath: string): void {
    const { store, port, onBehalf } = this.options;
    port.onTransmit = (budget) => onBehalf(() => transmit.transmit(budget));
    port.onSendReady = () => transmit.onSendReady();
    port.onReceive = (packet) => receive.receive(packet);
    port.onReceiveEnd = () => receive.receiveEnd();
    const watch = store.watch(multicastControlNode(frontendPath), () => this.filterMulticast(frontendPath));
    this.live = {
      connection,
      end: () => {
        watch.close();
        port.onTransmit = undefined;
        port.onSendReady = undefined;
        port.onReceive = undefined;
        port.onReceiveEnd = undefined;
        connection.close();
        transmit.close();
        receive.close();
      },
    };
    port.setCarrier?.(true);
    // Its first events may have come before there was anybody to hear them.
    port.requestTransmit();
  }

  private disconnect(): void {
    const { live } = this;
    if (live === undefined) return;
    this.live = undefined;
    live.end();
    this.multicast.clear();
    this.options.port.setMulticastFilter?.(undefined);
    this.options.port.setCarrier?.(false);
  }

  private changeMulticast(frontendPath: string, add: boolean, address: Uint8Array): boolean {
    const done = add ? this.multicast.add(address) : true;
    if (!add) this.multicast.remove(address);
    if (done) this.filterMulticast(frontendPath);
    return done;
  }

  private filterMulticast(frontendPath: string): void {
    if (this.live === undefined) return;
    const wanted = wantsMulticastControl(this.options.store, frontendPath);
    this.options.port.setMulticastFilter?.(wanted ? [...this.multicast.addresses] : undefined);
  }
}
