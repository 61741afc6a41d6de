import { FrameReader, GsoType, IpProtocol, pseudoHeaderSum4, pseudoHeaderSum6 } from "@xen-node/packets";

const TCP_CHECKSUM = 16;
const reader = new FrameReader();

/** Whether a frame is what its GSO type says: a whole TCP segment over the right version of IP. */
export function isGsoFrame(bytes: Uint8Array, gsoType: number): boolean {
  const version = gsoType === GsoType.tcpv4 ? 4 : gsoType === GsoType.tcpv6 ? 6 : -1;
  const frame = reader.read(bytes);
  return frame.ipVersion === version && frame.protocol === IpProtocol.tcp && frame.transport !== 0 && !frame.fragment;
}

/** Puts the sum over the pseudo-header alone into the checksum field of a TCP frame, as a blank checksum has it. */
export function blankTcpChecksum(bytes: Uint8Array): void {
  const { network, transport, end, protocol, ipVersion } = reader.read(bytes);
  const length = end - transport;
  const sum =
    ipVersion === 4
      ? pseudoHeaderSum4(bytes, network, protocol, length)
      : pseudoHeaderSum6(bytes, network, protocol, length);
  bytes[transport + TCP_CHECKSUM] = sum >>> 8;
  bytes[transport + TCP_CHECKSUM + 1] = sum;
}
