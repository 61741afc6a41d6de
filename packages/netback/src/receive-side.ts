import { FrameReader, framesOf, GsoType, type Packet, plainPacket } from "@xen-node/packets";
import type { Connection } from "./connection.ts";
import { fitsWhole, isTooLong, slotsWhenCut } from "./fit.ts";
import { flowHash } from "./flow-hash.ts";
import type { NetworkPort } from "./network-port.ts";
import { type ReceiveQueue, slotsOf } from "./receive-queue.ts";
import type { DirectionStatistics } from "./statistics.ts";
import type { Timer } from "./timer.ts";
import { MOST_PACKET_BYTES } from "./transmit-queue.ts";

const ETHERNET_HEADER_BYTES = 14;

export interface ReceiveSideOptions {
  connection: Connection;
  port: NetworkPort;
  statistics: DirectionStatistics;
  mtu: number;
  /** How long a frontend without room holds up the network before its packets are dropped. */
  stallMs: number;
  timer: Timer;
  defer: (task: () => void) => void;
  onFault: (message: string) => void;
}

/**
 * From the network to the guest. A packet for which nothing is posted is refused, so that its sender keeps it; a frontend
 * that posts nothing for too long has its packets dropped until it does.
 */
export class ReceiveSide {
  private readonly options: ReceiveSideOptions;
  private readonly reader = new FrameReader();
  /** Ends the running timers of refusing queues. */
  private readonly timers = new Map<ReceiveQueue, () => void>();
  private turnWaits = false;

  constructor(options: ReceiveSideOptions) {
    this.options = options;
  }

  /** False: there is no room now. */
  receive(packet: Packet): boolean {
    const { connection, mtu } = this.options;
    const { bytes, gsoType } = packet;
    if (!connection.open || bytes.length < ETHERNET_HEADER_BYTES || bytes.length > MOST_PACKET_BYTES)
      return this.drop();
    const queue = this.queueOf(bytes);
    const whole = fitsWhole(packet, connection.features);
    if (gsoType === GsoType.none && isTooLong(bytes, mtu, connection.features)) return this.drop();
    const needed = whole ? slotsOf(packet) : slotsWhenCut(packet);
    if (!queue.hasRoom(needed)) return this.refuse(queue, needed);
    if (whole) queue.put(packet);
    else if (!this.putFrames(queue, packet)) return this.drop();
    queue.stalled = false;
    return true;
  }

  /** A run of packets is over: one notification for all. */
  receiveEnd(): void {
    if (this.options.connection.open) for (const queue of this.options.connection.receive) queue.push();
  }

  /** Inside of the guest's hypercall. */
  onEvent(): void {
    if (this.turnWaits || this.timers.size === 0) return;
    this.turnWaits = true;
    this.options.defer(() => {
      this.turnWaits = false;
      this.lookForRoom();
    });
  }

  /** Whoever was refused may go on: the packets are dropped now. */
  close(): void {
    const refusing = this.timers.size > 0;
    for (const cancel of this.timers.values()) cancel();
    this.timers.clear();
    if (refusing) this.options.port.receiveReady();
  }

  private putFrames(queue: ReceiveQueue, packet: Packet): boolean {
    const { connection, mtu } = this.options;
    const frames = framesOf(packet);
    if (frames === undefined) return false;
    const packets = frames.map((frame) => plainPacket(frame, true));
    // Headers longer than were reckoned with make more slots.
    if (!queue.hasRoom(packets.reduce((sum, frame) => sum + slotsOf(frame), 0))) return false;
    if (frames.some((frame) => isTooLong(frame, mtu, connection.features))) return false;
    for (const frame of packets) queue.put(frame);
    return true;
  }

  private queueOf(bytes: Uint8Array): ReceiveQueue {
    const { receive } = this.options.connection;
    return receive.length === 1 ? receive[0] : receive[flowHash(this.reader.read(bytes)) % receive.length];
  }

  private drop(): true {
    this.options.statistics.dropped++;
    return true;
  }

  private refuse(queue: ReceiveQueue, needed: number): boolean {
    const { timer, stallMs, onFault } = this.options;
    if (queue.fault !== undefined) {
      onFault(queue.fault);
      return this.drop();
    }
    // NaN and Infinity come of a GSO size of 0.
    if (queue.stalled || !(needed <= queue.size)) return this.drop();
    queue.awaitRoom(needed);
    if (!this.timers.has(queue))
      this.timers.set(
        queue,
        timer(() => this.onStall(queue), stallMs),
      );
    return false;
  }

  private lookForRoom(): void {
    const { connection, port, onFault } = this.options;
    if (!connection.open) return;
    let ready = false;
    for (const [queue, cancel] of this.timers) {
      if (!queue.hasRoom(queue.awaited)) {
        if (queue.fault !== undefined) {
          onFault(queue.fault);
          return;
        }
        // The event came of the ring's beginning, or what was posted is used already.
        queue.awaitRoom(queue.awaited);
        if (!queue.hasRoom(queue.awaited)) continue;
      }
      cancel();
      this.timers.delete(queue);
      ready = true;
    }
    if (ready) port.receiveReady();
  }

  private onStall(queue: ReceiveQueue): void {
    this.timers.delete(queue);
    if (!this.options.connection.open) return;
    queue.stalled = !queue.hasRoom(queue.awaited);
    this.options.port.receiveReady();
  }
}
