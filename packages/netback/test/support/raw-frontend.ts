import { FrontRing, netifRxRing, netifTxRing } from "@xen-node/io-rings";
import type { MemoryStore } from "@xen-node/xenbus";
import type { FrontendChannel } from "../../src/index.ts";
import type { Machine } from "./machine.ts";

export interface TxSlot {
  gref?: number;
  offset?: number;
  flags?: number;
  id?: number;
  size?: number;
}

export interface TxResponse {
  id: number;
  status: number;
}

export interface RxResponse {
  index: number;
  id: number;
  offset: number;
  flags: number;
  status: number;
  raw: Uint8Array;
}

/** A frontend by hand: any slot, any index, any node. */
export class RawFrontend {
  readonly txPage: Uint8Array;
  readonly rxPage: Uint8Array;
  readonly tx: FrontRing;
  readonly rx: FrontRing;
  /** A frame for data, granted, and one granted read-only. */
  readonly frame: Uint8Array;
  readonly ref: number;
  readonly readOnlyRef: number;
  readonly txRef: number;
  readonly rxRef: number;
  readonly channel: FrontendChannel;
  events = 0;
  private readonly machine: Machine;
  private readonly frames: Uint8Array[] = [];
  private readonly refs: number[] = [];
  private nextId = 100;

  constructor(machine: Machine) {
    this.machine = machine;
    const { guest } = machine;
    this.txPage = this.newFrame();
    this.rxPage = this.newFrame();
    this.frame = this.newFrame();
    this.txRef = this.grant(this.txPage);
    this.rxRef = this.grant(this.rxPage);
    this.ref = this.grant(this.frame);
    this.readOnlyRef = this.grant(this.newFrame(), true);
    this.tx = new FrontRing([this.txPage], netifTxRing);
    this.rx = new FrontRing([this.rxPage], netifRxRing);
    this.channel = guest.openEventChannel(0, () => {
      this.events++;
    });
  }

  newFrame(): Uint8Array {
    const frame = this.machine.guest.allocateFrame();
    this.frames.push(frame);
    return frame;
  }

  grant(frame: Uint8Array, readOnly = false): number {
    const ref = this.machine.guest.grantAccess(0, frame, readOnly);
    this.refs.push(ref);
    return ref;
  }

  /** The nodes of a frontend that can everything. */
  nodes(): Record<string, string> {
    return {
      "tx-ring-ref": String(this.txRef),
      "rx-ring-ref": String(this.rxRef),
      "event-channel": String(this.channel.port),
      "request-rx-copy": "1",
      "feature-rx-notify": "1",
      "feature-sg": "1",
      "feature-gso-tcpv4": "1",
      "feature-gso-tcpv6": "1",
      "feature-ipv6-csum-offload": "1",
    };
  }

  write(store: MemoryStore, path: string, overrides: Record<string, string | undefined> = {}): void {
    for (const [name, value] of Object.entries({ ...this.nodes(), ...overrides })) {
      if (value === undefined) store.rm(`${path}/${name}`);
      else store.write(`${path}/${name}`, value);
    }
  }

  /** Puts transmit slots into the ring; fields have harmless defaults. Returns the ids. */
  ask(...slots: TxSlot[]): number[] {
    return slots.map((slot) => {
      const id = slot.id ?? this.nextId++ & 0xffff;
      const { request } = this.tx;
      request.setUint32(0, slot.gref ?? this.ref, true);
      request.setUint16(4, slot.offset ?? 0, true);
      request.setUint16(6, slot.flags ?? 0, true);
      request.setUint16(8, id, true);
      request.setUint16(10, slot.size ?? 60, true);
      this.tx.ask();
      return id;
    });
  }

  /** Puts an extra-info slot into the transmit ring. */
  askExtra(type: number, flags: number, ...data: number[]): void {
    const { request } = this.tx;
    for (let i = 0; i < 12; i++) request.setUint8(i, 0);
    request.setUint8(0, type);
    request.setUint8(1, flags);
    for (const [at, byte] of data.entries()) request.setUint8(2 + at, byte);
    this.tx.ask();
  }

  /** Shows the slots to the backend, with an event if it wants one. */
  push(): void {
    if (this.tx.push()) this.channel.notify();
  }

  responses(): TxResponse[] {
    const all: TxResponse[] = [];
    for (let left = this.tx.pending(); left > 0; left--) {
      this.tx.take();
      const { response } = this.tx;
      all.push({ id: response.getUint16(0, true), status: response.getInt16(2, true) });
    }
    this.tx.finalCheck();
    return all;
  }

  /** Posts receive buffers by their grant references. */
  post(...refs: number[]): void {
    for (const ref of refs) {
      const { request } = this.rx;
      request.setUint16(0, this.rx.nextIndex & 0xffff, true);
      request.setUint32(4, ref, true);
      this.rx.ask();
    }
    if (this.rx.push()) this.channel.notify();
  }

  received(): RxResponse[] {
    const all: RxResponse[] = [];
    for (let left = this.rx.pending(); left > 0; left--) {
      const index = this.rx.take();
      const { response } = this.rx;
      all.push({
        index,
        id: response.getUint16(0, true),
        offset: response.getUint16(2, true),
        flags: response.getUint16(4, true),
        status: response.getInt16(6, true),
        raw: new Uint8Array(response.buffer.slice(0)),
      });
    }
    this.rx.finalCheck();
    return all;
  }

  /** Writes one of a ring's shared indices: 0 req_prod, 1 req_event, 2 rsp_prod, 3 rsp_event. */
  poke(page: Uint8Array, index: number, value: number): void {
    new DataView(page.buffer, page.byteOffset).setUint32(index * 4, value >>> 0, true);
  }

  peek(page: Uint8Array, index: number): number {
    return new DataView(page.buffer, page.byteOffset).getUint32(index * 4, true);
  }

  /** Gives everything back; false: the backend still has something mapped. */
  release(): boolean {
    this.channel.close();
    const ended = this.refs.map((ref) => this.machine.guest.endAccess(ref)).every(Boolean);
    if (ended) for (const frame of this.frames) this.machine.guest.freeFrame(frame);
    return ended;
  }
}
