import { ARP_BYTES, EtherType, IpProtocol } from "@xen-node/packets";
import { BOOT_REPLY, DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DHCPV6_CLIENT_PORT } from "./dhcp.ts";
import { DropReason } from "./drop-reasons.ts";
import { type FrameFields, macNumber, word32 } from "./frame-fields.ts";
import { type Lease, Leases } from "./leases.ts";
import { type IpPattern, parseIpPattern } from "./patterns.ts";

/** What a port is allowed besides being itself. */
export interface SpoofExceptions {
  /** It may answer DHCP. */
  dhcpServer: boolean;
  /** It may announce itself as an IPv6 router. */
  router: boolean;
}

/** The packet is the port's own. */
export const HONEST = -1;

const RARP = 0x8035;
const Icmpv6Type = { routerAdvertisement: 134, neighbourAdvertisement: 136, redirect: 137 } as const;

const LINK_LOCAL_WORD = 0xfe800000 | 0;
const LINK_LOCAL_MASK = 0xffc00000 | 0;

/** Checks that what a port sends comes from the addresses that are its own. */
export class AntiSpoof {
  readonly #mac: number;
  readonly #exceptions: SpoofExceptions;
  readonly #leases: Leases;
  #ipv4: IpPattern[] = [];
  #ipv6: IpPattern[] = [];

  constructor(mac: number, exceptions: SpoofExceptions) {
    this.#mac = mac;
    this.#exceptions = exceptions;
    this.#leases = new Leases(mac);
  }

  /**
   * Sets the addresses and prefixes that the port may use. Without any of IPv4, leases decide; without any of IPv6, nothing
   * is checked there.
   *
   * @throws RuleError if one is no address or prefix.
   */
  setAddresses(addresses: readonly string[]): void {
    const patterns = addresses.map(parseIpPattern);
    this.#ipv4 = patterns.filter(({ version }) => version === 4);
    this.#ipv6 = patterns.filter(({ version }) => version === 6);
  }

  /** `HONEST`, or why the packet is dropped (one of DropReason). */
  check(fields: FrameFields, nowNs: number): number {
    if (fields.sourceMac !== this.#mac) return DropReason.spoofedMac;
    const { frame } = fields;
    if (frame.malformed) return DropReason.malformed;
    if (frame.etherType === EtherType.arp || frame.etherType === RARP) return this.#checkArp(fields, nowNs);
    if (frame.ipVersion === 4) return this.#checkIpv4(fields, nowNs);
    if (frame.ipVersion === 6) return this.#checkIpv6(fields);
    return HONEST;
  }

  /** A packet of the port went through: it may have given a lease back. */
  onSent(fields: FrameFields): void {
    if (fields.frame.destinationPort === DHCP_SERVER_PORT) this.#leases.forget(fields);
  }

  /** The port got a packet from another one: it may be a lease. */
  onReceived(fields: FrameFields, nowNs: number): void {
    const { frame } = fields;
    if (frame.sourcePort === DHCP_SERVER_PORT && frame.destinationPort === DHCP_CLIENT_PORT)
      this.#leases.learn(fields, nowNs);
  }

  leases(nowNs: number): Lease[] {
    return this.#leases.list(nowNs);
  }

  /** Ethernet ARP for IPv4 (RFC 826); 0.0.0.0 probes (RFC 5227). */
  #checkArp({ frame }: FrameFields, nowNs: number): number {
    const { bytes, network } = frame;
    if (network + ARP_BYTES > bytes.length) return DropReason.malformed;
    if (word32(bytes, network) !== 0x00010800 || bytes[network + 4] !== 6 || bytes[network + 5] !== 4)
      return DropReason.malformed;
    if (macNumber(bytes, network + 8) !== this.#mac) return DropReason.spoofedArp;
    const address = word32(bytes, network + 14);
    return address === 0 || this.#owns4(address, nowNs) ? HONEST : DropReason.spoofedArp;
  }

  #checkIpv4(fields: FrameFields, nowNs: number): number {
    const { frame } = fields;
    if (frame.protocol === IpProtocol.udp && !this.#exceptions.dhcpServer) {
      if (frame.destinationPort === DHCP_CLIENT_PORT) return DropReason.dhcpServer;
      // To a relay, a server's answer is told by its op.
      const answers = frame.destinationPort === DHCP_SERVER_PORT && frame.bytes[frame.payload] === BOOT_REPLY;
      if (answers && frame.payload < frame.end) return DropReason.dhcpServer;
    }
    const address = fields.source[0];
    if (address === 0) {
      // Who has no address yet may ask for one, and join groups (RFC 3376, 4.2.13).
      const asks = frame.protocol === IpProtocol.udp && frame.destinationPort === DHCP_SERVER_PORT;
      return asks || frame.protocol === IpProtocol.igmp ? HONEST : DropReason.spoofedIp;
    }
    return this.#owns4(address, nowNs) ? HONEST : DropReason.spoofedIp;
  }

  #checkIpv6(fields: FrameFields): number {
    const { frame, source } = fields;
    if (
      frame.destinationPort === DHCPV6_CLIENT_PORT &&
      frame.protocol === IpProtocol.udp &&
      !this.#exceptions.dhcpServer
    )
      return DropReason.dhcpServer;
    const { icmpType } = fields;
    if (!this.#exceptions.router) {
      if (icmpType === Icmpv6Type.routerAdvertisement || icmpType === Icmpv6Type.redirect)
        return DropReason.routerAdvertisement;
    }
    if (this.#ipv6.length === 0) return HONEST;
    const unspecified = (source[0] | source[1] | source[2] | source[3]) === 0;
    if (!unspecified && !this.#owns6(source[0], source[1], source[2], source[3])) return DropReason.spoofedIp;
    if (icmpType === Icmpv6Type.neighbourAdvertisement) {
      const { bytes, transport, end } = frame;
      if (transport + 24 > end) return DropReason.malformed;
      const target = transport + 8;
      const owned = this.#owns6(
        word32(bytes, target),
        word32(bytes, target + 4),
        word32(bytes, target + 8),
        word32(bytes, target + 12),
      );
      if (!owned) return DropReason.spoofedArp;
    }
    return HONEST;
  }

  #owns4(address: number, nowNs: number): boolean {
    const patterns = this.#ipv4;
    if (patterns.length === 0) return this.#leases.allows(address, nowNs);
    for (let i = 0; i < patterns.length; i++)
      if ((address & patterns[i].masks[0]) === patterns[i].words[0]) return true;
    return false;
  }

  #owns6(a: number, b: number, c: number, d: number): boolean {
    if ((a & LINK_LOCAL_MASK) === LINK_LOCAL_WORD) return true;
    const patterns = this.#ipv6;
    for (let i = 0; i < patterns.length; i++) {
      const { words, masks } = patterns[i];
      if (
        (a & masks[0]) === words[0] &&
        (b & masks[1]) === words[1] &&
        (c & masks[2]) === words[2] &&
        (d & masks[3]) === words[3]
      )
        return true;
    }
    return false;
  }
}
