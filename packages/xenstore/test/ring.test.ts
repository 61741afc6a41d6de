import {
  XENSTORE_ERROR_PROTO,
  XENSTORE_ERROR_RINGIDX,
  XS_ERROR,
  XS_READ,
  XS_WATCH_EVENT,
  XS_WRITE,
} from "@xen-node/xen-abi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeMessage, MessageReader, REQUESTS_PER_EVENT, type RingPage, XenStore } from "../src/index.ts";
import { fromPayload, Guest, Machine, toPayload, typeOf } from "./transcript.ts";

// Offsets of xenstore_domain_interface, written out so that the tests don't depend on the layout they check.
const REQ_CONS = 2048;
const REQ_PROD = 2052;
const RSP_CONS = 2056;
const RSP_PROD = 2060;
const FEATURES = 2064;
const CONNECTION = 2068;
const ERROR = 2072;

const words = ({ view }: Guest, ...at: number[]) => at.map((offset) => view.getUint32(offset, true));

/** Puts bytes into the request ring by hand, without telling anybody; they must fit. */
function place(guest: Guest, bytes: Uint8Array): void {
  const producer = guest.view.getUint32(REQ_PROD, true);
  bytes.forEach((byte, i) => {
    guest.page[(producer + i) & 1023] = byte;
  });
  guest.view.setUint32(REQ_PROD, producer + bytes.length, true);
}

const request = (reqId: number, name: string, payload: string, txId = 0) =>
  encodeMessage({ type: typeOf(name), reqId, txId, payload: toPayload(payload) });

describe("the ring, byte by byte", () => {
  it("a request and its reply as they lie in the page", () => {
    const guest = new Guest(new XenStore(), 1);
    guest.page.set([2, 0, 0, 0, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0, 7, 0, 0, 0], 0); // READ, req_id, tx_id, len
    guest.page.set(
      [..."/local\0"].map((c) => c.charCodeAt(0)),
      16,
    );
    guest.view.setUint32(REQ_PROD, 23, true);
    guest.connection.onEvent();
    expect(words(guest, REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD)).toEqual([23, 23, 0, 23]);
    const reply = [16, 0, 0, 0, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0, 7, 0, 0, 0, ...Buffer.from("EACCES\0")];
    expect([...guest.page.subarray(1024, 1024 + 23)]).toEqual(reply);
    expect(guest.kicks).toBe(1);
    guest.connection.onEvent();
    expect(guest.kicks).toBe(1); // nothing moved, nothing to tell
  });

  it("introducing zeroes the indices and offers the features", () => {
    const store = new XenStore();
    const page = new Uint8Array(4096).fill(0x55, REQ_CONS, FEATURES);
    store.introduceDomain(1, { bytes: page, notify: () => {} });
    const view = new DataView(page.buffer);
    const at = [REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD, FEATURES, CONNECTION, ERROR];
    expect(at.map((offset) => view.getUint32(offset, true))).toEqual([0, 0, 0, 0, 15, 0, 0]);
  });

  it("a domain that found its ring unconnected is told", () => {
    const store = new XenStore();
    const page = new Uint8Array(4096);
    page[CONNECTION] = 1;
    let kicks = 0;
    store.introduceDomain(1, { bytes: page, notify: () => kicks++ });
    expect([page[CONNECTION], kicks]).toEqual([0, 1]);
  });

  it("messages longer than the ring pass both ways", () => {
    const machine = new Machine([1]);
    const value = "v".repeat(1900);
    expect(machine.request(1, 0, "WRITE", `data/x|${value}`)).toBe("OK|");
    expect(machine.request(1, 0, "READ", "data/x|")).toBe(value);
    machine.dom0.write("/local/domain/1/data/x", "w".repeat(4096));
    expect(machine.request(1, 0, "READ", "data/x|")).toBe("w".repeat(4096));
    machine.dom0.write("/local/domain/1/data/x", "w".repeat(4097));
    expect(machine.request(1, 0, "READ", "data/x|")).toBe("!E2BIG");
  });

  it("a whole conversation is the same wherever it is cut and wherever the indices start", () => {
    const rows = [
      ["WATCH", "data|token|"],
      ["WRITE", `data/a|${"x".repeat(700)}`],
      ["READ", "data/a|"],
      ["WRITE", "data/b/c|"],
      ["DIRECTORY", "data|"],
      ["RM", "data/b|"],
      ["READ", "data/b/c|"],
      ["CONTROL", ""],
    ] as const;
    const stream = rows.flatMap(([name, payload], i) => [...request(i, name, payload)]);
    const converse = (cuts: readonly number[], takes: readonly number[], start: number): string[] => {
      const machine = new Machine([1]);
      const guest = machine.guest(1);
      for (const at of [REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD]) guest.view.setUint32(at, start, true);
      const reader = new MessageReader();
      const heard: string[] = [];
      let at = 0;
      for (let i = 0; i < 5000; i++) {
        const room = 1024 - ((guest.view.getUint32(REQ_PROD, true) - guest.view.getUint32(REQ_CONS, true)) >>> 0);
        const size = Math.min(room, cuts.length > 0 ? cuts[i % cuts.length] : 1024, stream.length - at);
        place(guest, Uint8Array.from(stream.slice(at, at + size)));
        at += size;
        guest.connection.onEvent();
        const [consumed, produced, taken, given] = words(guest, REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD);
        if (at === stream.length && consumed === produced && taken === given) return heard;
        let take = takes.length > 0 ? takes[i % takes.length] : 1024;
        let consumer = guest.view.getUint32(RSP_CONS, true);
        while (take-- > 0 && consumer !== guest.view.getUint32(RSP_PROD, true)) {
          const message = reader.push(guest.page.subarray(1024 + (consumer & 1023), 1025 + (consumer & 1023)));
          consumer = (consumer + 1) >>> 0;
          if (message && message !== "tooLong") heard.push(`${message.type} ${fromPayload(message.payload)}`);
        }
        guest.view.setUint32(RSP_CONS, consumer, true);
      }
      throw new Error("the conversation doesn't end");
    };
    const expected = converse([], [], 0);
    expect(expected.filter((line) => !line.startsWith(`${XS_WATCH_EVENT} `)).length).toBe(rows.length);
    const size = fc.integer({ min: 1, max: 300 });
    const sizes = fc.array(size, { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(sizes, sizes, fc.nat(0xffffffff), (cuts, takes, start) => {
        expect(converse(cuts, takes, start)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });
});

describe("hostile domains", () => {
  it("impossible request indices close the connection, and only that one", () => {
    const closed: number[][] = [];
    const machine = new Machine([1, 2], { onConnectionClosed: (...what) => closed.push(what) });
    const guest = machine.guest(1);
    guest.request(0, "WATCH", "data|t|");
    guest.takeEvents();
    guest.view.setUint32(REQ_PROD, guest.view.getUint32(REQ_CONS, true) + 1025, true);
    guest.connection.onEvent();
    expect(closed).toEqual([[1, XENSTORE_ERROR_RINGIDX]]);
    expect(words(guest, ERROR)).toEqual([XENSTORE_ERROR_RINGIDX]);
    expect(guest.connection.closed).toBe(true);
    const before = guest.page.slice();
    machine.dom0.write("/local/domain/1/data/x", "1"); // its watch is gone
    guest.connection.onEvent();
    expect(guest.page).toEqual(before);
    expect(machine.request(2, 0, "READ", "data|")).toBe("");
    expect(machine.store.isIntroduced(1)).toBe(true);
  });

  it("impossible response indices close the connection when something is to be sent", () => {
    const machine = new Machine([1]);
    const guest = machine.guest(1);
    guest.request(0, "WATCH", "data|t|");
    guest.takeEvents();
    guest.view.setUint32(RSP_CONS, guest.view.getUint32(RSP_PROD, true) + 1, true);
    machine.dom0.write("/local/domain/1/data/x", "1");
    expect(guest.connection.closed).toBe(true);
  });

  it("a header that announces too much closes the connection", () => {
    const machine = new Machine([1]);
    const guest = machine.guest(1);
    const bytes = request(1, "WRITE", "data|x");
    new DataView(bytes.buffer).setUint32(12, 4097, true);
    place(guest, bytes);
    guest.connection.onEvent();
    expect(words(guest, ERROR)).toEqual([XENSTORE_ERROR_PROTO]);
  });

  it("reconnecting starts over, even after an error, without watches, transactions and half messages", () => {
    const machine = new Machine([1]);
    const guest = machine.guest(1);
    guest.request(0, "WATCH", "data|t|");
    guest.request(0, "TRANSACTION_START", "|");
    place(guest, request(1, "READ", "data|").subarray(0, 10));
    guest.connection.onEvent();
    expect(guest.frontend.reconnect()).toBe(true);
    expect(words(guest, REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD, ERROR)).toEqual([0, 0, 0, 0, 0]);
    guest.events = [];
    expect(guest.request(1, "TRANSACTION_END", "T|")).toBe("!ENOENT");
    expect(guest.request(0, "WRITE", "data|1")).toBe("OK|");
    expect(guest.takeEvents()).toEqual([]);
    guest.view.setUint32(REQ_PROD, 0x80000000, true);
    guest.connection.onEvent();
    expect(guest.connection.closed).toBe(true);
    expect(guest.frontend.reconnect()).toBe(true);
    expect(guest.request(0, "READ", "data|")).toBe("1");
  });

  it("any page contents and any kicks leave the store and its other domains whole", () => {
    const pageOf = fc.uint8Array({ minLength: 1024, maxLength: 1024 });
    // Mostly real request types with small lengths, so that more than the first header is looked at.
    const message = fc
      .record({
        type: fc.oneof(fc.nat(30), fc.nat(0xffffffff)),
        txId: fc.nat(3),
        payload: fc.oneof(
          fc.uint8Array({ maxLength: 60 }),
          fc.constantFrom("data/a|b|", "/|t|", "@x|", "T|", "1|2|3|").map(toPayload),
        ),
      })
      .map(({ type, txId, payload }) => encodeMessage({ type, reqId: 1, txId, payload }));
    const indices = fc.array(fc.oneof(fc.nat(2000), fc.nat(0xffffffff)), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(pageOf, fc.array(message, { maxLength: 15 }), fc.option(indices), (junk, messages, chosen) => {
        const machine = new Machine([1, 2], { defer: () => {} });
        const guest = machine.guest(1);
        guest.page.set(junk);
        const bytes = Uint8Array.from(messages.flatMap((each) => [...each])).subarray(0, 1024);
        place(guest, bytes);
        guest.connection.onEvent();
        chosen?.forEach((value, i) => {
          guest.view.setUint32(REQ_CONS + 4 * i, value, true);
        });
        guest.connection.onEvent();
        guest.connection.onEvent();
        expect(guest.page.subarray(2080).every((byte) => byte === 0)).toBe(true);
        expect(machine.request(2, 0, "WRITE", "data|fine")).toBe("OK|");
        expect(machine.request(2, 0, "READ", "data|")).toBe("fine");
        expect(machine.store.audit()).toEqual([]);
      }),
    );
  });
});

describe("fairness", () => {
  it("a flood is handled in portions, the rest later", () => {
    const later: (() => void)[] = [];
    const machine = new Machine([1], { quotas: { outstanding: 0 }, defer: (work) => later.push(work) });
    const guest = machine.guest(1);
    for (let i = 0; i < 60; i++) place(guest, request(i, "DIRECTORY", ""));
    guest.connection.onEvent();
    expect(words(guest, REQ_CONS)).toEqual([16 * REQUESTS_PER_EVENT]);
    guest.connection.onEvent(); // kicks don't pile up continuations
    expect(later.length).toBe(1);
    for (let work = later.shift(); work; work = later.shift()) work();
    expect(words(guest, REQ_CONS)).toEqual([16 * 60]);
  });

  it("requests wait while 20 replies are not taken, and go on when they are", () => {
    const machine = new Machine([1]);
    const guest = machine.guest(1);
    machine.dom0.write("/local/domain/1/data", "x".repeat(1024));
    let sent = 0;
    for (let i = 0; i < 10; i++) {
      for (let k = 0; k < 10; k++) place(guest, request(sent++, "READ", "data|"));
      guest.connection.onEvent();
      guest.connection.onEvent();
      if (guest.view.getUint32(REQ_PROD, true) !== guest.view.getUint32(REQ_CONS, true)) break;
    }
    // 20 replies wait: part of the first in the ring, the others in the store; the requests after them stay in the ring.
    expect(guest.view.getUint32(REQ_CONS, true)).toBe(20 * 21);
    expect(sent).toBe(30);
    const replies: number[] = [];
    for (let message = guest.frontend.receive(); message; message = guest.frontend.receive())
      replies.push(message.reqId);
    expect(replies).toEqual(Array.from({ length: 30 }, (_, i) => i));
  });

  it("a domain that takes no events holds no more than its memory quota", () => {
    const machine = new Machine([1], { quotas: { memory: 20_000 } });
    machine.guest(1).request(0, "WATCH", "data|t|");
    for (let i = 0; i < 2000; i++) machine.dom0.write(`/local/domain/1/data/${i % 300}`, `${i}`.slice(0, 1));
    expect(machine.guest(1).connection.heldBytes).toBeLessThanOrEqual(20_000);
  });

  it("a peer that answers inside its event handler is served", () => {
    const store = new XenStore();
    store.client().write("/local/domain/1/n", "0");
    store.client().setPermissions("/local/domain/1/n", ["n1"]);
    const page = new Uint8Array(4096);
    const heard: string[] = [];
    const reader = new MessageReader();
    let left = 200;
    const ring: RingPage = {
      bytes: page,
      notify: () => {
        const view = new DataView(page.buffer);
        for (let at = view.getUint32(RSP_CONS, true); at !== view.getUint32(RSP_PROD, true); at++) {
          view.setUint32(RSP_CONS, at + 1, true);
          const message = reader.push(page.subarray(1024 + (at & 1023), 1025 + (at & 1023)));
          if (message && message !== "tooLong") {
            heard.push(fromPayload(message.payload));
            if (left-- > 0) ask();
          }
        }
      },
    };
    const connection = store.introduceDomain(1, ring);
    const ask = () => {
      const view = new DataView(page.buffer);
      const at = view.getUint32(REQ_PROD, true);
      const bytes = encodeMessage({ type: XS_WRITE, reqId: 1, txId: 0, payload: toPayload("n|1") });
      bytes.forEach((byte, i) => {
        page[(at + i) & 1023] = byte;
      });
      view.setUint32(REQ_PROD, at + bytes.length, true);
      connection.onEvent();
    };
    ask();
    expect(heard).toEqual(Array.from({ length: 201 }, () => "OK|"));
  });
});

describe("framing", () => {
  it("a reader resumes from saved bytes", () => {
    const bytes = encodeMessage({ type: XS_READ, reqId: 5, txId: 6, payload: toPayload("/a/b|") });
    for (let cut = 1; cut < bytes.length; cut++) {
      const [first, second] = [new MessageReader(), new MessageReader()];
      const feed = (reader: MessageReader, from: Uint8Array) => {
        let message: ReturnType<MessageReader["push"]>;
        for (let at = 0; at < from.length; ) {
          const piece = from.subarray(at, at + reader.wanted);
          message = reader.push(piece);
          at += piece.length;
        }
        return message;
      };
      feed(first, bytes.subarray(0, cut));
      expect(first.partial).toBe(true);
      feed(second, first.toBytes());
      const message = feed(second, bytes.subarray(cut));
      expect(message).toEqual({ type: XS_READ, reqId: 5, txId: 6, payload: toPayload("/a/b|") });
    }
  });

  it("an error carries the ids of its request", () => {
    const machine = new Machine([1]);
    const guest = machine.guest(1);
    guest.frontend.send({ type: XS_READ, reqId: 0xffffffff, txId: 0xfffffffe, payload: toPayload("data|") });
    expect(guest.frontend.receive()).toEqual({
      type: XS_ERROR,
      reqId: 0xffffffff,
      txId: 0xfffffffe,
      payload: toPayload("ENOENT|"),
    });
  });
});
