// All TCP connections: finds the one a segment belongs to, opens them, bounds them, answers what belongs to none.

import { type FrameReader, formatMac, sameBytes, TcpFlag } from "@xen-node/packets";
import { FlowTable, flowKey } from "../flow-table.ts";
import { addressesOf } from "../frame-addresses.ts";
import type { HostStreamError, OpenHostStream } from "../host-stream.ts";
import type { RandomSource, UserNetLimits } from "../options.ts";
import { RateLimit } from "../rate-limit.ts";
import type { TimerQueue } from "../timers.ts";
import { InitialSequence } from "./initial-sequence.ts";
import { MemoryBudget } from "./memory-budget.ts";
import { type SegmentOutput, segmentPath } from "./segment-output.ts";
import { sequenceAdd } from "./sequence.ts";
import { type ConnectionContext, TcpConnection } from "./tcp-connection.ts";
import { TcpSegment } from "./tcp-segment.ts";

/** What the stack asks of the network around it. */
export interface TcpSurroundings {
  readonly timers: TimerQueue;
  readonly output: SegmentOutput;
  readonly random: RandomSource;
  readonly limits: UserNetLimits;
  /** Our MAC address. */
  readonly mac: Uint8Array;
  /** How to reach what a guest connects to; undefined: it is refused. */
  route(address: Uint8Array, port: number): OpenHostStream | undefined;
  /** Destination unreachable, for a SYN that stood in `head` (from the IP header on). */
  unreachable(mac: Uint8Array, head: Uint8Array, reason: "network" | "host"): void;
}

export interface TcpCounters {
  opened: number;
  refused: number;
  evicted: number;
  droppedSyns: number;
}

/** Bytes of a SYN that go into an ICMP error: the longest IPv4 header, or IPv6's, and 8 more. */
const HEAD_BYTES = 68;

export class TcpStack {
  readonly budget: MemoryBudget;
  readonly counters: TcpCounters = { opened: 0, refused: 0, evicted: 0, droppedSyns: 0 };
  readonly #around: TcpSurroundings;
  readonly #table: FlowTable<TcpConnection>;
  readonly #initial: InitialSequence;
  /** By the guest's MAC address, with those that only the host's side still holds. */
  readonly #ofGuest = new Map<string, Set<TcpConnection>>();
  readonly #context: ConnectionContext;
  readonly #segment = new TcpSegment();
  readonly #resets = new RateLimit(1000, 200);
  #count = 0;

  constructor(around: TcpSurroundings) {
    const { limits } = around;
    this.#around = around;
    this.#table = new FlowTable(around.random.nextU32());
    this.#initial = new InitialSequence(around.random, around.timers);
    this.budget = new MemoryBudget(limits.totalBufferBytes);
    this.#context = {
      timers: around.timers,
      output: around.output,
      budget: this.budget,
      receiveBufferBytes: limits.receiveBufferBytes,
      sendBufferBytes: limits.sendBufferBytes,
      hostFailed: (connection, error) => this.#hostFailed(connection, error),
      guestDone: (connection) => {
        if (this.#table.findKey(connection.key) === connection) this.#table.delete(connection);
      },
      done: (connection) => this.#forget(connection),
    };
  }

  /** Connections, with those whose last bytes the host is still taking. */
  get count(): number {
    return this.#count;
  }

  *connections(): IterableIterator<TcpConnection> {
    for (const connections of this.#ofGuest.values()) yield* connections;
  }

  /** A TCP segment, its checksum checked; false: it belongs to no connection (see `receiveOther`). */
  receive(frame: FrameReader): boolean {
    const { bytes, network, ipVersion, transport } = frame;
    const addressBytes = ipVersion === 4 ? 8 : 32;
    const connection = this.#table.find(bytes, network + (ipVersion === 4 ? 12 : 8), addressBytes, transport);
    if (connection === undefined) return false;
    // Another guest's address doesn't give access to its connections.
    if (!sameBytes(bytes, 6, connection.mac, 0, 6)) return true;
    const segment = this.#segment;
    segment.read(frame);
    if ((segment.flags & TcpFlag.syn) !== 0) {
      segment.readOptions(frame);
      if (isOpening(segment) && connection.mayBeReplacedBy(segment)) {
        connection.reset();
        return false;
      }
    }
    connection.receive(segment);
    return true;
  }

  /** A segment that belongs to no connection, from a guest's proper address: opens one, or is refused. */
  receiveOther(frame: FrameReader): void {
    const segment = this.#segment;
    segment.read(frame);
    if (!isOpening(segment)) {
      this.#answerStray(frame, segment);
      return;
    }
    segment.readOptions(frame);
    this.#open(frame, segment);
  }

  /**
   * Opens a connection to a guest, for a stream that is there.
   *
   * @returns false if the addresses are in use or there is no room; then the stream has not been touched.
   */
  connectGuest(
    mac: Uint8Array,
    source: Uint8Array,
    sourcePort: number,
    guest: Uint8Array,
    guestPort: number,
    open: OpenHostStream,
  ): boolean {
    const key = flowKey(guest, guestPort, source, sourcePort);
    if (this.#table.findKey(key) !== undefined || !this.#makeRoom(formatMac(mac))) return false;
    const path = segmentPath(mac, this.#around.mac, source, sourcePort, guest, guestPort);
    const initial = this.#initial.of(key);
    this.#add(new TcpConnection({ key, mac: mac.slice(), path, initial }, this.#context, open, undefined));
    return true;
  }

  /** Ends all connections of a guest. */
  forgetGuest(mac: Uint8Array): void {
    for (const connection of [...(this.#ofGuest.get(formatMac(mac)) ?? [])]) connection.reset();
  }

  close(): void {
    for (const connection of [...this.connections()]) connection.reset();
  }

  #open(frame: FrameReader, segment: TcpSegment): void {
    const { bytes, network, end } = frame;
    const [source, destination] = addressesOf(frame);
    const mac = bytes.slice(6, 12);
    const route = this.#around.route(destination, frame.destinationPort);
    if (route === undefined) {
      this.counters.refused++;
      this.#answerStray(frame, segment);
      return;
    }
    const name = formatMac(mac);
    if (this.#backlogFull(name) || !this.#makeRoom(name)) {
      this.counters.droppedSyns++;
      return;
    }
    const key = flowKey(source, frame.sourcePort, destination, frame.destinationPort);
    const path = segmentPath(mac, this.#around.mac, destination, frame.destinationPort, source, frame.sourcePort);
    const synHead = bytes.slice(network, Math.min(end, network + HEAD_BYTES));
    const initial = this.#initial.of(key);
    this.#add(new TcpConnection({ key, mac, path, initial, synHead }, this.#context, route, segment));
  }

  #add(connection: TcpConnection): void {
    this.counters.opened++;
    this.#count++;
    this.#table.add(connection);
    const name = formatMac(connection.mac);
    const connections = this.#ofGuest.get(name);
    if (connections === undefined) this.#ofGuest.set(name, new Set([connection]));
    else connections.add(connection);
  }

  #forget(connection: TcpConnection): void {
    const name = formatMac(connection.mac);
    const connections = this.#ofGuest.get(name);
    if (connections === undefined || !connections.delete(connection)) return;
    this.#count--;
    if (connections.size === 0) this.#ofGuest.delete(name);
  }

  #backlogFull(name: string): boolean {
    const connections = this.#ofGuest.get(name);
    const { backlogPerGuest } = this.#around.limits;
    if (connections === undefined || connections.size < backlogPerGuest) return false;
    let opening = 0;
    for (const connection of connections) if (connection.opening && ++opening >= backlogPerGuest) return true;
    return false;
  }

  /** Makes room for one more connection of a guest; false: even without its idlest there would be none. */
  #makeRoom(name: string): boolean {
    const { limits } = this.#around;
    const connections = this.#ofGuest.get(name);
    if ((connections?.size ?? 0) < limits.connectionsPerGuest && this.#count < limits.connections) return true;
    if (connections === undefined) return false;
    let idlest: TcpConnection | undefined;
    for (const connection of connections)
      if (idlest === undefined || connection.lastActiveNs < idlest.lastActiveNs) idlest = connection;
    if (idlest === undefined) return false;
    this.counters.evicted++;
    idlest.reset();
    // The socket's own end comes later; the connection no longer counts.
    this.#forget(idlest);
    return true;
  }

  #hostFailed(connection: TcpConnection, error: HostStreamError): void {
    this.counters.refused++;
    const { synHead } = connection;
    if (synHead === undefined) return;
    if (error.code === "ENETUNREACH" || error.code === "EADDRNOTAVAIL" || error.code === "EAFNOSUPPORT")
      this.#around.unreachable(connection.mac, synHead, "network");
    else if (error.code === "EHOSTUNREACH" || error.code === "ETIMEDOUT" || error.code === "EHOSTDOWN")
      this.#around.unreachable(connection.mac, synHead, "host");
    else connection.refuse();
  }

  /** A reset for what belongs to no connection (RFC 9293, 3.10.7.1). */
  #answerStray(frame: FrameReader, segment: TcpSegment): void {
    const { flags, length } = segment;
    if ((flags & TcpFlag.rst) !== 0 || !this.#resets.take(this.#around.timers.nowNs())) return;
    const [source, destination] = addressesOf(frame);
    const mac = frame.bytes.subarray(6, 12);
    const path = segmentPath(mac, this.#around.mac, destination, frame.destinationPort, source, frame.sourcePort);
    const acknowledges = (flags & TcpFlag.ack) !== 0;
    const counted = length + ((flags & TcpFlag.syn) !== 0 ? 1 : 0) + ((flags & TcpFlag.fin) !== 0 ? 1 : 0);
    this.#around.output.send(
      path,
      acknowledges ? segment.acknowledgment : 0,
      acknowledges ? 0 : sequenceAdd(segment.sequence, counted),
      acknowledges ? TcpFlag.rst : TcpFlag.rst | TcpFlag.ack,
      0,
      undefined,
      undefined,
      0,
      0,
      1,
    );
  }
}

/** A plain SYN. */
const isOpening = (segment: TcpSegment): boolean =>
  (segment.flags & (TcpFlag.syn | TcpFlag.ack | TcpFlag.rst | TcpFlag.fin)) === TcpFlag.syn;
