// ICMP (RFC 792) and ICMPv6 (RFC 4443): echo, and errors about what guests have sent.

import { type FrameReader, IpProtocol } from "@xen-node/packets";
import { type AddressPlan, formatIp, kindOfAddress } from "./address-plan.ts";
import { addressesOf } from "./frame-addresses.ts";
import type { HostPing } from "./host-ping.ts";
import type { IpOutput } from "./ip-output.ts";
import { RateLimit } from "./rate-limit.ts";
import type { TimerQueue } from "./timers.ts";

const EchoType = { request4: 8, reply4: 0, request6: 128, reply6: 129 } as const;

/** What an error says; the numbers differ between the two versions. */
export type IcmpError = "network" | "host" | "port" | "protocol" | "prohibited" | "timeExceeded";

const ERRORS_4: Record<IcmpError, readonly [type: number, code: number]> = {
  network: [3, 0],
  host: [3, 1],
  protocol: [3, 2],
  port: [3, 3],
  prohibited: [3, 13],
  timeExceeded: [11, 0],
};

const ERRORS_6: Record<IcmpError, readonly [type: number, code: number]> = {
  network: [1, 0],
  host: [1, 3],
  protocol: [4, 1],
  port: [1, 4],
  prohibited: [1, 1],
  timeExceeded: [3, 0],
};

/** Bytes of a datagram that an error quotes: IPv4's header and 8 bytes fit, and IPv6's. */
export const QUOTED_BYTES = 128;

export class Icmp {
  readonly #plan: AddressPlan;
  readonly #output: IpOutput;
  readonly #timers: TimerQueue;
  readonly #ping: HostPing | undefined;
  readonly #allowed: (address: Uint8Array) => boolean;
  readonly #errors = new RateLimit(100, 50);

  /** `allowed`: whether guests may reach an address outside. */
  constructor(
    plan: AddressPlan,
    output: IpOutput,
    timers: TimerQueue,
    ping: HostPing | undefined,
    allowed: (address: Uint8Array) => boolean,
  ) {
    this.#plan = plan;
    this.#output = output;
    this.#timers = timers;
    this.#ping = ping;
    this.#allowed = allowed;
  }

  /** An ICMP message of a guest, its checksum checked. Only echo requests are for us. */
  receive(frame: FrameReader): void {
    const { bytes, transport, end } = frame;
    const v4 = frame.ipVersion === 4;
    if (end - transport < 8 || bytes[transport] !== (v4 ? EchoType.request4 : EchoType.request6)) return;
    const [source, destination] = addressesOf(frame);
    const mac = bytes.slice(6, 12);
    const reply = bytes.slice(transport, end);
    reply[0] = v4 ? EchoType.reply4 : EchoType.reply6;
    const protocol = v4 ? IpProtocol.icmp : IpProtocol.icmpv6;
    const answer = (): void => this.#output.send(mac, destination, source, protocol, reply);
    const kind = kindOfAddress(this.#plan, destination);
    if (kind === "gateway" || kind === "dns") answer();
    else if (kind === "remote" && this.#allowed(destination))
      this.#ping?.ping(formatIp(destination), reply.length - 8, (reached) => {
        if (reached) answer();
      });
  }

  /** Tells a guest why its datagram, which stands in `datagram` from the IP header on, goes nowhere. */
  sendError(mac: Uint8Array, datagram: Uint8Array, reason: IcmpError): void {
    const v4 = datagram[0] >>> 4 === 4;
    const source = v4 ? datagram.slice(12, 16) : datagram.slice(8, 24);
    const destination = v4 ? datagram.slice(16, 20) : datagram.slice(24, 40);
    if (!this.#errors.take(this.#timers.nowNs())) return;
    const quoted = datagram.subarray(0, QUOTED_BYTES);
    const message = new Uint8Array(8 + quoted.length);
    const [type, code] = (v4 ? ERRORS_4 : ERRORS_6)[reason];
    message[0] = type;
    message[1] = code;
    // An unknown next header is pointed to (RFC 4443, 3.4); 6 is where it stands without extension headers.
    if (!v4 && reason === "protocol") message[7] = 6;
    message.set(quoted, 8);
    const kind = kindOfAddress(this.#plan, destination);
    const ownGateway = v4 ? this.#plan.gateway4 : (this.#plan.v6?.gateway as Uint8Array);
    // The port, or the protocol, is missing at the destination itself; anything else is a router's word.
    const fromDestination = reason === "port" || reason === "protocol" || kind === "gateway" || kind === "dns";
    const protocol = v4 ? IpProtocol.icmp : IpProtocol.icmpv6;
    this.#output.send(mac, fromDestination ? destination : ownGateway, source, protocol, message);
  }
}
