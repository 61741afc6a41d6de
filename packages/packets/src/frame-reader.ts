import {
  ETHERNET_HEADER_BYTES,
  EtherType,
  IPV4_HEADER_BYTES,
  IPV6_HEADER_BYTES,
  IpProtocol,
  VLAN_TAG_BYTES,
} from "./numbers.ts";

/** IPv6 extension headers that are walked over; a packet with more is called malformed. */
const MOST_EXTENSIONS = 8;

/** VLAN tags that are walked over: receivers take off nested priority tags too, so a filter has to look behind them. */
const MOST_TAGS = 4;

const isTag = (etherType: number): boolean => etherType === EtherType.vlan || etherType === EtherType.serviceVlan;

const hasHeaderToRead = (protocol: number): boolean =>
  protocol === IpProtocol.tcp ||
  protocol === IpProtocol.udp ||
  protocol === IpProtocol.icmp ||
  protocol === IpProtocol.icmpv6;

/**
 * Finds the headers of a frame: where they begin, and what stands in them that switching and filtering ask for. One
 * reader is used for frame after frame, so nothing is allocated. Everything comes from outside: lengths are checked
 * against the frame's, and what does not fit is reported as not there.
 */
export class FrameReader {
  bytes: Uint8Array = new Uint8Array(0);
  /** Innermost EtherType (behind VLAN tags). 0: the frame is too short for an Ethernet header. */
  etherType = 0;
  /** VLAN identifier of the outermost tag, 0 without a tag. */
  vlan = 0;
  /**
   * The headers contradict themselves or the frame's length, are cut short, or are more than are walked: what a receiver
   * would find behind them isn't known. Also a TCP, UDP or ICMP header that does not fit into the first fragment
   * (RFC 7112, RFC 1858). Other protocols' contents aren't looked at.
   */
  malformed = false;
  /** Offset of the network header. */
  network = 0;
  /** 4, 6, or 0: no (whole) IP header. */
  ipVersion = 0;
  /** End of the IP datagram by its own length field, at most the frame's length. */
  end = 0;
  /** Transport protocol (IpProtocol), behind IPv6 extension headers; -1: none. */
  protocol = -1;
  /** Offset of the transport header, 0 if it isn't there: no IP, not the first fragment, or cut short. */
  transport = 0;
  /** A fragment of a datagram, the first one too. */
  fragment = false;
  /** A fragment that isn't the first: the transport header isn't in it. */
  laterFragment = false;
  /** Ports of TCP and UDP; -1 without. */
  sourcePort = -1;
  destinationPort = -1;
  /** Offset of the payload of TCP and UDP, 0 without. */
  payload = 0;

  /** Reads `bytes`; returns itself. */
  read(bytes: Uint8Array): this {
    this.bytes = bytes;
    this.etherType = 0;
    this.vlan = 0;
    this.network = ETHERNET_HEADER_BYTES;
    this.ipVersion = 0;
    this.end = bytes.length;
    this.protocol = -1;
    this.transport = 0;
    this.malformed = false;
    this.fragment = false;
    this.laterFragment = false;
    this.sourcePort = -1;
    this.destinationPort = -1;
    this.payload = 0;
    if (bytes.length < ETHERNET_HEADER_BYTES) {
      this.malformed = true;
      return this;
    }
    this.etherType = (bytes[12] << 8) | bytes[13];
    if (isTag(this.etherType)) this.readTags();
    if (this.etherType === EtherType.ipv4) {
      this.readIpv4();
      if (this.ipVersion === 0) this.malformed = true;
    } else if (this.etherType === EtherType.ipv6) {
      this.readIpv6();
      if (this.ipVersion === 0) this.malformed = true;
    }
    return this;
  }

  private readTags(): void {
    const { bytes } = this;
    for (let walked = 0; isTag(this.etherType); walked++) {
      if (walked === MOST_TAGS || bytes.length < this.network + VLAN_TAG_BYTES) {
        this.malformed = true;
        return;
      }
      const at = this.network;
      if (walked === 0) this.vlan = ((bytes[at] << 8) | bytes[at + 1]) & 0xfff;
      this.etherType = (bytes[at + 2] << 8) | bytes[at + 3];
      this.network += VLAN_TAG_BYTES;
    }
  }

  private readIpv4(): void {
    const { bytes, network } = this;
    if (bytes.length < network + IPV4_HEADER_BYTES || bytes[network] >>> 4 !== 4) return;
    const headerBytes = (bytes[network] & 15) * 4;
    const total = (bytes[network + 2] << 8) | bytes[network + 3];
    if (headerBytes < IPV4_HEADER_BYTES || total < headerBytes || network + total > bytes.length) return;
    this.ipVersion = 4;
    this.end = network + total;
    this.protocol = bytes[network + 9];
    const fragment = ((bytes[network + 6] << 8) | bytes[network + 7]) & 0x3fff;
    this.fragment = fragment !== 0;
    this.laterFragment = (fragment & 0x1fff) !== 0;
    if (!this.laterFragment) this.readTransport(network + headerBytes);
  }

  private readIpv6(): void {
    const { bytes, network } = this;
    if (bytes.length < network + IPV6_HEADER_BYTES || bytes[network] >>> 4 !== 6) return;
    const length = (bytes[network + 4] << 8) | bytes[network + 5];
    if (network + IPV6_HEADER_BYTES + length > bytes.length) return;
    this.ipVersion = 6;
    this.end = network + IPV6_HEADER_BYTES + length;
    let next = bytes[network + 6];
    let at = network + IPV6_HEADER_BYTES;
    for (let walked = 0; walked < MOST_EXTENSIONS; walked++) {
      const optionLike =
        next === IpProtocol.hopByHop || next === IpProtocol.routing || next === IpProtocol.destinationOptions;
      if (!optionLike && next !== IpProtocol.fragment) {
        if (next === IpProtocol.noNext) return;
        this.protocol = next;
        this.readTransport(at);
        return;
      }
      if (at + 8 > this.end) break;
      if (next === IpProtocol.fragment) {
        const offset = ((bytes[at + 2] << 8) | bytes[at + 3]) & 0xfff8;
        const more = (bytes[at + 3] & 1) !== 0;
        if (offset !== 0 || more) this.fragment = true;
        if (offset !== 0) {
          this.laterFragment = true;
          this.protocol = bytes[at];
          return;
        }
      }
      next = bytes[at];
      at += optionLike ? (bytes[at + 1] + 1) * 8 : 8;
    }
    this.malformed = true;
  }

  private readTransport(at: number): void {
    const { bytes, end, protocol } = this;
    const least = protocol === IpProtocol.tcp ? 20 : protocol === IpProtocol.udp ? 8 : 4;
    if (at + least > end) {
      this.malformed = hasHeaderToRead(protocol);
      return;
    }
    this.transport = at;
    if (protocol === IpProtocol.tcp) {
      const headerBytes = (bytes[at + 12] >>> 4) * 4;
      if (headerBytes < 20 || at + headerBytes > end) {
        this.transport = 0;
        this.malformed = true;
        return;
      }
      this.payload = at + headerBytes;
    } else if (protocol === IpProtocol.udp) this.payload = at + 8;
    else return;
    this.sourcePort = (bytes[at] << 8) | bytes[at + 1];
    this.destinationPort = (bytes[at + 2] << 8) | bytes[at + 3];
  }
}
