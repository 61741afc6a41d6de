// What snooping reads of DHCP for IPv4 (RFC 2131, RFC 2132).

import { IpProtocol } from "@xen-node/packets";
import { type FrameFields, macNumber, word32 } from "./frame-fields.ts";

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;
export const DHCPV6_CLIENT_PORT = 546;

export const BOOT_REPLY = 2;

export const DhcpType = { decline: 4, ack: 5, release: 7 } as const;

const MAGIC_COOKIE = 0x63825363;
const Field = { ciaddr: 12, yiaddr: 16, chaddr: 28, cookie: 236, options: 240 } as const;
const Option = { pad: 0, requestedAddress: 50, leaseTime: 51, messageType: 53, end: 255 } as const;

/** What is of interest in one message. Addresses are big-endian words, 0 where there is none. */
export interface DhcpMessage {
  readonly type: number;
  readonly clientMac: number;
  readonly clientAddress: number;
  readonly yourAddress: number;
  readonly requestedAddress: number;
  /** Infinity: for ever. Undefined: not said. */
  readonly leaseSeconds: number | undefined;
}

/** Reads the DHCP message in a UDP packet; undefined if there is none, or it is cut short. */
export function readDhcp({ frame }: FrameFields): DhcpMessage | undefined {
  const { bytes, payload, end } = frame;
  if (frame.ipVersion !== 4 || frame.protocol !== IpProtocol.udp || payload === 0) return undefined;
  if (payload + Field.options > end || word32(bytes, payload + Field.cookie) !== MAGIC_COOKIE) return undefined;
  let type = 0;
  let requestedAddress = 0;
  let leaseSeconds: number | undefined;
  for (let at = payload + Field.options; at < end && bytes[at] !== Option.end; ) {
    const option = bytes[at];
    if (option === Option.pad) {
      at++;
      continue;
    }
    const length = at + 1 < end ? bytes[at + 1] : 0;
    const value = at + 2;
    if (value + length > end) break;
    if (option === Option.messageType && length === 1) type = bytes[value];
    else if (option === Option.requestedAddress && length === 4) requestedAddress = word32(bytes, value);
    else if (option === Option.leaseTime && length === 4) {
      const seconds = word32(bytes, value) >>> 0;
      leaseSeconds = seconds === 0xffffffff ? Number.POSITIVE_INFINITY : seconds;
    }
    at = value + length;
  }
  return {
    type,
    clientMac: macNumber(bytes, payload + Field.chaddr),
    clientAddress: word32(bytes, payload + Field.ciaddr),
    yourAddress: word32(bytes, payload + Field.yiaddr),
    requestedAddress,
    leaseSeconds,
  };
}
