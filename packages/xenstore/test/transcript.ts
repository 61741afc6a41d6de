// Transcripts: rows of (domain, transaction, request, payload, expected reply, expected events), played over real rings.
// As in the protocol's specification "|" stands for a NUL. An error is written "!ENOENT". Domain 0 has no ring here.

import * as abi from "@xen-node/xen-abi";
import { expect } from "vitest";
import {
  bytesToText,
  type RingConnection,
  StoreFrontend,
  textToBytes,
  XenStore,
  type XenStoreOptions,
} from "../src/index.ts";

type RequestName = Extract<keyof typeof abi, `XS_${string}`> extends `XS_${infer Name}` ? Name : never;

export type Row = readonly [
  domid: number,
  txId: number,
  request: string,
  payload: string,
  reply: string,
  events?: readonly string[],
];

const types = new Map<string, number>(
  Object.entries(abi).flatMap(([name, value]) =>
    name.startsWith("XS_") && typeof value === "number" ? [[name.slice(3), value]] : [],
  ),
);

export const typeOf = (name: RequestName | string): number => {
  const type = types.get(name) ?? Number(name);
  if (Number.isNaN(type)) throw new Error(`no request ${name}`);
  return type;
};

export const toPayload = (text: string): Uint8Array => textToBytes(text.replaceAll("|", "\0"));
export const fromPayload = (payload: Uint8Array): string => bytesToText(payload).replaceAll("\0", "|");

/** A domain that talks to the store over a ring of its own. */
export class Guest {
  readonly page = new Uint8Array(4096);
  readonly view = new DataView(this.page.buffer);
  readonly frontend: StoreFrontend;
  readonly connection: RingConnection;
  readonly domid: number;
  kicks = 0;
  events: string[] = [];
  #nextRequest = 100;

  constructor(store: XenStore, domid: number) {
    this.domid = domid;
    this.connection = store.introduceDomain(domid, { bytes: this.page, notify: () => this.kicks++ });
    this.frontend = new StoreFrontend({ bytes: this.page, notify: () => this.connection.onEvent() });
  }

  /** Sends a request and waits for its reply; events on the way are kept in `events`. */
  request(txId: number, name: string, payload: string): string {
    const reqId = this.#nextRequest++;
    this.frontend.send({ type: typeOf(name), reqId, txId, payload: toPayload(payload) });
    for (;;) {
      const message = this.frontend.receive();
      if (message === undefined) {
        if (!this.frontend.sending) throw new Error(`no reply to ${name} ${payload}`);
        this.frontend.pump();
        continue;
      }
      if (message.type === abi.XS_WATCH_EVENT) {
        this.events.push(fromPayload(message.payload));
        continue;
      }
      expect([message.reqId, message.txId]).toEqual([reqId, txId]);
      const text = fromPayload(message.payload);
      if (message.type === abi.XS_ERROR) return `!${text.slice(0, -1)}`;
      expect(message.type).toBe(typeOf(name));
      return text;
    }
  }

  /** Events that have come since the last call. */
  takeEvents(): string[] {
    for (let message = this.frontend.receive(); message; message = this.frontend.receive()) {
      expect(message.type).toBe(abi.XS_WATCH_EVENT);
      this.events.push(fromPayload(message.payload));
    }
    return this.events.splice(0);
  }
}

/** A store with some guests. */
export class Machine {
  readonly store: XenStore;
  readonly dom0;
  readonly guests = new Map<number, Guest>();

  constructor(domids: readonly number[] = [], options: XenStoreOptions = {}) {
    this.store = new XenStore(options);
    this.dom0 = this.store.client();
    for (const domid of domids) {
      // What a toolstack makes before it starts a domain.
      this.dom0.mkdir(`/local/domain/${domid}`);
      this.dom0.setPermissions(`/local/domain/${domid}`, ["n0", `r${domid}`]);
      this.dom0.mkdir(`/local/domain/${domid}/data`);
      this.dom0.setPermissions(`/local/domain/${domid}/data`, [`n${domid}`]);
      this.guests.set(domid, new Guest(this.store, domid));
    }
  }

  guest(domid: number): Guest {
    const guest = this.guests.get(domid);
    if (!guest) throw new Error(`no domain ${domid}`);
    return guest;
  }

  request(domid: number, txId: number, name: string, payload: string): string {
    if (domid !== 0) return this.guest(domid).request(txId, name, payload);
    const request = { type: typeOf(name), reqId: 7, txId, payload: toPayload(payload) };
    const reply = this.store.answer(this.dom0.session, request);
    expect([reply.reqId, reply.txId]).toEqual([7, txId]);
    return reply.type === abi.XS_ERROR ? `!${fromPayload(reply.payload).slice(0, -1)}` : fromPayload(reply.payload);
  }

  /** Events of all guests as "1: path|token|", in the order of the domids. */
  takeEvents(): string[] {
    return [...this.guests.values()].flatMap((guest) => guest.takeEvents().map((event) => `${guest.domid}: ${event}`));
  }

  play(rows: readonly Row[]): void {
    for (const [i, [domid, txId, name, payload, reply, events = []]] of rows.entries()) {
      const row = `row ${i}: ${domid} ${txId} ${name} ${payload.slice(0, 60)}`;
      expect(this.request(domid, txId, name, payload), row).toBe(reply);
      expect(this.takeEvents(), row).toEqual(events);
    }
    expect(this.store.audit()).toEqual([]);
  }
}

export const play = (domids: readonly number[], rows: readonly Row[], options?: XenStoreOptions): void =>
  new Machine(domids, options).play(rows);
