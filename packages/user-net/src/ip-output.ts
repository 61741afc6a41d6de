// IP datagrams towards the guests: headers, checksums, fragments.

import {
  checksumOf,
  ETHERNET_HEADER_BYTES,
  EtherType,
  IPV4_HEADER_BYTES,
  IPV6_HEADER_BYTES,
  IpProtocol,
  plainPacket,
  pseudoHeaderSum4,
  pseudoHeaderSum6,
  sumBytes,
} from "@xen-node/packets";
import type { AddressPlan } from "./address-plan.ts";
import { put16, put32 } from "./big-endian.ts";
import type { GuestLink } from "./guest-link.ts";

/** Hop limit of everything that comes from here. */
const HOP_LIMIT = 64;
const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;

export function writeEthernetHeader(
  bytes: Uint8Array,
  destination: Uint8Array,
  source: Uint8Array,
  etherType: number,
): void {
  bytes.set(destination, 0);
  bytes.set(source, 6);
  put16(bytes, 12, etherType);
}

/** An IPv4 header without options. `totalBytes` counts the header; `fragment` is the flags and offset field. */
export function writeIpv4Header(
  bytes: Uint8Array,
  at: number,
  totalBytes: number,
  identification: number,
  fragment: number,
  protocol: number,
  source: Uint8Array,
  destination: Uint8Array,
): void {
  bytes[at] = 0x45;
  bytes[at + 1] = 0;
  put16(bytes, at + 2, totalBytes);
  put16(bytes, at + 4, identification);
  put16(bytes, at + 6, fragment);
  bytes[at + 8] = HOP_LIMIT;
  bytes[at + 9] = protocol;
  put16(bytes, at + 10, 0);
  bytes.set(source, at + 12);
  bytes.set(destination, at + 16);
  put16(bytes, at + 10, checksumOf(sumBytes(bytes, at, IPV4_HEADER_BYTES)));
}

export function writeIpv6Header(
  bytes: Uint8Array,
  at: number,
  payloadBytes: number,
  nextHeader: number,
  hopLimit: number,
  source: Uint8Array,
  destination: Uint8Array,
): void {
  put32(bytes, at, 0x60000000);
  put16(bytes, at + 4, payloadBytes);
  bytes[at + 6] = nextHeader;
  bytes[at + 7] = hopLimit;
  bytes.set(source, at + 8);
  bytes.set(destination, at + 24);
}

/** Where the checksum stands in a transport header. */
const CHECKSUM_AT: Record<number, number> = {
  [IpProtocol.icmp]: 2,
  [IpProtocol.icmpv6]: 2,
  [IpProtocol.tcp]: 16,
  [IpProtocol.udp]: 6,
};

/** Sends datagrams other than the TCP of connections. */
export class IpOutput {
  readonly #plan: AddressPlan;
  readonly #link: GuestLink;
  #identification = 0;

  constructor(plan: AddressPlan, link: GuestLink) {
    this.#plan = plan;
    this.#link = link;
  }

  /** Identification for the next `count` IPv4 datagrams or fragments' series. */
  nextIdentification(count = 1): number {
    const first = this.#identification;
    this.#identification = (first + count) & 0xffff;
    return first;
  }

  /**
   * Sends a transport header with its payload, whose checksum field is filled in here, in fragments if it is longer than
   * the MTU. Datagrams of more than IP can carry are dropped. `hopLimit` is for IPv6 alone (NDP needs 255).
   */
  send(
    mac: Uint8Array,
    source: Uint8Array,
    destination: Uint8Array,
    protocol: number,
    transport: Uint8Array,
    hopLimit = HOP_LIMIT,
  ): void {
    const v4 = source.length === 4;
    if (transport.length > 65535 - (v4 ? IPV4_HEADER_BYTES : 0)) return;
    const header = v4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
    const payloadAt = ETHERNET_HEADER_BYTES + header;
    const frame = new Uint8Array(payloadAt + transport.length);
    frame.set(transport, payloadAt);
    writeEthernetHeader(frame, mac, this.#plan.mac, v4 ? EtherType.ipv4 : EtherType.ipv6);
    const fits = header + transport.length <= this.#plan.mtu;
    if (v4) {
      const flags = fits ? DONT_FRAGMENT : 0;
      const identification = this.nextIdentification();
      const total = Math.min(65535, header + transport.length);
      writeIpv4Header(frame, ETHERNET_HEADER_BYTES, total, identification, flags, protocol, source, destination);
    } else writeIpv6Header(frame, ETHERNET_HEADER_BYTES, transport.length, protocol, hopLimit, source, destination);
    this.#fillChecksum(frame, payloadAt, protocol, transport.length, v4);
    if (fits) this.#link.sendOrQueue(plainPacket(frame, true));
    else this.#sendFragments(frame, payloadAt, v4, protocol);
  }

  #fillChecksum(frame: Uint8Array, at: number, protocol: number, length: number, v4: boolean): void {
    const field = CHECKSUM_AT[protocol];
    if (field === undefined) return;
    put16(frame, at + field, 0);
    let sum = 0;
    if (protocol !== IpProtocol.icmp)
      sum = v4
        ? pseudoHeaderSum4(frame, ETHERNET_HEADER_BYTES, protocol, length)
        : pseudoHeaderSum6(frame, ETHERNET_HEADER_BYTES, protocol, length);
    const checksum = checksumOf(sumBytes(frame, at, length, sum));
    put16(frame, at + field, checksum === 0 && protocol === IpProtocol.udp ? 0xffff : checksum);
  }

  /** RFC 791, 3.2; RFC 8200, 4.5. */
  #sendFragments(frame: Uint8Array, payloadAt: number, v4: boolean, protocol: number): void {
    const extra = v4 ? 0 : 8;
    const piece = (this.#plan.mtu - (payloadAt - ETHERNET_HEADER_BYTES) - extra) & ~7;
    const identification = this.nextIdentification();
    const source = frame.slice(ETHERNET_HEADER_BYTES + (v4 ? 12 : 8), ETHERNET_HEADER_BYTES + (v4 ? 16 : 24));
    const destination = frame.slice(ETHERNET_HEADER_BYTES + (v4 ? 16 : 24), payloadAt);
    for (let at = payloadAt; at < frame.length; at += piece) {
      const length = Math.min(piece, frame.length - at);
      const more = at + length < frame.length;
      const offset = at - payloadAt;
      const fragment = new Uint8Array(payloadAt + extra + length);
      fragment.set(frame.subarray(0, ETHERNET_HEADER_BYTES));
      fragment.set(frame.subarray(at, at + length), payloadAt + extra);
      if (v4) {
        const field = (more ? MORE_FRAGMENTS : 0) | (offset >>> 3);
        const total = IPV4_HEADER_BYTES + length;
        writeIpv4Header(fragment, ETHERNET_HEADER_BYTES, total, identification, field, protocol, source, destination);
      } else {
        const next = IpProtocol.fragment;
        writeIpv6Header(fragment, ETHERNET_HEADER_BYTES, extra + length, next, HOP_LIMIT, source, destination);
        fragment[payloadAt] = protocol;
        put16(fragment, payloadAt + 2, offset | (more ? 1 : 0));
        put32(fragment, payloadAt + 4, identification);
      }
      this.#link.sendOrQueue(plainPacket(fragment));
    }
  }
}

/** A UDP header with its payload, the checksum still open. */
export function udpDatagram(sourcePort: number, destinationPort: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + payload.length);
  put16(bytes, 0, sourcePort);
  put16(bytes, 2, destinationPort);
  put16(bytes, 4, bytes.length);
  bytes.set(payload, 8);
  return bytes;
}
