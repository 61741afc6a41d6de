// A guest's TCP, written for these tests alone and as plainly as possible: one connection, go-back-N, a fixed time-out.
import { type Packet, plainPacket, TcpFlag, transportChecksumHolds } from "@xen-node/packets";
import type { NetClock } from "../src/timers.ts";
import { GATEWAY_MAC, GUEST_MAC, parse, tcpFrame } from "./frames.ts";

const after = (a: number, b: number): number => (a - b) | 0;

export interface GuestTcpOptions {
  clock: NetClock;
  send: (packet: Packet) => void;
  address: Uint8Array;
  port: number;
  remote: Uint8Array;
  remotePort: number;
  mss?: number;
  /** Window scale that is offered; -1: none. */
  scale?: number;
  /** Bytes that it takes before the application reads them. */
  buffer?: number;
  initial?: number;
  /** Packets of up to this payload, marked as GSO, are sent. */
  gso?: number;
  mac?: Uint8Array;
}

const TIMEOUT_NS = 400e6;

export class GuestTcp {
  state: "closed" | "synSent" | "listening" | "synReceived" | "open" | "reset" = "closed";
  /** Everything that has come, in order. */
  readonly received: Uint8Array[] = [];
  receivedBytes = 0;
  remoteFinished = false;
  /** Our FIN has been acknowledged. */
  finished = false;
  /** False: the window shuts as `buffer` fills. */
  reading = true;
  /** The largest packet that came. */
  largest = 0;
  badChecksums = 0;
  remoteMss = 0;
  remoteScale = 0;
  readonly #options: Required<GuestTcpOptions>;
  #unread = 0;
  #outgoing: Uint8Array = new Uint8Array(0);
  #finQueued = false;
  #unacknowledged: number;
  #next: number;
  #expected = 0;
  #window = 0;
  #cancel: (() => void) | undefined;
  #early = new Map<number, Uint8Array>();
  #earlyFin = -1;

  constructor(options: GuestTcpOptions) {
    this.#options = { mss: 1460, scale: 7, buffer: 1 << 20, initial: 1000, gso: 0, mac: GUEST_MAC, ...options };
    this.#unacknowledged = this.#options.initial;
    this.#next = this.#options.initial;
  }

  get expected(): number {
    return this.#expected;
  }

  get nextSequence(): number {
    return this.#next;
  }

  get unacknowledgedBytes(): number {
    return this.#outgoing.length;
  }

  get text(): string {
    return Buffer.concat(this.received).toString();
  }

  connect(): void {
    this.state = "synSent";
    this.#sendSyn();
    this.#arm();
  }

  listen(): void {
    this.state = "listening";
  }

  write(bytes: Uint8Array): void {
    const joined = new Uint8Array(this.#outgoing.length + bytes.length);
    joined.set(this.#outgoing);
    joined.set(bytes, this.#outgoing.length);
    this.#outgoing = joined;
    this.#pump();
  }

  finish(): void {
    this.#finQueued = true;
    this.#pump();
  }

  reset(): void {
    this.#emit(TcpFlag.rst | TcpFlag.ack, this.#next);
    this.#end("reset");
  }

  /** Opens the window again. */
  read(): void {
    this.reading = true;
    this.#unread = 0;
    this.#emit(TcpFlag.ack, this.#next);
  }

  receive(packet: Packet): void {
    const segment = parse(packet.bytes);
    const { clock: _clock, ...options } = this.#options;
    if (segment.protocol !== 6 || segment.destinationPort !== options.port) return;
    if (segment.sourcePort !== options.remotePort && this.state !== "listening") return;
    if (!packet.checksumBlank && transportChecksumHolds(packet.bytes) !== true) this.badChecksums++;
    this.largest = Math.max(this.largest, segment.payload.length);
    const { flags } = segment;
    if ((flags & TcpFlag.rst) !== 0) {
      if (this.state === "synSent" || segment.sequence === this.#expected) this.#end("reset");
      return;
    }
    if ((flags & TcpFlag.syn) !== 0) {
      this.#receiveSyn(segment);
      return;
    }
    if (this.state === "synReceived") this.state = "open";
    if (this.state !== "open") return;
    this.#window = segment.window << this.remoteScale;
    const acknowledged = after(segment.acknowledgment, this.#unacknowledged);
    const sent = after(this.#next, this.#unacknowledged);
    if (acknowledged > 0 && acknowledged <= Math.max(sent, this.#outgoing.length + 1)) {
      if (acknowledged > this.#outgoing.length && this.#finQueued) this.finished = true;
      this.#outgoing = this.#outgoing.subarray(Math.min(acknowledged, this.#outgoing.length));
      this.#unacknowledged = segment.acknowledgment;
      if (after(this.#next, this.#unacknowledged) < 0) this.#next = this.#unacknowledged;
      this.#arm();
    }
    if (segment.payload.length > 0 || (flags & TcpFlag.fin) !== 0) this.#take(segment);
    this.#pump();
  }

  #receiveSyn(segment: ReturnType<typeof parse>): void {
    for (let at = 0; at < segment.options.length; ) {
      const kind = segment.options[at];
      if (kind === 1) {
        at++;
        continue;
      }
      if (kind === 2) this.remoteMss = (segment.options[at + 2] << 8) | segment.options[at + 3];
      if (kind === 3 && this.#options.scale >= 0) this.remoteScale = segment.options[at + 2];
      at += segment.options[at + 1];
    }
    if (this.state === "synSent" && segment.acknowledgment === (this.#options.initial + 1) >>> 0) {
      this.#unacknowledged = segment.acknowledgment;
      this.#next = segment.acknowledgment;
      this.#expected = (segment.sequence + 1) >>> 0;
      this.#window = segment.window;
      this.state = "open";
      this.#emit(TcpFlag.ack, this.#next);
      this.#pump();
    } else if (this.state === "listening" || this.state === "synReceived") {
      this.#options.remotePort = segment.sourcePort;
      this.#expected = (segment.sequence + 1) >>> 0;
      this.#unacknowledged = (this.#options.initial + 1) >>> 0;
      this.#next = this.#unacknowledged;
      this.#window = segment.window;
      this.state = "synReceived";
      this.#sendSyn();
    } else if (this.state === "open") this.#emit(TcpFlag.ack, this.#next);
  }

  #take(segment: ReturnType<typeof parse>): void {
    if ((segment.flags & TcpFlag.fin) !== 0) this.#earlyFin = (segment.sequence + segment.payload.length) >>> 0;
    const old = after(this.#expected, segment.sequence);
    if (segment.payload.length > 0 && old < segment.payload.length) {
      if (old >= 0) this.#deliver(segment.payload.subarray(old));
      else if (this.#early.size < 64) this.#early.set(segment.sequence, segment.payload);
    }
    for (let again = true; again; ) {
      again = false;
      for (const [sequence, bytes] of this.#early) {
        const skip = after(this.#expected, sequence);
        if (skip < 0) continue;
        this.#early.delete(sequence);
        if (skip < bytes.length) this.#deliver(bytes.subarray(skip));
        again = true;
      }
    }
    if (this.#earlyFin === this.#expected && !this.remoteFinished) {
      this.remoteFinished = true;
      this.#expected = (this.#expected + 1) >>> 0;
    }
    this.#emit(TcpFlag.ack, this.#next);
  }

  #deliver(bytes: Uint8Array): void {
    const room = this.reading ? bytes.length : Math.max(0, this.#options.buffer - this.#unread);
    const taken = bytes.subarray(0, room);
    if (taken.length === 0) return;
    this.received.push(taken.slice());
    this.receivedBytes += taken.length;
    if (!this.reading) this.#unread += taken.length;
    this.#expected = (this.#expected + taken.length) >>> 0;
  }

  #windowField(): number {
    const room = Math.max(0, this.#options.buffer - this.#unread);
    return Math.min(65535, room >>> (this.remoteScale > 0 ? Math.max(0, this.#options.scale) : 0));
  }

  #pump(): void {
    if (this.state !== "open") return;
    const { mss, gso } = this.#options;
    for (;;) {
      const offset = after(this.#next, this.#unacknowledged);
      const left = this.#outgoing.length - offset;
      if (left < 0 || (left === 0 && !this.#finQueued)) break;
      const usable = Math.max(0, Math.max(1, this.#window) - offset);
      const length = Math.min(left, usable, Math.max(mss, gso));
      const fin = this.#finQueued && length === left;
      if (length === 0 && !fin) break;
      const payload = this.#outgoing.subarray(offset, offset + length);
      const flags = TcpFlag.ack | (fin ? TcpFlag.fin : 0) | (length === left ? TcpFlag.psh : 0);
      this.#emit(flags, this.#next, payload);
      this.#next = (this.#next + length + (fin ? 1 : 0)) >>> 0;
      if (fin) break;
    }
    if (this.#cancel === undefined && this.#next !== this.#unacknowledged) this.#arm();
  }

  #sendSyn(): void {
    const { mss, scale, initial } = this.#options;
    const options = [2, 4, mss >>> 8, mss & 255];
    if (scale >= 0) options.push(1, 3, 3, scale);
    const reply = this.state === "synReceived";
    this.#send(TcpFlag.syn | (reply ? TcpFlag.ack : 0), initial, new Uint8Array(0), 65535, options);
  }

  #emit(flags: number, sequence: number, payload = new Uint8Array(0) as Uint8Array): void {
    this.#send(flags, sequence, payload, this.#windowField(), []);
  }

  #send(flags: number, sequence: number, payload: Uint8Array, window: number, options: number[]): void {
    const { address: source, remote: destination, port, remotePort, mss, mac } = this.#options;
    const acknowledgment = (flags & TcpFlag.ack) !== 0 ? this.#expected : 0;
    const tcp = { sourcePort: port, destinationPort: remotePort, sequence, acknowledgment, flags, window };
    const frame = tcpFrame({ source, destination, sourceMac: mac, mac: GATEWAY_MAC }, { ...tcp, options, payload });
    const large = payload.length > mss;
    this.#options.send(
      large
        ? { bytes: frame, checksumBlank: true, checksumValid: true, gsoType: source.length === 4 ? 1 : 2, gsoSize: mss }
        : plainPacket(frame),
    );
  }

  #arm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const idle = this.#next === this.#unacknowledged;
    if (this.state === "reset" || (this.state === "open" && idle && this.#outgoing.length === 0)) return;
    this.#cancel = this.#options.clock.setTimer(() => {
      this.#cancel = undefined;
      if (this.state === "synSent" || this.state === "synReceived") this.#sendSyn();
      else {
        this.#next = this.#unacknowledged;
        this.#pump();
      }
      this.#arm();
    }, TIMEOUT_NS);
  }

  #end(state: "reset"): void {
    this.state = state;
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
