import type { Readable, Writable } from "node:stream";
import { framesOf, type Packet, plainPacket } from "@xen-node/packets";
import { encodeFrames, FrameDecoder } from "./frame-decoder.ts";
import type { UplinkCounters, UplinkLimits, UplinkPort } from "./uplink.ts";

/** What a queued frame costs besides its bytes. */
const FRAME_COST = 64;

/** Carries frames between a port and a pair of byte streams, which may come and go. Both directions push back. */
export class FramePump {
  readonly #port: UplinkPort;
  readonly #maxFrameBytes: number;
  readonly #sendBufferBytes: number;
  readonly #receiveBufferBytes: number;
  readonly #counters = { framesSent: 0, bytesSent: 0, framesReceived: 0, bytesReceived: 0, unfit: 0, down: 0 };
  #queue: Uint8Array[] = [];
  #head = 0;
  #queuedCost = 0;
  #readable: Readable | undefined;
  #writable: Writable | undefined;
  #corked = false;
  #refusing = false;
  #detach: (() => void) | undefined;

  constructor(port: UplinkPort, limits: UplinkLimits) {
    this.#port = port;
    this.#maxFrameBytes = limits.maxFrameBytes ?? 65550;
    this.#sendBufferBytes = limits.sendBufferBytes ?? 1 << 20;
    this.#receiveBufferBytes = limits.receiveBufferBytes ?? 1 << 20;
    if ("carrier" in port) port.carrier = false;
    port.onTransmit = (budget) => this.#transmit(budget);
    port.onReceive = (packet) => this.#receive(packet);
    port.onReceiveEnd = () => this.#uncork();
    port.onSendReady = () => port.requestTransmit();
  }

  counters(): UplinkCounters {
    return { ...this.#counters };
  }

  /** Starts to carry frames. `onFault` is called once if the peer breaks the framing; nothing is read after that. */
  attach(readable: Readable, writable: Writable, onFault: (reason: string) => void): void {
    this.detach();
    const decoder = new FrameDecoder(this.#maxFrameBytes, (frame) => this.#enqueue(frame));
    const onData = (chunk: Uint8Array): void => {
      const fault = decoder.push(chunk);
      if (this.#head < this.#queue.length) this.#port.requestTransmit();
      if (fault !== undefined) {
        this.detach();
        onFault(fault);
      } else if (this.#queuedCost > this.#receiveBufferBytes) readable.pause();
    };
    const onDrain = (): void => this.#ready();
    readable.on("data", onData);
    writable.on("drain", onDrain);
    this.#readable = readable;
    this.#writable = writable;
    this.#detach = () => {
      readable.off("data", onData);
      writable.off("drain", onDrain);
    };
    if ("carrier" in this.#port) this.#port.carrier = true;
  }

  /** Stops. Frames that were received whole still go into the network. */
  detach(): void {
    if (this.#detach === undefined) return;
    this.#detach();
    this.#detach = undefined;
    this.#uncork();
    this.#readable = undefined;
    this.#writable = undefined;
    if ("carrier" in this.#port) this.#port.carrier = false;
    this.#ready();
  }

  /** Unplugs the port. */
  close(): void {
    this.detach();
    this.#queue = [];
    this.#head = 0;
    this.#queuedCost = 0;
    this.#port.onTransmit = undefined;
    this.#port.onReceive = undefined;
    this.#port.onReceiveEnd = undefined;
    this.#port.onSendReady = undefined;
  }

  #enqueue(frame: Uint8Array): void {
    this.#queue.push(frame);
    this.#queuedCost += frame.length + FRAME_COST;
  }

  #transmit(budget: number): boolean {
    for (let sent = 0; sent < budget && this.#head < this.#queue.length; sent++) {
      const frame = this.#queue[this.#head];
      if (!this.#port.send(plainPacket(frame))) break;
      this.#head++;
      this.#queuedCost -= frame.length + FRAME_COST;
      this.#counters.framesReceived++;
      this.#counters.bytesReceived += frame.length;
    }
    if (this.#head > 1024 || this.#head === this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    if (this.#readable?.isPaused() === true && this.#queuedCost < this.#receiveBufferBytes / 2) this.#readable.resume();
    return this.#head < this.#queue.length;
  }

  #receive(packet: Packet): boolean {
    const writable = this.#writable;
    if (writable === undefined || writable.destroyed) {
      this.#counters.down++;
      return true;
    }
    if (writable.writableLength > this.#sendBufferBytes) {
      this.#refusing = true;
      return false;
    }
    const frames = framesOf(packet);
    if (frames === undefined || frames.some((frame) => frame.length > this.#maxFrameBytes)) {
      this.#counters.unfit++;
      return true;
    }
    if (!this.#corked) {
      this.#corked = true;
      writable.cork();
    }
    writable.write(encodeFrames(frames));
    this.#counters.framesSent += frames.length;
    for (const frame of frames) this.#counters.bytesSent += frame.length;
    return true;
  }

  #uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#writable?.uncork();
  }

  #ready(): void {
    if (!this.#refusing) return;
    this.#refusing = false;
    this.#port.receiveReady();
  }
}
