// UDP from guests to the outside: a host socket for each port of a guest.

import { createSocket, type Socket } from "node:dgram";
import { type FrameReader, formatIpv4, formatMac, IpProtocol, sameBytes } from "@xen-node/packets";
import { formatEndpoint, formatIp, parseIp } from "./address-plan.ts";
import { get16, put16 } from "./big-endian.ts";
import { type FlowEntry, FlowTable } from "./flow-table.ts";
import { addressesOf } from "./frame-addresses.ts";
import { type Icmp, type IcmpError, QUOTED_BYTES } from "./icmp.ts";
import { type IpOutput, udpDatagram } from "./ip-output.ts";
import type { LogLevel } from "./options.ts";
import { NS_PER_MS, type Timer, type TimerQueue } from "./timers.ts";

/** Remote addresses from which a flow takes datagrams: the last ones that it has sent to. */
const MOST_REMOTES = 256;
/** Datagrams that wait until a new socket is bound. */
const MOST_WAITING = 32;
/** Bytes that a socket holds before more are dropped. */
const MOST_QUEUED_BYTES = 1 << 20;

export interface UdpSurroundings {
  readonly timers: TimerQueue;
  readonly output: IpOutput;
  readonly icmp: Icmp;
  readonly seed: number;
  readonly limit: number;
  readonly idleMs: number;
  readonly log: (level: LogLevel, message: string) => void;
}

/** What is known of a guest's UDP port, for statistics. */
export interface UdpFlowInfo {
  readonly mac: string;
  readonly guest: string;
  /** "*" for a port that may have many. */
  readonly remote: string;
  readonly bytesToGuest: number;
  readonly bytesToHost: number;
}

/**
 * A port of a guest on its way out. Its mapping is endpoint-independent and its filter address-dependent (RFC 4787).
 * Only flows to the host's loopback are connected, each to its one destination, because the system then says when
 * nobody listens.
 */
interface UdpFlow extends FlowEntry {
  readonly mac: Uint8Array;
  readonly guest: Uint8Array;
  readonly guestPort: number;
  readonly socket: Socket;
  readonly timer: Timer;
  /** The guest's name for the destination of a connected flow. */
  readonly fixed: { readonly address: Uint8Array; readonly port: number } | undefined;
  readonly remotes: Map<string, Uint8Array>;
  lastText: string;
  /** Head of the last datagram, for ICMP errors about it. */
  head: Uint8Array;
  ready: boolean;
  waiting: (() => void)[];
  lastActiveNs: number;
  bytesToGuest: number;
  bytesToHost: number;
}

export class UdpNat {
  dropped = 0;
  readonly #around: UdpSurroundings;
  readonly #table: FlowTable<UdpFlow>;
  readonly #flows = new Set<UdpFlow>();

  constructor(around: UdpSurroundings) {
    this.#around = around;
    this.#table = new FlowTable(around.seed);
  }

  get count(): number {
    return this.#flows.size;
  }

  *flows(): IterableIterator<UdpFlowInfo> {
    for (const { mac, guest, guestPort, fixed, bytesToGuest, bytesToHost } of this.#flows) {
      const remote = fixed === undefined ? "*" : formatEndpoint(fixed.address, fixed.port);
      yield { mac: formatMac(mac), guest: formatEndpoint(guest, guestPort), remote, bytesToGuest, bytesToHost };
    }
  }

  /** A guest's datagram for the outside, or for `loopback`, the host's own address that the gateway stands for. */
  receive(frame: FrameReader, payload: Uint8Array, loopback: string | undefined): void {
    const flow = this.#flowOf(frame, loopback);
    if (flow === undefined) return;
    const { bytes, network, end, destinationPort } = frame;
    flow.lastActiveNs = this.#around.timers.nowNs();
    flow.timer.arm(this.#around.idleMs * NS_PER_MS);
    flow.bytesToHost += payload.length;
    const head = bytes.slice(network, Math.min(end, network + QUOTED_BYTES));
    flow.head = head;
    const copy = payload.slice();
    const sent = (error: Error | null): void => {
      if (error !== null) this.#failed(flow, head, error);
    };
    if (flow.fixed !== undefined) this.#whenReady(flow, () => flow.socket.send(copy, sent));
    else {
      const address = this.#noteRemote(flow, frame);
      this.#whenReady(flow, () => flow.socket.send(copy, destinationPort, address, sent));
    }
  }

  forgetGuest(mac: Uint8Array): void {
    for (const flow of [...this.#flows]) if (sameBytes(flow.mac, 0, mac, 0, 6)) this.#close(flow);
  }

  close(): void {
    for (const flow of [...this.#flows]) this.#close(flow);
  }

  #flowOf(frame: FrameReader, loopback: string | undefined): UdpFlow | undefined {
    const { bytes, network, ipVersion, sourcePort, destinationPort } = frame;
    const addressBytes = ipVersion === 4 ? 4 : 16;
    const key = new Uint8Array(2 * addressBytes + 4);
    const source = network + (ipVersion === 4 ? 12 : 8);
    key.set(bytes.subarray(source, source + (loopback === undefined ? 1 : 2) * addressBytes));
    put16(key, 2 * addressBytes, sourcePort);
    put16(key, 2 * addressBytes + 2, loopback === undefined ? 0 : destinationPort);
    const known = this.#table.findKey(key);
    if (known !== undefined) return sameBytes(known.mac, 0, bytes, 6, 6) ? known : undefined;
    return this.#open(frame, key, loopback);
  }

  #open(frame: FrameReader, key: Uint8Array, loopback: string | undefined): UdpFlow {
    const { timers, limit } = this.#around;
    if (this.#flows.size >= limit) this.#evict();
    const [guest, destination] = addressesOf(frame);
    const { destinationPort } = frame;
    const socket = createSocket({
      type: frame.ipVersion === 4 ? "udp4" : "udp6",
      // Only addresses are looked up, and they need no thread for that.
      lookup: (host, _options, callback) => callback(null, host, frame.ipVersion === 4 ? 4 : 6),
    });
    const flow: UdpFlow = {
      key,
      nextFlow: undefined,
      mac: frame.bytes.slice(6, 12),
      guest,
      guestPort: frame.sourcePort,
      socket,
      timer: timers.timer(() => this.#close(flow)),
      fixed: loopback === undefined ? undefined : { address: destination, port: destinationPort },
      remotes: new Map(),
      lastText: "",
      head: frame.bytes.subarray(0, 0),
      ready: false,
      waiting: [],
      lastActiveNs: timers.nowNs(),
      bytesToGuest: 0,
      bytesToHost: 0,
    };
    const ready = (): void => {
      flow.ready = true;
      const { waiting } = flow;
      flow.waiting = [];
      for (const send of waiting) send();
    };
    socket.on(loopback === undefined ? "listening" : "connect", ready);
    socket.on("error", (error) => {
      this.#failed(flow, flow.head, error);
      if (!flow.ready) this.#close(flow);
    });
    socket.on("message", (message, remote) => this.#fromHost(flow, message, remote.address, remote.port));
    if (loopback === undefined) socket.bind(0);
    else socket.connect(destinationPort, loopback);
    this.#flows.add(flow);
    this.#table.add(flow);
    return flow;
  }

  #fromHost(flow: UdpFlow, message: Uint8Array, address: string, port: number): void {
    if (!this.#flows.has(flow)) return;
    const source = flow.fixed === undefined ? flow.remotes.get(address) : flow.fixed.address;
    if (source === undefined) {
      this.dropped++;
      return;
    }
    flow.lastActiveNs = this.#around.timers.nowNs();
    flow.timer.arm(this.#around.idleMs * NS_PER_MS);
    flow.bytesToGuest += message.length;
    const datagram = udpDatagram(flow.fixed?.port ?? port, flow.guestPort, message);
    this.#around.output.send(flow.mac, source, flow.guest, IpProtocol.udp, datagram);
  }

  /** Notes where the guest sends to, and returns it as text. */
  #noteRemote(flow: UdpFlow, frame: FrameReader): string {
    const { bytes, network, ipVersion } = frame;
    if (ipVersion === 4) {
      const text = formatIpv4(bytes, network + 16);
      if (text === flow.lastText) return text;
    }
    const [, destination] = addressesOf(frame);
    const text = formatIp(destination);
    flow.lastText = text;
    const known = flow.remotes.get(text);
    flow.remotes.delete(text);
    flow.remotes.set(text, known ?? destination);
    if (flow.remotes.size > MOST_REMOTES) {
      const [oldest] = flow.remotes.keys();
      flow.remotes.delete(oldest);
    }
    return text;
  }

  #whenReady(flow: UdpFlow, send: () => void): void {
    if (!flow.ready) {
      if (flow.waiting.length < MOST_WAITING) flow.waiting.push(send);
      else this.dropped++;
    } else if (flow.socket.getSendQueueSize() < MOST_QUEUED_BYTES) send();
    else this.dropped++;
  }

  #failed(flow: UdpFlow, head: Uint8Array, error: NodeJS.ErrnoException): void {
    if (!this.#flows.has(flow)) return;
    const reason = REASONS[error.code ?? ""];
    if (reason !== undefined && head.length > 0) this.#around.icmp.sendError(flow.mac, head, reason);
    else this.#around.log("debug", `UDP of ${formatEndpoint(flow.guest, flow.guestPort)}: ${error.message}`);
  }

  #evict(): void {
    let idlest: UdpFlow | undefined;
    for (const flow of this.#flows) if (idlest === undefined || flow.lastActiveNs < idlest.lastActiveNs) idlest = flow;
    if (idlest !== undefined) this.#close(idlest);
  }

  #close(flow: UdpFlow): void {
    if (!this.#flows.delete(flow)) return;
    this.#table.delete(flow);
    flow.timer.dispose();
    flow.waiting = [];
    flow.socket.close();
  }
}

const REASONS: Record<string, IcmpError | undefined> = {
  ECONNREFUSED: "port",
  ENETUNREACH: "network",
  EADDRNOTAVAIL: "network",
  EHOSTUNREACH: "host",
  EHOSTDOWN: "host",
  EACCES: "prohibited",
  EPERM: "prohibited",
};

/** Payload of a read UDP frame by the header's own length; undefined: it is no whole datagram. */
export function udpPayload(frame: FrameReader): Uint8Array | undefined {
  const { bytes, transport, end } = frame;
  const length = get16(bytes, transport + 4);
  if (length < 8 || transport + length > end) return undefined;
  return bytes.subarray(transport + 8, transport + length);
}

/** A host's address in text, as a socket says it, without a zone and as IPv4 where it is mapped. */
export const addressOfSocket = (text: string): Uint8Array | undefined =>
  parseIp(text.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, ""));
