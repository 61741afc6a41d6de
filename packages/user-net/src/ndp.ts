// Neighbour discovery (RFC 4861) as a router: advertisements with the prefix and the DNS server (RFC 8106), and answers
// for our own addresses.

import { type FrameReader, IpProtocol, sameBytes } from "@xen-node/packets";
import { type AddressPlan, isGuestAddress } from "./address-plan.ts";
import { put16, put32 } from "./big-endian.ts";
import { encodeName } from "./dns/dns-name.ts";
import { addressesOf } from "./frame-addresses.ts";
import type { IpOutput } from "./ip-output.ts";
import type { Neighbors } from "./neighbors.ts";
import { RateLimit } from "./rate-limit.ts";
import { NS_PER_SECOND, type Timer, type TimerQueue } from "./timers.ts";

export const NdpType = {
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighborSolicitation: 135,
  neighborAdvertisement: 136,
} as const;

const OPTION_SOURCE_LINK_ADDRESS = 1;
const OPTION_TARGET_LINK_ADDRESS = 2;
const OPTION_PREFIX = 3;
const OPTION_MTU = 5;
const OPTION_DNS_SERVER = 25;
const OPTION_SEARCH_LIST = 31;

const ROUTER_LIFETIME_S = 9000;
const PREFIX_LIFETIME_S = 86400;
/** Well within the router's lifetime; a guest that needs it sooner asks. */
const ADVERTISE_NS = 600 * NS_PER_SECOND;

const ALL_NODES = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

/** The Ethernet address of an IPv6 multicast address (RFC 2464, 7). */
const multicastMac = (address: Uint8Array): Uint8Array =>
  Uint8Array.of(0x33, 0x33, address[12], address[13], address[14], address[15]);

export class NeighborDiscovery {
  readonly #plan: AddressPlan;
  readonly #own: NonNullable<AddressPlan["v6"]>;
  readonly #output: IpOutput;
  readonly #neighbors: Neighbors;
  readonly #timers: TimerQueue;
  readonly #timer: Timer;
  readonly #answers = new RateLimit(200, 100);
  readonly #search: Uint8Array;

  constructor(
    plan: AddressPlan,
    own: NonNullable<AddressPlan["v6"]>,
    output: IpOutput,
    neighbors: Neighbors,
    timers: TimerQueue,
    search: readonly string[],
  ) {
    this.#plan = plan;
    this.#own = own;
    this.#output = output;
    this.#neighbors = neighbors;
    this.#timers = timers;
    this.#search = Uint8Array.from(search.flatMap((name) => [...(encodeName(name) ?? [])]));
    this.#timer = timers.timer(() => this.#advertiseToAll());
  }

  /** An ICMPv6 message of neighbour discovery, its checksum checked. */
  receive(frame: FrameReader): void {
    const { bytes, transport, end, network } = frame;
    // What has passed a router isn't from this link (RFC 4861, 6.1, 7.1).
    if (bytes[network + 7] !== 255 || bytes[transport + 1] !== 0) return;
    const [source] = addressesOf(frame);
    const known = isGuestAddress(this.#plan, source);
    const unspecified = source.every((byte) => byte === 0);
    if (!known && !unspecified) return;
    if (!this.#answers.take(this.#timers.nowNs())) return;
    const mac = bytes.slice(6, 12);
    const type = bytes[transport];
    if (known) this.#neighbors.learn(source, mac);
    if (type === NdpType.routerSolicitation) {
      if (known) this.#advertise(mac, source);
      else this.#advertise(multicastMac(ALL_NODES), ALL_NODES);
      if (!this.#timer.armed) this.#timer.arm(ADVERTISE_NS);
    } else if (type === NdpType.neighborSolicitation && end - transport >= 24)
      this.#answer(mac, known ? source : undefined, bytes.slice(transport + 8, transport + 24));
    else if (type === NdpType.neighborAdvertisement && end - transport >= 24) {
      const target = bytes.slice(transport + 8, transport + 24);
      if (isGuestAddress(this.#plan, target)) this.#neighbors.learn(target, mac);
    }
  }

  /** Asks for a guest's MAC address. */
  solicit(address: Uint8Array): void {
    const group = Uint8Array.from(ALL_NODES);
    group.set([1, 0xff, address[13], address[14], address[15]], 11);
    const message = new Uint8Array(32);
    message[0] = NdpType.neighborSolicitation;
    message.set(address, 8);
    message[24] = OPTION_SOURCE_LINK_ADDRESS;
    message[25] = 1;
    message.set(this.#plan.mac, 26);
    this.#send(multicastMac(group), this.#own.linkLocal, group, message);
  }

  close(): void {
    this.#timer.dispose();
  }

  #answer(mac: Uint8Array, asker: Uint8Array | undefined, target: Uint8Array): void {
    const { gateway, dns, linkLocal } = this.#own;
    if (![gateway, dns, linkLocal].some((address) => sameBytes(address, 0, target, 0, 16))) return;
    const message = new Uint8Array(32);
    message[0] = NdpType.neighborAdvertisement;
    message[4] = 0x80 | (asker === undefined ? 0 : 0x40) | 0x20; // router, solicited, override
    message.set(target, 8);
    message[24] = OPTION_TARGET_LINK_ADDRESS;
    message[25] = 1;
    message.set(this.#plan.mac, 26);
    // Who asks from :: is about to take the address for its own (RFC 4862, 5.4): everybody is told.
    if (asker === undefined) this.#send(multicastMac(ALL_NODES), target, ALL_NODES, message);
    else this.#send(mac, target, asker, message);
  }

  #advertiseToAll(): void {
    this.#advertise(multicastMac(ALL_NODES), ALL_NODES);
    this.#timer.arm(ADVERTISE_NS);
  }

  #advertise(mac: Uint8Array, destination: Uint8Array): void {
    const searchBytes = this.#search.length === 0 ? 0 : 8 + Math.ceil(this.#search.length / 8) * 8;
    const message = new Uint8Array(16 + 8 + 8 + 32 + 24 + searchBytes);
    message[0] = NdpType.routerAdvertisement;
    message[4] = 64; // hop limit
    put16(message, 6, ROUTER_LIFETIME_S);
    message[16] = OPTION_SOURCE_LINK_ADDRESS;
    message[17] = 1;
    message.set(this.#plan.mac, 18);
    message[24] = OPTION_MTU;
    message[25] = 1;
    put32(message, 28, this.#plan.mtu);
    message[32] = OPTION_PREFIX;
    message[33] = 4;
    message[34] = 64;
    message[35] = 0xc0; // on-link, autonomous
    put32(message, 36, PREFIX_LIFETIME_S);
    put32(message, 40, PREFIX_LIFETIME_S);
    message.set(this.#own.gateway.subarray(0, 8), 48);
    message[64] = OPTION_DNS_SERVER;
    message[65] = 3;
    put32(message, 68, ROUTER_LIFETIME_S);
    message.set(this.#own.dns, 72);
    if (searchBytes > 0) {
      message[88] = OPTION_SEARCH_LIST;
      message[89] = searchBytes / 8;
      put32(message, 92, ROUTER_LIFETIME_S);
      message.set(this.#search, 96);
    }
    this.#send(mac, this.#own.linkLocal, destination, message);
  }

  #send(mac: Uint8Array, source: Uint8Array, destination: Uint8Array, message: Uint8Array): void {
    this.#output.send(mac, source, destination, IpProtocol.icmpv6, message, 255);
  }
}

/** Whether an ICMPv6 type is one of neighbour discovery's. */
export const isNdp = (type: number): boolean => type >= 133 && type <= 137;
