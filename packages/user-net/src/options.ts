import { randomBytes } from "node:crypto";
import type { Packet } from "@xen-node/packets";
import type { NetClock } from "./timers.ts";

/** Where unpredictable numbers come from. */
export interface RandomSource {
  /** A uniform unsigned 32-bit number. */
  nextU32(): number;
}

/** The host's cryptographic random numbers. */
export const hostRandom: RandomSource = { nextU32: () => randomBytes(4).readUInt32LE(0) };

export type LogLevel = "debug" | "info" | "warn" | "error";

/** What a flow is about to reach. `address` is the one that the guest uses. */
export interface Destination {
  readonly protocol: "tcp" | "udp" | "icmp";
  readonly address: string;
  /** 0 for ICMP. */
  readonly port: number;
}

/** Bounds on what guests and remote hosts can make this side hold. */
export interface UserNetLimits {
  /** TCP connections of one guest (MAC address). Beyond it the one that was idle longest goes. */
  connectionsPerGuest: number;
  /** TCP connections of one guest that aren't established yet; more SYNs are dropped. */
  backlogPerGuest: number;
  /** TCP connections altogether. */
  connections: number;
  /** Bytes that a connection holds on their way to the host; the window that the guest sees. */
  receiveBufferBytes: number;
  /** Bytes that a connection holds on their way to the guest. */
  sendBufferBytes: number;
  /** Bytes that all connections hold, both ways. */
  totalBufferBytes: number;
  /** UDP ports of guests that have a host socket; beyond it the one that was idle longest goes. */
  udpFlows: number;
  /** A UDP flow without traffic ends after this. */
  udpIdleMs: number;
  /** DNS queries under way. */
  dnsQueries: number;
  /** Datagrams being put together from fragments. */
  reassemblies: number;
  /** Addresses of guests remembered with their MAC address. */
  neighbors: number;
  /** Packets, other than TCP's, that wait for the guests' side to have room. */
  queuedPackets: number;
}

export const defaultLimits: UserNetLimits = {
  connectionsPerGuest: 1024,
  backlogPerGuest: 256,
  connections: 8192,
  receiveBufferBytes: 1 << 20,
  sendBufferBytes: 1 << 20,
  totalBufferBytes: 256 << 20,
  udpFlows: 1024,
  udpIdleMs: 120_000,
  dnsQueries: 256,
  reassemblies: 64,
  neighbors: 1024,
  queuedPackets: 512,
};

/** A fixed DHCP lease. */
export interface Reservation {
  mac: string;
  address: string;
  hostname?: string;
}

export interface UserNetOptions {
  /**
   * Takes a packet for the guests; the bytes may be read until it returns. False: no room now; nothing is lost, and
   * `sendReady` tells when to go on.
   */
  send(packet: Packet): boolean;
  /** IPv4 network in CIDR notation, /8 to /29. Default "10.0.2.0/24". */
  subnet?: string;
  /** Default: host .2 of the subnet. */
  gateway?: string;
  /** Default: host .3 of the subnet. */
  dns?: string;
  /** Address of the first lease. Default: host .15 of the subnet, or .4 in one too small for that. */
  firstLease?: string;
  /** A /64 as "fd00::/64", or false for no IPv6. Default "fd00:10:0:2::/64". */
  ipv6?: string | false;
  /** MAC address of the gateway and the DNS server. Default "52:55:0a:00:02:02". */
  mac?: string;
  /** Largest IP datagram, 1280 to 65521 bytes (576 suffices without IPv6). Default 1500. */
  mtu?: number;
  /** TCP packets of up to 64 KiB may be sent, to be cut by who needs it (`framesOf`). Default false. */
  acceptGso?: boolean;
  /** TCP packets may be sent with `checksumBlank`. Default: as `acceptGso`; needed for it. */
  acceptChecksumBlank?: boolean;
  /** Resolvers that queries go to, "address" or "address:port" ("[address]:port"). Default: the host's. */
  dnsServers?: readonly string[];
  /** Names that are answered here: name to IPv4 or IPv6 address. */
  hosts?: Readonly<Record<string, string | readonly string[]>>;
  /** Hostname for guests without a reservation. Default: none is given. */
  hostname?: string;
  /** Domain name for guests (DHCP option 15). */
  domain?: string;
  /** Search list for guests (DHCP option 119, DNSSL). */
  search?: readonly string[];
  /** Default 86400. */
  leaseSeconds?: number;
  reservations?: readonly Reservation[];
  /** The gateway's address stands for the host's loopback. Default true. */
  hostLoopback?: boolean;
  /** Asked before a guest reaches a destination outside; false refuses it. Default: everything is allowed. */
  allow?(destination: Destination): boolean;
  /** Host ports that lead to guests, each as for `addForward`. `ready` tells when they listen. */
  forwards?: readonly string[];
  /** The system's ping program, asked for echo requests to the outside; false: those get no answer. Default "ping". */
  ping?: string | false;
  limits?: Partial<UserNetLimits>;
  clock?: NetClock;
  random?: RandomSource;
  log?(level: LogLevel, message: string): void;
}

/** An option, or a forward's text, that makes no sense. */
export class UserNetConfigError extends Error {
  override name = "UserNetConfigError";
}
