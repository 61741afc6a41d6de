import { FrameReader, IpProtocol } from "@xen-node/packets";

const HIGH = 0x1000000;

/** A MAC address as one exact number, to be a key. */
export const macNumber = (bytes: Uint8Array, at = 0): number =>
  ((bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2]) * HIGH +
  ((bytes[at + 3] << 16) | (bytes[at + 4] << 8) | bytes[at + 5]);

/** The other way round. */
export function macBytes(mac: number): Uint8Array {
  const high = Math.floor(mac / HIGH);
  const low = mac % HIGH;
  return Uint8Array.of(high >>> 16, high >>> 8, high, low >>> 16, low >>> 8, low);
}

/** A big-endian word, signed. */
export const word32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];

const word24 = (bytes: Uint8Array, at: number): number => (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];

/** What rules, address checks and flow counters ask of a frame, read once, as plain numbers. */
export class FrameFields {
  readonly frame = new FrameReader();
  /** MAC addresses in halves of 24 bits. */
  destinationHigh = 0;
  destinationLow = 0;
  sourceHigh = 0;
  sourceLow = 0;
  /** IP addresses in big-endian words; of IPv4 only the first is used, the rest is 0. */
  readonly source = new Int32Array(4);
  readonly destination = new Int32Array(4);
  /** -1 without. */
  icmpType = -1;

  /** Reads a frame of at least an Ethernet header. */
  read(bytes: Uint8Array): void {
    const frame = this.frame.read(bytes);
    this.destinationHigh = word24(bytes, 0);
    this.destinationLow = word24(bytes, 3);
    this.sourceHigh = word24(bytes, 6);
    this.sourceLow = word24(bytes, 9);
    this.icmpType = -1;
    const { source, destination } = this;
    const at = frame.network;
    if (frame.ipVersion === 6) {
      for (let i = 0; i < 4; i++) {
        source[i] = word32(bytes, at + 8 + 4 * i);
        destination[i] = word32(bytes, at + 24 + 4 * i);
      }
    } else {
      const ipv4 = frame.ipVersion === 4;
      source.fill(0);
      destination.fill(0);
      source[0] = ipv4 ? word32(bytes, at + 12) : 0;
      destination[0] = ipv4 ? word32(bytes, at + 16) : 0;
    }
    if (frame.transport > 0 && (frame.protocol === IpProtocol.icmp || frame.protocol === IpProtocol.icmpv6))
      this.icmpType = bytes[frame.transport];
  }

  get sourceMac(): number {
    return this.sourceHigh * HIGH + this.sourceLow;
  }

  get destinationMac(): number {
    return this.destinationHigh * HIGH + this.destinationLow;
  }

  get toGroup(): boolean {
    return (this.destinationHigh & 0x010000) !== 0;
  }
}
