// Frames for tests, with right checksums unless said otherwise.
import {
  checksumOf,
  completeChecksum,
  EtherType,
  IpProtocol,
  parseIpv4,
  parseIpv6,
  parseMac,
  sumBytes,
} from "@xen-node/packets";

export const BROADCAST = "ff:ff:ff:ff:ff:ff";
export const mac = (n: number): string => `52:54:00:00:00:${n.toString(16).padStart(2, "0")}`;

const be16 = (value: number): number[] => [(value >>> 8) & 255, value & 255];
const be32 = (value: number): number[] => [...be16(value >>> 16), ...be16(value & 0xffff)];

export function join(...parts: ArrayLike<number>[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export const ethernet = (
  to: string,
  from: string,
  etherType: number,
  payload: ArrayLike<number>,
  vlans: number[] = [],
): Uint8Array =>
  join(
    parseMac(to)!,
    parseMac(from)!,
    ...vlans.map((vlan) => [...be16(EtherType.vlan), ...be16(vlan)]),
    be16(etherType),
    payload,
  );

/** An opaque frame that says who sends it. */
export const plain = (to: string, from: string, text = "hello"): Uint8Array =>
  ethernet(to, from, 0x88b5, new TextEncoder().encode(text));

export const arp = (from: string, ip: string, target = "10.0.0.9", senderMac = from, to = BROADCAST): Uint8Array =>
  ethernet(
    to,
    from,
    EtherType.arp,
    join([0, 1, 8, 0, 6, 4, 0, 1], parseMac(senderMac)!, parseIpv4(ip)!, new Uint8Array(6), parseIpv4(target)!),
  );

export function ipv4(from: string, to: string, protocol: number, payload: ArrayLike<number>, fragment = 0): Uint8Array {
  const header = join(
    [0x45, 0, ...be16(20 + payload.length), 0, 7, ...be16(fragment), 64, protocol, 0, 0],
    parseIpv4(from)!,
    parseIpv4(to)!,
  );
  header.set(be16(checksumOf(sumBytes(header, 0, 20))), 10);
  return join(header, payload);
}

export const ipv6 = (from: string, to: string, protocol: number, payload: ArrayLike<number>): Uint8Array =>
  join([0x60, 0, 0, 0, ...be16(payload.length), protocol, 64], parseIpv6(from)!, parseIpv6(to)!, payload);

export const udp = (sourcePort: number, destinationPort: number, payload: ArrayLike<number>): Uint8Array =>
  join(be16(sourcePort), be16(destinationPort), be16(8 + payload.length), [0, 0], payload);

export const tcp = (sourcePort: number, destinationPort: number, payload: ArrayLike<number>): Uint8Array =>
  join(be16(sourcePort), be16(destinationPort), [0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 4, 0, 0, 0, 0, 0], payload);

export interface Ends {
  from: string;
  to: string;
  fromMac?: string;
  toMac?: string;
  vlans?: number[];
}

/** An IP frame of either version; TCP and UDP checksums are completed. */
export function ip({ from, to, fromMac = mac(1), toMac = mac(2), vlans }: Ends, protocol: number, payload: Uint8Array) {
  const version6 = from.includes(":");
  const datagram = version6 ? ipv6(from, to, protocol, payload) : ipv4(from, to, protocol, payload);
  const frame = ethernet(toMac, fromMac, version6 ? EtherType.ipv6 : EtherType.ipv4, datagram, vlans);
  completeChecksum(frame);
  return frame;
}

export const udpFrame = (
  ends: Ends,
  sourcePort: number,
  destinationPort: number,
  payload: ArrayLike<number> = [1, 2],
) => ip(ends, IpProtocol.udp, udp(sourcePort, destinationPort, payload));

export const tcpFrame = (
  ends: Ends,
  sourcePort: number,
  destinationPort: number,
  payload: ArrayLike<number> = [1, 2],
) => ip(ends, IpProtocol.tcp, tcp(sourcePort, destinationPort, payload));

export interface Dhcp {
  op: 1 | 2;
  type: number;
  chaddr: string;
  ciaddr?: string;
  yiaddr?: string;
  options?: number[];
  leaseSeconds?: number;
}

export function dhcp({ op, type, chaddr, ciaddr = "0.0.0.0", yiaddr = "0.0.0.0", options = [], leaseSeconds }: Dhcp) {
  const message = new Uint8Array(236);
  message.set([op, 1, 6, 0, 0x12, 0x34, 0x56, 0x78]);
  message.set(parseIpv4(ciaddr)!, 12);
  message.set(parseIpv4(yiaddr)!, 16);
  message.set(parseMac(chaddr)!, 28);
  const lease = leaseSeconds === undefined ? [] : [51, 4, ...be32(leaseSeconds)];
  return join(message, [0x63, 0x82, 0x53, 0x63, 53, 1, type], lease, options, [255], new Uint8Array(40));
}
