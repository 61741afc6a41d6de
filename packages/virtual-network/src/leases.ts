import { formatIpv4 } from "@xen-node/packets";
import { DhcpType, readDhcp } from "./dhcp.ts";
import type { FrameFields } from "./frame-fields.ts";

/** An address that DHCP gave to a port. */
export interface Lease {
  readonly address: string;
  /** On the network's clock; Infinity: for ever. */
  readonly expiresNs: number;
}

/** A guest holds one lease, or two for a moment; what comes beyond pushes the oldest out. */
const MOST_LEASES = 16;

/** The IPv4 leases of one MAC address, as seen passing by. */
export class Leases {
  readonly #mac: number;
  /** Address to end, oldest first. */
  readonly #ends = new Map<number, number>();

  constructor(mac: number) {
    this.#mac = mac;
  }

  /** A server's message to the port. */
  learn(fields: FrameFields, nowNs: number): void {
    const message = readDhcp(fields);
    if (message?.type !== DhcpType.ack || message.clientMac !== this.#mac || message.yourAddress === 0) return;
    this.#ends.delete(message.yourAddress);
    if (this.#ends.size >= MOST_LEASES) {
      for (const oldest of this.#ends.keys()) {
        this.#ends.delete(oldest);
        break;
      }
    }
    this.#ends.set(message.yourAddress, nowNs + (message.leaseSeconds ?? Number.POSITIVE_INFINITY) * 1e9);
  }

  /** A message of the port's own: it may give an address back. */
  forget(fields: FrameFields): void {
    const message = readDhcp(fields);
    if (message === undefined || message.clientMac !== this.#mac) return;
    if (message.type === DhcpType.release) this.#ends.delete(message.clientAddress);
    else if (message.type === DhcpType.decline) this.#ends.delete(message.requestedAddress);
  }

  /** Whether the port may use an address: it is leased, or no lease is known at all. */
  allows(address: number, nowNs: number): boolean {
    if (this.#ends.size === 0) return true;
    const end = this.#ends.get(address);
    if (end !== undefined && end > nowNs) return true;
    this.#expire(nowNs);
    return this.#ends.size === 0;
  }

  list(nowNs: number): Lease[] {
    this.#expire(nowNs);
    return [...this.#ends].map(([address, expiresNs]) => ({
      address: formatIpv4(Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address)),
      expiresNs,
    }));
  }

  #expire(nowNs: number): void {
    for (const [address, end] of this.#ends) if (end <= nowNs) this.#ends.delete(address);
  }
}
