// What network cards do for their drivers, in software: completing checksums and cutting large TCP segments.

import { checksumOf, pseudoHeaderSum4, pseudoHeaderSum6, sumBytes } from "./checksum.ts";
import { FrameReader } from "./frame-reader.ts";
import { IPV6_HEADER_BYTES, IpProtocol, TcpFlag, UDP_HEADER_BYTES } from "./numbers.ts";
import { GsoType, type Packet } from "./packet.ts";

const reader = new FrameReader();

/** Offset of the checksum field in the transport header; -1: a protocol whose checksum nobody offloads. */
const checksumFieldOf = (protocol: number): number =>
  protocol === IpProtocol.tcp ? 16 : protocol === IpProtocol.udp ? 6 : -1;

function pseudoHeaderSum(frame: FrameReader, length: number): number {
  const { bytes, network, protocol } = frame;
  return frame.ipVersion === 4
    ? pseudoHeaderSum4(bytes, network, protocol, length)
    : pseudoHeaderSum6(bytes, network, protocol, length);
}

/**
 * Bytes that the transport checksum covers: what the IP header says, or for UDP its own length where that is shorter
 * (receivers cut the datagram to it). 0: a UDP length that cannot be.
 */
function coveredBytes(frame: FrameReader): number {
  const { bytes, transport, end, protocol } = frame;
  if (protocol !== IpProtocol.udp) return end - transport;
  const length = (bytes[transport + 4] << 8) | bytes[transport + 5];
  return length < UDP_HEADER_BYTES || length > end - transport ? 0 : length;
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Writes the whole transport checksum of a read, unfragmented TCP or UDP frame into its field. */
function writeTransportChecksum(frame: FrameReader): boolean {
  const { bytes, transport, protocol } = frame;
  const field = checksumFieldOf(protocol);
  if (transport === 0 || field < 0 || frame.fragment) return false;
  const length = coveredBytes(frame);
  if (length === 0) return false;
  put16(bytes, transport + field, 0);
  const checksum = checksumOf(sumBytes(bytes, transport, length, pseudoHeaderSum(frame, length)));
  // In UDP a zero says "no checksum" (RFC 768).
  put16(bytes, transport + field, checksum === 0 && protocol === IpProtocol.udp ? 0xffff : checksum);
  return true;
}

/**
 * Completes the TCP or UDP checksum of a frame in place, from its contents alone.
 *
 * @returns false if it is no whole TCP or UDP datagram over IP: then nothing is changed.
 */
export function completeChecksum(bytes: Uint8Array): boolean {
  return writeTransportChecksum(reader.read(bytes));
}

/** Whether a frame's TCP or UDP checksum is right; undefined if it has none to check. */
export function transportChecksumHolds(bytes: Uint8Array): boolean | undefined {
  const frame = reader.read(bytes);
  const { transport, protocol } = frame;
  const field = checksumFieldOf(protocol);
  if (transport === 0 || field < 0 || frame.fragment) return undefined;
  const length = coveredBytes(frame);
  if (length === 0) return false;
  if (protocol === IpProtocol.udp && bytes[transport + 6] === 0 && bytes[transport + 7] === 0)
    return frame.ipVersion === 4 ? undefined : false;
  return sumBytes(bytes, transport, length, pseudoHeaderSum(frame, length)) === 0xffff;
}

/**
 * The frames that a link without offloads carries for a packet: one with its checksum completed, or the segments of a
 * large one. They are copies, unless the packet needs nothing. Undefined: it asks for what its contents don't allow (GSO
 * on something that isn't TCP, a size that is no size), and no frame can be made of it.
 */
export function framesOf(packet: Packet): Uint8Array[] | undefined {
  if (packet.gsoType !== GsoType.none) return segment(packet);
  if (!packet.checksumBlank) return [packet.bytes];
  const copy = new Uint8Array(packet.bytes);
  return completeChecksum(copy) ? [copy] : undefined;
}

/**
 * Least payload of a segment: smaller ones would multiply a packet beyond reason. Linux sends no less than 36 (a segment
 * of net.ipv4.tcp_min_snd_mss = 48 with time stamps).
 */
const LEAST_GSO_SIZE = 32;

function segment(packet: Packet): Uint8Array[] | undefined {
  const frame = reader.read(packet.bytes);
  const { network, transport, payload, end, ipVersion } = frame;
  const version = packet.gsoType === GsoType.tcpv4 ? 4 : packet.gsoType === GsoType.tcpv6 ? 6 : 0;
  if (ipVersion !== version || frame.protocol !== IpProtocol.tcp || transport === 0 || frame.fragment) return undefined;
  if (packet.gsoSize < LEAST_GSO_SIZE) return undefined;
  const { bytes } = packet;
  const sequence =
    ((bytes[transport + 4] << 24) |
      (bytes[transport + 5] << 16) |
      (bytes[transport + 6] << 8) |
      bytes[transport + 7]) >>>
    0;
  const identification = (bytes[network + 4] << 8) | bytes[network + 5];
  const flags = bytes[transport + 13];
  const segments: Uint8Array[] = [];
  for (let at = payload, index = 0; at < end || index === 0; at += packet.gsoSize, index++) {
    const length = Math.min(packet.gsoSize, end - at);
    const last = at + length >= end;
    const copy = new Uint8Array(payload + length);
    copy.set(bytes.subarray(0, payload));
    copy.set(bytes.subarray(at, at + length), payload);
    if (ipVersion === 4) {
      put16(copy, network + 2, copy.length - network);
      put16(copy, network + 4, (identification + index) & 0xffff);
      put16(copy, network + 10, 0);
      put16(copy, network + 10, checksumOf(sumBytes(copy, network, (copy[network] & 15) * 4)));
    } else put16(copy, network + 4, copy.length - network - IPV6_HEADER_BYTES);
    const position = (sequence + index * packet.gsoSize) >>> 0;
    put16(copy, transport + 4, position >>> 16);
    put16(copy, transport + 6, position & 0xffff);
    // FIN and PSH belong to the last byte, CWR to the first segment (RFC 3168, 6.1.2).
    let own = flags;
    if (!last) own &= ~(TcpFlag.fin | TcpFlag.psh);
    if (index > 0) own &= ~TcpFlag.cwr;
    copy[transport + 13] = own;
    segments.push(copy);
  }
  for (const copy of segments) writeTransportChecksum(reader.read(copy));
  return segments;
}
