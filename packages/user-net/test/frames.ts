// Frames as a guest makes them.
import {
  checksumOf,
  completeChecksum,
  FrameReader,
  parseIpv4,
  parseIpv6,
  parseMac,
  pseudoHeaderSum6,
  sumBytes,
} from "@xen-node/packets";

export const GATEWAY_MAC = parseMac("52:55:0a:00:02:02") as Uint8Array;
export const GUEST_MAC = parseMac("52:54:00:12:34:56") as Uint8Array;
export const BROADCAST_MAC = parseMac("ff:ff:ff:ff:ff:ff") as Uint8Array;

export const ip4 = (text: string): Uint8Array => parseIpv4(text) as Uint8Array;
export const ip6 = (text: string): Uint8Array => parseIpv6(text) as Uint8Array;

export const be16 = (value: number): number[] => [(value >>> 8) & 255, value & 255];
export const be32 = (value: number): number[] => [...be16(value >>> 16), ...be16(value & 0xffff)];

export interface Ip {
  source: Uint8Array;
  destination: Uint8Array;
  protocol: number;
  mac?: Uint8Array;
  sourceMac?: Uint8Array;
  hopLimit?: number;
  /** IPv4's flags and offset field. */
  fragment?: number;
  identification?: number;
}

/** An IP packet over Ethernet, with its transport checksum completed where there is one. */
export function ipFrame(ip: Ip, transport: ArrayLike<number>): Uint8Array {
  const v4 = ip.source.length === 4;
  const header = v4
    ? [0x45, 0, ...be16(20 + transport.length), ...be16(ip.identification ?? 1), ...be16(ip.fragment ?? 0)]
    : [0x60, 0, 0, 0, ...be16(transport.length), ip.protocol, ip.hopLimit ?? 64];
  if (v4) header.push(ip.hopLimit ?? 64, ip.protocol, 0, 0);
  const frame = new Uint8Array((v4 ? 34 : 54) + transport.length);
  frame.set(ip.mac ?? GATEWAY_MAC);
  frame.set(ip.sourceMac ?? GUEST_MAC, 6);
  frame.set(be16(v4 ? 0x0800 : 0x86dd), 12);
  frame.set([...header, ...ip.source, ...ip.destination], 14);
  frame.set(transport, v4 ? 34 : 54);
  if (v4) frame.set(be16(checksumOf(sumBytes(frame, 14, 20))), 24);
  const at = v4 ? 34 : 54;
  if (ip.fragment !== undefined && ip.fragment !== 0) return frame;
  if (ip.protocol === 1) frame.set(be16(checksumOf(sumBytes(frame, at, transport.length))), at + 2);
  else if (ip.protocol === 58) {
    const sum = pseudoHeaderSum6(frame, 14, 58, transport.length);
    frame.set(be16(checksumOf(sumBytes(frame, at, transport.length, sum))), at + 2);
  } else completeChecksum(frame);
  return frame;
}

export function udpFrame(
  ip: Omit<Ip, "protocol">,
  sourcePort: number,
  destinationPort: number,
  payload: ArrayLike<number>,
): Uint8Array {
  const header = [...be16(sourcePort), ...be16(destinationPort), ...be16(8 + payload.length), 0, 0];
  return ipFrame({ ...ip, protocol: 17 }, [...header, ...Array.from(payload)]);
}

export interface TcpParts {
  sourcePort: number;
  destinationPort: number;
  sequence?: number;
  acknowledgment?: number;
  flags: number;
  window?: number;
  options?: readonly number[];
  payload?: Uint8Array;
}

export function tcpFrame(ip: Omit<Ip, "protocol">, tcp: TcpParts): Uint8Array {
  const options = tcp.options ?? [];
  const payload = tcp.payload ?? new Uint8Array(0);
  const segment = new Uint8Array(20 + options.length + payload.length);
  segment.set([
    ...be16(tcp.sourcePort),
    ...be16(tcp.destinationPort),
    ...be32(tcp.sequence ?? 0),
    ...be32(tcp.acknowledgment ?? 0),
    (20 + options.length) << 2,
    tcp.flags,
    ...be16(tcp.window ?? 65535),
  ]);
  segment.set(options, 20);
  segment.set(payload, 20 + options.length);
  return ipFrame({ ...ip, protocol: 6 }, segment);
}

/** What a frame says, for assertions. */
export function parse(bytes: Uint8Array) {
  const frame = new FrameReader().read(bytes);
  const { network, transport, payload, end, ipVersion, protocol } = frame;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const addressBytes = ipVersion === 4 ? 4 : 16;
  const source = network + (ipVersion === 4 ? 12 : 8);
  return {
    frame,
    mac: bytes.slice(0, 6),
    protocol,
    source: bytes.slice(source, source + addressBytes),
    destination: bytes.slice(source + addressBytes, source + 2 * addressBytes),
    sourcePort: frame.sourcePort,
    destinationPort: frame.destinationPort,
    payload: bytes.slice(payload, end),
    transport: bytes.slice(transport, end),
    flags: protocol === 6 && transport > 0 ? bytes[transport + 13] : 0,
    sequence: protocol === 6 && transport > 0 ? view.getUint32(transport + 4) : 0,
    acknowledgment: protocol === 6 && transport > 0 ? view.getUint32(transport + 8) : 0,
    window: protocol === 6 && transport > 0 ? view.getUint16(transport + 14) : 0,
    options: protocol === 6 && transport > 0 ? bytes.slice(transport + 20, payload) : new Uint8Array(0),
  };
}
