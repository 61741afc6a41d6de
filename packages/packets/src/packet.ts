/** What `Packet.gsoType` may be. Values of XEN_NETIF_GSO_TYPE_* (xen/include/public/io/netif.h). */
export const GsoType = { none: 0, tcpv4: 1, tcpv6: 2 } as const;

/**
 * An Ethernet frame on its way, with what its sender left for others to do. Whoever receives one may read it until the
 * call returns, and must copy what it keeps; nobody changes `bytes`.
 */
export interface Packet {
  /** From the destination address on, without preamble and FCS. */
  readonly bytes: Uint8Array;
  /**
   * The TCP or UDP checksum holds the sum over the pseudo-header alone. Whoever lets the frame out of this process
   * completes it (`completeChecksum`); a receiver here may take it as right.
   */
  readonly checksumBlank: boolean;
  /** Somebody has checked the transport checksum, or it never left this process. Implied by `checksumBlank`. */
  readonly checksumValid: boolean;
  /** One of GsoType: a TCP segment that is longer than the link's MTU and is to be cut (`framesOf`) for links that need it. */
  readonly gsoType: number;
  /** Payload bytes in each of the cut segments; 0 without GSO. */
  readonly gsoSize: number;
}

/** A frame that needs nothing. */
export function plainPacket(bytes: Uint8Array, checksumValid = false): Packet {
  return { bytes, checksumBlank: false, checksumValid, gsoType: GsoType.none, gsoSize: 0 };
}

/** The packet with bytes of its own, for who keeps it. */
export function copyPacket(packet: Packet): Packet {
  // Not slice(): if the bytes are a Buffer of Node, that one copies nothing.
  return { ...packet, bytes: new Uint8Array(packet.bytes) };
}
