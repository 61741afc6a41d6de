import { completeChecksum, framesOf, type Packet } from "@xen-node/packets";
import { PcapngDirection, pcapngHeader, pcapngPacket } from "./pcapng.ts";
import type { Direction } from "./rule.ts";

/**
 * Takes a piece of the file; the bytes are its own. False: it took this one, but wants no more before `Capture.ready` is
 * called; packets are lost (and counted, in the file too) until then.
 */
export type CaptureSink = (bytes: Uint8Array) => boolean | undefined;

export interface CaptureOptions {
  /** Bytes kept of each packet. Default: all. */
  snapLength?: number;
  /** Completes checksums that were left to others, so that readers don't call them wrong. Default true. */
  completeChecksums?: boolean;
  /** Cuts large TCP segments into the frames that a real link would carry. Default false: they stay whole. */
  segment?: boolean;
  /** Marks packets as inbound or outbound, from the device's view. Default true. */
  directions?: boolean;
  /** Milliseconds since 1970 at the start; packets are stamped from there on by the network's clock. Default Date.now. */
  startMs?: number;
}

/** A running capture of one port. */
export interface Capture {
  /** Packets written to the sink. */
  readonly packets: number;
  /** Packets lost because the sink was full. */
  readonly lost: number;
  /** The sink has room again. */
  ready(): void;
  /** Ends the capture; nothing is written any more. */
  close(): void;
}

/** A packet as it passed a port, with bytes of its own. */
export interface PassedPacket {
  readonly direction: Direction;
  readonly packet: Packet;
  readonly nowNs: number;
}

const WORD = 2 ** 32;

/** Writes what passes a port as a pcapng file. */
export class PortCapture implements Capture {
  packets = 0;
  lost = 0;
  readonly #sink: CaptureSink;
  readonly #options: CaptureOptions;
  readonly #onClose: (capture: PortCapture) => void;
  readonly #startNs: number;
  readonly #epochHigh: number;
  readonly #epochLow: number;
  #lostSince = 0;
  #full: boolean;
  #closed = false;

  constructor(
    interfaceName: string,
    sink: CaptureSink,
    options: CaptureOptions,
    nowNs: number,
    onClose: (capture: PortCapture) => void,
  ) {
    this.#sink = sink;
    this.#options = options;
    this.#onClose = onClose;
    this.#startNs = nowNs;
    // Nanoseconds since 1970 are beyond 2^53, so they are kept in halves.
    const epochNs = BigInt(Math.floor(options.startMs ?? Date.now())) * 1_000_000n;
    this.#epochHigh = Number(epochNs >> 32n);
    this.#epochLow = Number(epochNs & 0xffffffffn);
    this.#full = sink(pcapngHeader(interfaceName, options.snapLength ?? 0)) === false;
  }

  write({ direction, packet, nowNs }: PassedPacket): void {
    if (this.#closed) return;
    if (this.#full) {
      this.lost++;
      this.#lostSince++;
      return;
    }
    const { segment = false, completeChecksums = true } = this.#options;
    if (segment) for (const frame of framesOf(packet) ?? [packet.bytes]) this.#writeFrame(frame, direction, nowNs);
    else {
      // Captures of one port share the packet, so it is completed in a copy.
      const bytes = packet.checksumBlank && completeChecksums ? new Uint8Array(packet.bytes) : packet.bytes;
      if (bytes !== packet.bytes) completeChecksum(bytes);
      this.#writeFrame(bytes, direction, nowNs);
    }
    this.packets++;
  }

  ready(): void {
    this.#full = false;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose(this);
  }

  #writeFrame(frame: Uint8Array, direction: Direction, nowNs: number): void {
    const { snapLength = 0, directions = true } = this.#options;
    const kept = snapLength > 0 ? Math.min(snapLength, frame.length) : frame.length;
    const low = this.#epochLow + Math.max(0, Math.floor(nowNs - this.#startNs));
    const flag = direction === "in" ? PcapngDirection.inbound : PcapngDirection.outbound;
    const block = pcapngPacket({
      bytes: frame.subarray(0, kept),
      originalLength: frame.length,
      timestampHigh: this.#epochHigh + Math.floor(low / WORD),
      timestampLow: low % WORD,
      direction: directions ? flag : undefined,
      lostBefore: this.#lostSince,
    });
    this.#lostSince = 0;
    if (this.#sink(block) === false) this.#full = true;
  }
}
