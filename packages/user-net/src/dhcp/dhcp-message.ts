// DHCP messages: RFC 2131 (format), RFC 2132 (options).

import { get16, get32, put16, put32 } from "../big-endian.ts";

export const DhcpType = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
} as const;

export const DhcpOption = {
  subnetMask: 1,
  router: 3,
  dnsServers: 6,
  hostname: 12,
  domain: 15,
  mtu: 26,
  broadcast: 28,
  requestedAddress: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  serverIdentifier: 54,
  renewalTime: 58,
  rebindingTime: 59,
  search: 119,
} as const;

const PAD = 0;
const END = 255;
const MAGIC = 0x63825363;
const OPTIONS_AT = 240;
const BROADCAST_FLAG = 0x8000;
/** Some clients take no shorter message (BOOTP's size). */
const LEAST_BYTES = 300;

export interface DhcpRequest {
  readonly type: number;
  readonly transaction: number;
  readonly flags: number;
  /** The client's own address, 0 if it has none. IPv4 addresses are numbers here. */
  readonly clientAddress: number;
  readonly relayAddress: number;
  readonly mac: Uint8Array;
  /** Option 50; 0: not there. */
  readonly requestedAddress: number;
  /** Option 54; 0: not there. */
  readonly serverIdentifier: number;
}

/** Reads a client's message; undefined: it is no DHCP request over Ethernet. */
export function readDhcpRequest(bytes: Uint8Array): DhcpRequest | undefined {
  if (bytes.length < OPTIONS_AT || bytes[0] !== 1 || bytes[1] !== 1 || bytes[2] !== 6) return undefined;
  if (get32(bytes, 236) !== MAGIC) return undefined;
  let type = 0;
  let requestedAddress = 0;
  let serverIdentifier = 0;
  for (let at = OPTIONS_AT; at < bytes.length && bytes[at] !== END; ) {
    const code = bytes[at];
    if (code === PAD) {
      at++;
      continue;
    }
    const length = bytes[at + 1];
    if (length === undefined || at + 2 + length > bytes.length) break;
    if (code === DhcpOption.messageType && length === 1) type = bytes[at + 2];
    else if (code === DhcpOption.requestedAddress && length === 4) requestedAddress = get32(bytes, at + 2);
    else if (code === DhcpOption.serverIdentifier && length === 4) serverIdentifier = get32(bytes, at + 2);
    at += 2 + length;
  }
  if (type === 0) return undefined;
  return {
    type,
    transaction: get32(bytes, 4),
    flags: get16(bytes, 10),
    clientAddress: get32(bytes, 12),
    relayAddress: get32(bytes, 24),
    mac: bytes.slice(28, 34),
    requestedAddress,
    serverIdentifier,
  };
}

export const wantsBroadcast = (request: DhcpRequest): boolean => (request.flags & BROADCAST_FLAG) !== 0;

export type DhcpOptions = readonly (readonly [code: number, value: Uint8Array])[];

/** A server's reply. `yourAddress` and `serverAddress` as numbers. */
export function writeDhcpReply(
  request: DhcpRequest,
  type: number,
  yourAddress: number,
  serverAddress: number,
  options: DhcpOptions,
): Uint8Array {
  const size = options.reduce((sum, [, value]) => sum + 2 + value.length, OPTIONS_AT + 3 + 1);
  const bytes = new Uint8Array(Math.max(LEAST_BYTES, size));
  bytes[0] = 2;
  bytes[1] = 1;
  bytes[2] = 6;
  put32(bytes, 4, request.transaction);
  put16(bytes, 10, request.flags);
  if (type === DhcpType.ack) put32(bytes, 12, request.clientAddress);
  put32(bytes, 16, yourAddress);
  if (type !== DhcpType.nak) put32(bytes, 20, serverAddress);
  bytes.set(request.mac, 28);
  put32(bytes, 236, MAGIC);
  let at = OPTIONS_AT;
  const put = (code: number, value: Uint8Array): void => {
    bytes[at] = code;
    bytes[at + 1] = value.length;
    bytes.set(value, at + 2);
    at += 2 + value.length;
  };
  put(DhcpOption.messageType, Uint8Array.of(type));
  for (const [code, value] of options) put(code, value);
  bytes[at] = END;
  return bytes;
}
