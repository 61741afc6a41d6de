// Which addresses there are on the guests' network, and what an address stands for.

import { formatIpv4, formatIpv6, parseIpv4, parseIpv6, parseMac, sameBytes } from "@xen-node/packets";
import { get32, put32 } from "./big-endian.ts";
import { UserNetConfigError, type UserNetOptions } from "./options.ts";

/**
 * - gateway, dns: our own addresses
 * - subnet: another guest, which needs no help from here
 * - remote: out in the world
 * - never: nothing that may be routed (loopback, multicast, unspecified, mapped IPv4)
 */
export type AddressKind = "gateway" | "dns" | "subnet" | "remote" | "never";

export interface AddressPlan {
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly gateway4: Uint8Array;
  readonly dns4: Uint8Array;
  readonly mask4: Uint8Array;
  readonly prefixLength4: number;
  readonly broadcast4: Uint8Array;
  /** As a number, as are the next two. */
  readonly network4: number;
  readonly firstLease: number;
  readonly lastLease: number;
  /** The IPv6 addresses; undefined without IPv6. The first 8 bytes of each but `linkLocal` are the prefix. */
  readonly v6: { readonly gateway: Uint8Array; readonly dns: Uint8Array; readonly linkLocal: Uint8Array } | undefined;
}

export function ipv4OfNumber(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  put32(bytes, 0, value);
  return bytes;
}

/** An address of 4 or 16 bytes as people write it. */
export const formatIp = (address: Uint8Array): string =>
  address.length === 4 ? formatIpv4(address) : formatIpv6(address);

/** Such an address read; undefined: none. */
export const parseIp = (text: string): Uint8Array | undefined => parseIpv4(text) ?? parseIpv6(text);

/** "address:port", with brackets for IPv6. */
export const formatEndpoint = (address: Uint8Array | string, port: number): string => {
  const text = typeof address === "string" ? address : formatIp(address);
  return text.includes(":") ? `[${text}]:${port}` : `${text}:${port}`;
};

const DEFAULT_SUBNET = "10.0.2.0/24";
const DEFAULT_PREFIX6 = "fd00:10:0:2::/64";
const DEFAULT_MAC = "52:55:0a:00:02:02";

export function planAddresses(options: UserNetOptions): AddressPlan {
  const subnet = options.subnet ?? DEFAULT_SUBNET;
  const match = /^([\d.]+)\/(\d{1,2})$/.exec(subnet);
  const network = match === null ? undefined : parseIpv4(match[1]);
  const prefixLength = Number(match?.[2]);
  if (network === undefined || !(prefixLength >= 8 && prefixLength <= 29))
    throw new UserNetConfigError(`subnet "${subnet}" is no IPv4 network such as 10.0.2.0/24 (/8 to /29)`);
  const mask = (-1 << (32 - prefixLength)) >>> 0;
  const base = get32(network, 0);
  if ((base & mask) >>> 0 !== base) throw new UserNetConfigError(`subnet "${subnet}" has bits set behind its prefix`);
  if (kindOfNumber4(base) !== "remote") throw new UserNetConfigError(`subnet "${subnet}" is no unicast network`);
  const broadcast = (base | ~mask) >>> 0;

  const inSubnet = (name: string, text: string | undefined, defaultHost: number): number => {
    if (text === undefined) return base + defaultHost;
    const bytes = parseIpv4(text);
    const value = bytes === undefined ? 0 : get32(bytes, 0);
    if ((value & mask) >>> 0 !== base || value === base || value === broadcast)
      throw new UserNetConfigError(`${name} "${text}" is no host address in ${subnet}`);
    return value;
  };
  const gateway = inSubnet("gateway", options.gateway, 2);
  const dns = inSubnet("dns", options.dns, 3);
  const firstLease = inSubnet("firstLease", options.firstLease, prefixLength > 27 ? 4 : 15);
  if (gateway === dns) throw new UserNetConfigError("gateway and dns need different addresses");

  const macText = options.mac ?? DEFAULT_MAC;
  const mac = parseMac(macText);
  if (mac === undefined || (mac[0] & 1) !== 0)
    throw new UserNetConfigError(`mac "${macText}" is no unicast MAC address`);
  const mtu = options.mtu ?? 1500;
  const leastMtu = options.ipv6 === false ? 576 : 1280;
  if (!Number.isInteger(mtu) || mtu < leastMtu || mtu > 65521)
    throw new UserNetConfigError(`mtu ${mtu} is not between ${leastMtu} and 65521`);

  return {
    mac,
    mtu,
    gateway4: ipv4OfNumber(gateway),
    dns4: ipv4OfNumber(dns),
    mask4: ipv4OfNumber(mask),
    prefixLength4: prefixLength,
    broadcast4: ipv4OfNumber(broadcast),
    network4: base,
    firstLease,
    lastLease: broadcast - 1,
    v6: plan6(options.ipv6 ?? DEFAULT_PREFIX6),
  };
}

function plan6(option: string | false): AddressPlan["v6"] {
  if (option === false) return undefined;
  const match = /^(.*)\/64$/.exec(option);
  const prefix = match === null ? undefined : parseIpv6(match[1]);
  if (prefix === undefined || prefix.subarray(8).some((byte) => byte !== 0))
    throw new UserNetConfigError(`ipv6 "${option}" is no /64 such as fd00::/64`);
  if (kindOfOutside6(prefix) === "never") throw new UserNetConfigError(`ipv6 "${option}" is no unicast network`);
  const host = (number: number): Uint8Array => {
    const address = prefix.slice();
    address[15] = number;
    return address;
  };
  return { gateway: host(2), dns: host(3), linkLocal: parseIpv6("fe80::2") as Uint8Array };
}

/** What an IPv4 address is in itself. 0/8 is "this host" to the system, so a guest must never name it. */
function kindOfNumber4(address: number): "remote" | "never" {
  const top = address >>> 24;
  return top === 0 || top === 127 || top >= 224 ? "never" : "remote";
}

function kindOfOutside6(address: Uint8Array): "remote" | "never" {
  if (address[0] === 0xff) return "never"; // multicast
  if (address[0] === 0xfe && (address[1] & 0xc0) === 0x80) return "never"; // link-local
  // ::/96 holds :: and ::1; ::ffff:0:0/96 would reach any IPv4 address, loopback included.
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return "remote";
  const mapped = (address[10] << 8) | address[11];
  return mapped === 0 || mapped === 0xffff ? "never" : "remote";
}

/** What the address (4 or 16 bytes) is to a guest that sends to it. */
export function kindOfAddress(plan: AddressPlan, address: Uint8Array): AddressKind {
  if (address.length === 4) {
    if (sameBytes(address, 0, plan.gateway4, 0, 4)) return "gateway";
    if (sameBytes(address, 0, plan.dns4, 0, 4)) return "dns";
    const value = get32(address, 0);
    if (isInSubnet(plan, value)) return "subnet";
    return kindOfNumber4(value);
  }
  const { v6 } = plan;
  if (v6 === undefined) return "never";
  if (sameBytes(address, 0, v6.gateway, 0, 16) || sameBytes(address, 0, v6.linkLocal, 0, 16)) return "gateway";
  if (sameBytes(address, 0, v6.dns, 0, 16)) return "dns";
  if (sameBytes(address, 0, v6.gateway, 0, 8)) return "subnet";
  return kindOfOutside6(address);
}

export const isInSubnet = (plan: AddressPlan, address: number): boolean =>
  address >= plan.network4 && address <= get32(plan.broadcast4, 0);

/** Whether a guest may use the address (4 or 16 bytes) as its own. */
export const isGuestAddress = (plan: AddressPlan, address: Uint8Array): boolean =>
  address.length === 4 ? isGuestAddress4(plan, get32(address, 0)) : isGuestAddress6(plan, address);

/** The same for an IPv4 address as a number: a host of the network that isn't ours. */
export const isGuestAddress4 = (plan: AddressPlan, address: number): boolean =>
  isInSubnet(plan, address) &&
  address !== plan.network4 &&
  address !== get32(plan.broadcast4, 0) &&
  address !== get32(plan.gateway4, 0) &&
  address !== get32(plan.dns4, 0);

function isGuestAddress6(plan: AddressPlan, address: Uint8Array): boolean {
  const { v6 } = plan;
  if (v6 === undefined) return false;
  if (address[0] === 0xfe && (address[1] & 0xc0) === 0x80) return !sameBytes(address, 0, v6.linkLocal, 0, 16);
  return kindOfAddress(plan, address) === "subnet";
}
