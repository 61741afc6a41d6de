import { structsOf, XenbusStateConnected } from "@xen-node/xen-abi";
import type { LabGuest } from "./device-lab.ts";
import { RawRing } from "./raw-ring.ts";
import type { GuestPage } from "./typescript-guest.ts";

const TX = structsOf.x86_64.netif_tx_request.offsets;
const RX = structsOf.x86_64.netif_rx_request.offsets;
const EXTRA = structsOf.x86_64.netif_extra_info.offsets;

export interface TransmitSlot {
  ref: number;
  offset?: number;
  flags?: number;
  id?: number;
  size: number;
}

export interface ReceiveAnswer {
  index: number;
  id: number;
  offset: number;
  flags: number;
  status: number;
}

/** A network frontend by hand: any slot, any index, any node. */
export class RawNetworkFrontend {
  readonly tx: RawRing;
  readonly rx: RawRing;
  readonly txRef: number;
  readonly rxRef: number;
  readonly channel: { port: number; notify(): void; close(): void };
  events = 0;
  private readonly owner: LabGuest;
  private readonly paths: { front: string; back: string };
  private readonly txPage: GuestPage;
  private readonly rxPage: GuestPage;

  /** Makes the rings and writes the nodes, but for the state. @param nodes instead of what it writes itself */
  constructor(
    owner: LabGuest,
    paths: { front: string; back: string },
    nodes: { readonly [name: string]: string | number } = {},
  ) {
    const { guest, store } = owner;
    this.owner = owner;
    this.paths = paths;
    this.txPage = guest.allocatePage();
    this.rxPage = guest.allocatePage();
    this.txRef = guest.grant(0, this.txPage);
    this.rxRef = guest.grant(0, this.rxPage);
    const { netif_tx_request, netif_tx_response, netif_rx_request, netif_rx_response } = structsOf.x86_64;
    this.tx = new RawRing([this.txPage.bytes], netif_tx_request.size, netif_tx_response.size);
    this.rx = new RawRing([this.rxPage.bytes], netif_rx_request.size, netif_rx_response.size);
    this.channel = guest.openEventChannel(0, () => {
      this.events++;
    });
    const all = {
      "tx-ring-ref": this.txRef,
      "rx-ring-ref": this.rxRef,
      "event-channel": this.channel.port,
      "request-rx-copy": 1,
      "feature-rx-notify": 1,
      "feature-sg": 1,
      "feature-gso-tcpv4": 1,
      "feature-ipv6-csum-offload": 1,
      ...nodes,
    };
    store.transaction((tree) => {
      for (const [name, value] of Object.entries(all)) tree.write(`${paths.front}/${name}`, String(value));
    });
  }

  get backState(): string | undefined {
    return this.owner.store.read(`${this.paths.back}/state`);
  }

  setState(state: number): void {
    this.owner.store.write(`${this.paths.front}/state`, String(state));
  }

  offer(): void {
    this.setState(XenbusStateConnected);
  }

  /** Puts a slot of data into the transmit ring. */
  put({ ref, offset = 0, flags = 0, id = 0, size }: TransmitSlot): void {
    const { request } = this.tx;
    request.setUint32(TX.gref, ref, true);
    request.setUint16(TX.offset, offset, true);
    request.setUint16(TX.flags, flags, true);
    request.setUint16(TX.id, id, true);
    request.setUint16(TX.size, size, true);
    this.tx.ask();
  }

  putExtra(type: number, flags: number, gsoSize: number, gsoType: number): void {
    const { request } = this.tx;
    this.tx.clear();
    request.setUint8(EXTRA.type, type);
    request.setUint8(EXTRA.flags, flags);
    request.setUint16(EXTRA["u.gso.size"], gsoSize, true);
    request.setUint8(EXTRA["u.gso.type"], gsoType);
    this.tx.ask();
  }

  /** Posts a buffer for a packet. */
  post(ref: number): void {
    const { request } = this.rx;
    request.setUint16(RX.id, this.rx.produced & 0xffff, true);
    request.setUint32(RX.gref, ref, true);
    this.rx.ask();
  }

  push(): void {
    const tx = this.tx.push();
    const rx = this.rx.push();
    if (tx || rx) this.channel.notify();
  }

  /** Statuses of the transmit ring's answers, by order. */
  answers(): { id: number; status: number }[] {
    const found: { id: number; status: number }[] = [];
    for (let left = this.tx.pending(); left > 0; left--) {
      this.tx.take();
      const { response } = this.tx;
      found.push({ id: response.getUint16(0, true), status: response.getInt16(2, true) });
    }
    return found;
  }

  received(): ReceiveAnswer[] {
    const found: ReceiveAnswer[] = [];
    for (let left = this.rx.pending(); left > 0; left--) {
      const index = this.rx.take();
      const { response } = this.rx;
      found.push({
        index,
        id: response.getUint16(0, true),
        offset: response.getUint16(2, true),
        flags: response.getUint16(4, true),
        status: response.getInt16(6, true),
      });
    }
    return found;
  }

  /** Takes rings and port back. False: the backend still has one mapped. */
  release(): boolean {
    this.channel.close();
    const { guest } = this.owner;
    let all = true;
    for (const [ref, page] of [
      [this.txRef, this.txPage],
      [this.rxRef, this.rxPage],
    ] as const) {
      if (guest.revoke(ref)) guest.freePage(page);
      else all = false;
    }
    return all;
  }
}
