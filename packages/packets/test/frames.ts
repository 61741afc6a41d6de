import { checksumOf, EtherType, IpProtocol, pseudoHeaderSum4, pseudoHeaderSum6, sumBytes } from "../src/index.ts";

/** What a TCP frame for a test is made of. */
export interface TcpFrame {
  version: 4 | 6;
  payload: Uint8Array;
  vlans?: number[];
  ipOptions?: number;
  extensions?: number[];
  tcpOptions?: number;
  flags?: number;
  sequence?: number;
  identification?: number;
}

function join(...parts: (Uint8Array | number[])[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
const be16 = (value: number): number[] => [(value >>> 8) & 255, value & 255];
const be32 = (value: number): number[] => [...be16(value >>> 16), ...be16(value & 0xffff)];

export const ethernet = (etherType: number, payload: Uint8Array, vlans: number[] = []): Uint8Array =>
  join(
    [0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1],
    ...vlans.map((vlan) => [...be16(EtherType.vlan), ...be16(vlan)]),
    be16(etherType),
    payload,
  );

export function ipv4(protocol: number, payload: Uint8Array, options = 0, identification = 7, fragment = 0): Uint8Array {
  const headerBytes = 20 + options;
  const header = join(
    [0x40 | (headerBytes / 4), 0, ...be16(headerBytes + payload.length), ...be16(identification)],
    [...be16(fragment), 64, protocol, 0, 0, 10, 0, 2, 15, 192, 0, 2, 7],
    new Uint8Array(options).fill(1),
  );
  header.set(be16(checksumOf(sumBytes(header, 0, header.length))), 10);
  return join(header, payload);
}

/** `extensions` are the types of option-like headers of 8 bytes each. */
export function ipv6(protocol: number, payload: Uint8Array, extensions: number[] = []): Uint8Array {
  const chain = [...extensions, protocol];
  const headers = extensions.flatMap((_, index) => [chain[index + 1], 0, 1, 4, 0, 0, 0, 0]);
  return join(
    [0x60, 0, 0, 0, ...be16(headers.length + payload.length), chain[0], 64],
    [0xfd, ...new Array(14).fill(0), 1],
    [0x20, 1, 0xd, 0xb8, ...new Array(11).fill(0), 9],
    headers,
    payload,
  );
}

/** A TCP frame whose checksum holds the sum over the pseudo-header alone, as guests leave it. */
export function tcpFrame(shape: TcpFrame): Uint8Array {
  const options = shape.tcpOptions ?? 0;
  const segment = join(
    [...be16(40000), ...be16(443), ...be32(shape.sequence ?? 1), ...be32(99)],
    [((20 + options) / 4) << 4, shape.flags ?? 0x10, ...be16(1000), 0, 0, 0, 0],
    new Uint8Array(options).fill(1),
    shape.payload,
  );
  const datagram =
    shape.version === 4
      ? ipv4(IpProtocol.tcp, segment, shape.ipOptions, shape.identification)
      : ipv6(IpProtocol.tcp, segment, shape.extensions);
  const sum = (shape.version === 4 ? pseudoHeaderSum4 : pseudoHeaderSum6)(datagram, 0, IpProtocol.tcp, segment.length);
  datagram.set(be16(sum), datagram.length - segment.length + 16);
  return ethernet(shape.version === 4 ? EtherType.ipv4 : EtherType.ipv6, datagram, shape.vlans);
}

export function udpFrame(version: 4 | 6, payload: Uint8Array, trailer = 0): Uint8Array {
  const datagram = join(
    [...be16(5353), ...be16(53), ...be16(8 + payload.length), 0, 0],
    payload,
    new Uint8Array(trailer).fill(0x5a),
  );
  return version === 4
    ? ethernet(EtherType.ipv4, ipv4(IpProtocol.udp, datagram))
    : ethernet(EtherType.ipv6, ipv6(IpProtocol.udp, datagram));
}
