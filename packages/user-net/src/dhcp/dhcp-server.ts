// The DHCP server, RFC 2131, section 4.3.

import { formatMac, parseIpv4, parseMac } from "@xen-node/packets";
import { type AddressPlan, ipv4OfNumber, isGuestAddress } from "../address-plan.ts";
import { get32, put16, put32 } from "../big-endian.ts";
import { encodeName } from "../dns/dns-name.ts";
import { UserNetConfigError, type UserNetOptions } from "../options.ts";
import { RateLimit } from "../rate-limit.ts";
import { NS_PER_SECOND } from "../timers.ts";
import {
  DhcpOption,
  type DhcpOptions,
  type DhcpRequest,
  DhcpType,
  readDhcpRequest,
  wantsBroadcast,
  writeDhcpReply,
} from "./dhcp-message.ts";
import { type Lease, LeaseTable } from "./lease-table.ts";

const DEFAULT_LEASE_SECONDS = 86400;
const BROADCAST = 0xffffffff;

/** A reply and where it goes. */
export interface DhcpReply {
  readonly bytes: Uint8Array;
  /** undefined: to everybody. */
  readonly mac: Uint8Array | undefined;
  readonly address: Uint8Array;
}

export class DhcpServer {
  readonly #plan: AddressPlan;
  readonly #server: number;
  readonly #leaseSeconds: number;
  readonly #leases: LeaseTable;
  readonly #hostnames = new Map<string, string>();
  readonly #options: UserNetOptions;
  readonly #search: Uint8Array;
  /** Messages of a guest that invents clients are costly once all addresses are taken. */
  readonly #rate = new RateLimit(200, 200);

  constructor(plan: AddressPlan, options: UserNetOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#server = get32(plan.gateway4, 0);
    this.#leaseSeconds = options.leaseSeconds ?? DEFAULT_LEASE_SECONDS;
    if (!(this.#leaseSeconds >= 60 && this.#leaseSeconds <= 0xfffffffe))
      throw new UserNetConfigError(`leaseSeconds ${this.#leaseSeconds} is not between 60 and 4294967294`);
    this.#leases = new LeaseTable(plan.firstLease, plan.lastLease, new Set([this.#server, get32(plan.dns4, 0)]));
    this.#search = encodeSearch(options.search ?? []);
    for (const { mac, address, hostname } of options.reservations ?? []) {
      const macBytes = parseMac(mac);
      const bytes = parseIpv4(address);
      if (macBytes === undefined || bytes === undefined || !isGuestAddress(plan, bytes))
        throw new UserNetConfigError(`reservation of "${address}" for "${mac}" is no guest's address and MAC address`);
      this.#leases.reserve(formatMac(macBytes), get32(bytes, 0));
      if (hostname === undefined) continue;
      text(hostname);
      this.#hostnames.set(formatMac(macBytes), hostname);
    }
    this.#configuration(""); // names that don't fit are found now
  }

  /** The address of the first guest that has a lease. */
  firstLeased(nowNs: number): Uint8Array | undefined {
    for (const lease of this.#leases.leases)
      if (lease.confirmed && lease.expiresNs > nowNs) return ipv4OfNumber(lease.address);
    return undefined;
  }

  /** Answers a client's message, the payload of UDP; undefined: it calls for no answer. */
  receive(payload: Uint8Array, nowNs: number): DhcpReply | undefined {
    const request = readDhcpRequest(payload);
    if (request === undefined || !this.#rate.take(nowNs)) return undefined;
    if (request.relayAddress !== 0 || (request.mac[0] & 1) !== 0) return undefined;
    const mac = formatMac(request.mac);
    switch (request.type) {
      case DhcpType.discover: {
        const lease = this.#leases.offer(mac, request.requestedAddress, nowNs);
        return lease && this.#grant(request, DhcpType.offer, lease);
      }
      case DhcpType.request:
        return this.#request(request, mac, nowNs);
      case DhcpType.decline:
        if (request.serverIdentifier === this.#server) this.#leases.decline(mac, request.requestedAddress, nowNs);
        return undefined;
      case DhcpType.release:
        if (request.serverIdentifier === this.#server) this.#leases.release(mac, request.clientAddress, nowNs);
        return undefined;
      case DhcpType.inform:
        if (request.clientAddress === 0) return undefined;
        return this.#reply(request, DhcpType.ack, 0, this.#configuration(mac));
      default:
        return undefined;
    }
  }

  #request(request: DhcpRequest, mac: string, nowNs: number): DhcpReply | undefined {
    const durationNs = this.#leaseSeconds * NS_PER_SECOND;
    // SELECTING says which server; another one's offer was taken otherwise.
    if (request.serverIdentifier !== 0 && request.serverIdentifier !== this.#server) return undefined;
    // INIT-REBOOT and SELECTING name the address in an option, RENEWING and REBINDING in the header.
    const address = request.requestedAddress !== 0 ? request.requestedAddress : request.clientAddress;
    const lease = this.#leases.confirm(mac, address, durationNs, nowNs);
    return lease === undefined
      ? this.#reply(request, DhcpType.nak, 0, this.#identification())
      : this.#grant(request, DhcpType.ack, lease);
  }

  #grant(request: DhcpRequest, type: number, lease: Lease): DhcpReply {
    const seconds = this.#leaseSeconds;
    return this.#reply(request, type, lease.address, [
      ...this.#configuration(lease.mac),
      [DhcpOption.leaseTime, seconds32(seconds)],
      [DhcpOption.renewalTime, seconds32(Math.floor(seconds / 2))],
      [DhcpOption.rebindingTime, seconds32(Math.floor((seconds * 7) / 8))],
    ]);
  }

  #reply(request: DhcpRequest, type: number, yourAddress: number, options: DhcpOptions): DhcpReply {
    const bytes = writeDhcpReply(request, type, yourAddress, this.#server, options);
    // RFC 2131, 4.1.
    if (type === DhcpType.nak) return { bytes, mac: undefined, address: ipv4OfNumber(BROADCAST) };
    if (request.clientAddress !== 0) return { bytes, mac: request.mac, address: ipv4OfNumber(request.clientAddress) };
    if (wantsBroadcast(request)) return { bytes, mac: undefined, address: ipv4OfNumber(BROADCAST) };
    return { bytes, mac: request.mac, address: ipv4OfNumber(yourAddress) };
  }

  #identification(): DhcpOptions {
    return [[DhcpOption.serverIdentifier, this.#plan.gateway4]];
  }

  #configuration(mac: string): DhcpOptions {
    const { domain } = this.#options;
    const hostname = this.#hostnames.get(mac) ?? this.#options.hostname;
    const mtu = new Uint8Array(2);
    put16(mtu, 0, this.#plan.mtu);
    const options: [number, Uint8Array][] = [
      ...this.#identification().map(([code, value]): [number, Uint8Array] => [code, value]),
      [DhcpOption.subnetMask, this.#plan.mask4],
      [DhcpOption.broadcast, this.#plan.broadcast4],
      [DhcpOption.router, this.#plan.gateway4],
      [DhcpOption.dnsServers, this.#plan.dns4],
      [DhcpOption.mtu, mtu],
    ];
    if (hostname !== undefined) options.push([DhcpOption.hostname, text(hostname)]);
    if (domain !== undefined) options.push([DhcpOption.domain, text(domain)]);
    if (this.#search.length > 0) options.push([DhcpOption.search, this.#search]);
    return options;
  }
}

function seconds32(seconds: number): Uint8Array {
  const bytes = new Uint8Array(4);
  put32(bytes, 0, seconds);
  return bytes;
}

function text(value: string): Uint8Array {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length === 0 || bytes.length > 255) throw new UserNetConfigError(`"${value}" is no name for DHCP`);
  return bytes;
}

/** RFC 3397. */
function encodeSearch(names: readonly string[]): Uint8Array {
  const bytes: number[] = [];
  for (const name of names) {
    const encoded = encodeName(name);
    if (encoded === undefined) throw new UserNetConfigError(`search domain "${name}" is no domain name`);
    bytes.push(...encoded);
  }
  if (bytes.length > 255) throw new UserNetConfigError("the search list is longer than 255 bytes");
  return Uint8Array.from(bytes);
}
