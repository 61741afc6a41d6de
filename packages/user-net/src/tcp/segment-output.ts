// Writes TCP segments as frames, into one buffer that is used for all of them.

import {
  checksumOf,
  ETHERNET_HEADER_BYTES,
  EtherType,
  foldSum,
  GsoType,
  IPV4_HEADER_BYTES,
  IPV6_HEADER_BYTES,
  IpProtocol,
  type Packet,
  sumBytes,
  TCP_HEADER_BYTES,
} from "@xen-node/packets";
import { put16, put32 } from "../big-endian.ts";
import type { GuestLink } from "../guest-link.ts";
import { type IpOutput, writeEthernetHeader, writeIpv4Header, writeIpv6Header } from "../ip-output.ts";
import type { SendQueue } from "./send-queue.ts";

const DONT_FRAGMENT = 0x4000;
const HOP_LIMIT = 64;
/** Largest frame: what a length of 16 bits says, for those who count the Ethernet header in as well. */
const MOST_FRAME_BYTES = 65535;

/** The headers of a connection's segments, and what of their checksums doesn't change. */
export interface SegmentPath {
  /** Ethernet, IP and TCP headers as far as they are always the same. */
  readonly headers: Uint8Array;
  readonly version: 4 | 6;
  /** Offset of the TCP header. */
  readonly tcp: number;
  readonly ipHeaderSum: number;
  /** Sum of the pseudo-header without the length. */
  readonly pseudoSum: number;
}

/** `source` is the remote address as the guest knows it. */
export function segmentPath(
  guestMac: Uint8Array,
  ownMac: Uint8Array,
  source: Uint8Array,
  sourcePort: number,
  destination: Uint8Array,
  destinationPort: number,
): SegmentPath {
  const v4 = source.length === 4;
  const tcp = ETHERNET_HEADER_BYTES + (v4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES);
  const headers = new Uint8Array(tcp + TCP_HEADER_BYTES);
  writeEthernetHeader(headers, guestMac, ownMac, v4 ? EtherType.ipv4 : EtherType.ipv6);
  const at = ETHERNET_HEADER_BYTES;
  if (v4) writeIpv4Header(headers, at, 0, 0, DONT_FRAGMENT, IpProtocol.tcp, source, destination);
  else writeIpv6Header(headers, at, 0, IpProtocol.tcp, HOP_LIMIT, source, destination);
  put16(headers, at + (v4 ? 10 : 4), 0);
  put16(headers, tcp, sourcePort);
  put16(headers, tcp + 2, destinationPort);
  return {
    headers,
    version: v4 ? 4 : 6,
    tcp,
    ipHeaderSum: v4 ? sumBytes(headers, at, IPV4_HEADER_BYTES) : 0,
    pseudoSum: sumBytes(headers, at + (v4 ? 12 : 8), v4 ? 8 : 32, IpProtocol.tcp),
  };
}

export interface SegmentOutputOptions {
  readonly mtu: number;
  readonly acceptGso: boolean;
  readonly acceptChecksumBlank: boolean;
}

export class SegmentOutput {
  readonly link: GuestLink;
  readonly #ip: IpOutput;
  readonly #options: SegmentOutputOptions;
  readonly #buffer = new Uint8Array(MOST_FRAME_BYTES);

  constructor(link: GuestLink, ip: IpOutput, options: SegmentOutputOptions) {
    this.link = link;
    this.#ip = ip;
    this.#options = options;
  }

  /** Largest MSS that the MTU allows. */
  mssFor(version: 4 | 6): number {
    return this.#options.mtu - (version === 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES) - TCP_HEADER_BYTES;
  }

  /** Most payload that one packet takes: a multiple of `mss`, more than one only if large packets are welcome. */
  mostPayload(path: SegmentPath, mss: number): number {
    if (!this.#options.acceptGso) return mss;
    return Math.max(1, Math.floor((MOST_FRAME_BYTES - path.headers.length) / mss)) * mss;
  }

  /**
   * Sends one segment, with `length` bytes that stand at `from` in `queue`. Payload longer than `mss` goes as one large
   * packet. False: the guests' side has no room, and nothing has been sent.
   */
  send(
    path: SegmentPath,
    sequence: number,
    acknowledgment: number,
    flags: number,
    window: number,
    options: Uint8Array | undefined,
    queue: SendQueue | undefined,
    from: number,
    length: number,
    mss: number,
  ): boolean {
    if (this.link.blocked) return false;
    // Somebody may be reading the buffer at this moment if a guest answers while it is being sent to.
    const buffer = this.link.sending ? new Uint8Array(path.headers.length + 40 + length) : this.#buffer;
    const { tcp } = path;
    buffer.set(path.headers);
    const optionBytes = options === undefined ? 0 : options.length;
    if (options !== undefined) buffer.set(options, tcp + TCP_HEADER_BYTES);
    const payload = tcp + TCP_HEADER_BYTES + optionBytes;
    if (queue !== undefined && length > 0) queue.copyTo(buffer, payload, from, length);
    const end = payload + length;
    const large = length > mss;
    this.#finishIp(buffer, path, end, large ? Math.ceil(length / mss) : 1);

    put32(buffer, tcp + 4, sequence);
    put32(buffer, tcp + 8, acknowledgment);
    buffer[tcp + 12] = (TCP_HEADER_BYTES + optionBytes) << 2;
    buffer[tcp + 13] = flags;
    put16(buffer, tcp + 14, window);
    const pseudo = path.pseudoSum + end - tcp;
    const blank = this.#options.acceptChecksumBlank;
    put16(buffer, tcp + 16, blank ? foldSum(pseudo) : checksumOf(sumBytes(buffer, tcp, end - tcp, pseudo)));
    const packet: Packet = {
      bytes: buffer.subarray(0, end),
      checksumBlank: blank,
      checksumValid: true,
      gsoType: large ? (path.version === 4 ? GsoType.tcpv4 : GsoType.tcpv6) : GsoType.none,
      gsoSize: large ? mss : 0,
    };
    return this.link.trySend(packet);
  }

  #finishIp(buffer: Uint8Array, path: SegmentPath, end: number, segments: number): void {
    const at = ETHERNET_HEADER_BYTES;
    if (path.version === 6) {
      put16(buffer, at + 4, end - at - IPV6_HEADER_BYTES);
      return;
    }
    const identification = this.#ip.nextIdentification(segments);
    put16(buffer, at + 2, end - at);
    put16(buffer, at + 4, identification);
    put16(buffer, at + 10, checksumOf(path.ipHeaderSum + end - at + identification));
  }
}
