import {
  checksumOf,
  completeChecksum,
  EtherType,
  GsoType,
  IpProtocol,
  type Packet,
  parseMac,
  plainPacket,
  pseudoHeaderSum4,
  sumBytes,
} from "@xen-node/packets";

/** For local experiments (IEEE Std 802): nobody takes it for anything else. */
const LOCAL_EXPERIMENT = 0x88b5;
const HEADERS = 14 + 20 + 20;

export interface Ends {
  from: string;
  to: string;
}

function ethernet({ from, to }: Ends, etherType: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(parseMac(to)!);
  bytes.set(parseMac(from)!, 6);
  bytes[12] = etherType >>> 8;
  bytes[13] = etherType & 0xff;
  return bytes;
}

/** An opaque frame whose bytes tell where they stand and which frame they belong to. */
export function numberedFrame(ends: Ends, length: number, number: number): Packet {
  const bytes = ethernet(ends, LOCAL_EXPERIMENT, length);
  for (let i = 14; i < length; i++) bytes[i] = (i * 7 + (i >>> 8) * 3 + number * 13) & 0xff;
  if (length >= 18) new DataView(bytes.buffer).setUint32(14, number);
  return plainPacket(bytes);
}

/** Whether it is such a frame with nothing changed; its number, or -1 if it is another kind of frame. */
export function numberOf(bytes: Uint8Array): number {
  if (bytes.length < 18 || bytes[12] !== LOCAL_EXPERIMENT >>> 8 || bytes[13] !== (LOCAL_EXPERIMENT & 0xff)) return -1;
  const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(14);
  for (let i = 18; i < bytes.length; i++)
    if (bytes[i] !== ((i * 7 + (i >>> 8) * 3 + number * 13) & 0xff)) throw new Error(`frame ${number} has changed`);
  return number;
}

export interface Tcp extends Ends {
  /** Last byte of 192.0.2.x, which the sender's interface must have. */
  source: number;
  destination: number;
  payload: number;
}

/** A TCP segment whose checksum field holds the sum over the pseudo-header alone. */
function blankedTcp({ source, destination, payload, ...ends }: Tcp): Uint8Array {
  const bytes = ethernet(ends, EtherType.ipv4, HEADERS + payload);
  const view = new DataView(bytes.buffer);
  view.setUint16(14, 0x4500);
  view.setUint16(16, 40 + payload);
  view.setUint16(22, 0x4006);
  bytes.set([192, 0, 2, source, 192, 0, 2, destination], 26);
  view.setUint16(24, checksumOf(sumBytes(bytes, 14, 20)));
  view.setUint16(34, 40000);
  view.setUint16(36, 80);
  view.setUint32(38, 1000);
  view.setUint16(46, 0x5018);
  for (let i = 0; i < payload; i++) bytes[HEADERS + i] = (i * 11 + (i >>> 8)) & 0xff;
  view.setUint16(50, pseudoHeaderSum4(bytes, 14, IpProtocol.tcp, 20 + payload));
  return bytes;
}

/** A large segment that is to be cut into pieces of `gsoSize` bytes for whoever can't take it whole. */
export const largeSegment = (tcp: Tcp, gsoSize = 1448): Packet => ({
  bytes: blankedTcp(tcp),
  checksumBlank: true,
  checksumValid: true,
  gsoType: GsoType.tcpv4,
  gsoSize,
});

export function tcpFrame(tcp: Tcp): Packet {
  const bytes = blankedTcp(tcp);
  completeChecksum(bytes);
  return plainPacket(bytes, true);
}

/** The payload of a TCP frame over IPv4 without options. */
export const payloadOf = ({ bytes }: Packet): Uint8Array => bytes.subarray(HEADERS);
