import type { Capture, CaptureOptions, CaptureSink } from "./capture.ts";
import type { PortCounters } from "./counters.ts";
import type { PortRules } from "./firewall.ts";
import type { Flow } from "./flow-table.ts";
import type { Lease } from "./leases.ts";
import type { NetworkPort } from "./network-port.ts";
import type { RateLimit } from "./rate.ts";
import type { Rule, RulePolicy } from "./rule.ts";

export interface PortOptions {
  /** Unique in its switch; letters, digits and "_.:@-", at most 64. */
  name: string;
  /** The address of the guest behind the port. It is then never learned elsewhere. */
  mac?: string;
  /** Drops what the guest sends under other addresses than its own. Default: true if `mac` is given. Needs `mac`. */
  antiSpoof?: boolean;
  /** IP addresses and prefixes that the guest may use. Without any of IPv4, leases that DHCP gives it decide. */
  addresses?: readonly string[];
  /** Lets the guest answer DHCP in spite of `antiSpoof`. Default false. */
  dhcpServer?: boolean;
  /** Lets the guest announce itself as an IPv6 router in spite of `antiSpoof`. Default false. */
  router?: boolean;
  /** What the guest may send: as xl's `rate`, "10Mb/s@50ms", or in numbers. */
  rateLimit?: string | RateLimit;
  /** Whether the cable is plugged in. Default true. */
  carrier?: boolean;
  /** Rules to begin with, in order. */
  rules?: readonly (Rule | string)[];
  /** What happens to packets that no rule decides about. Default "accept" in both directions. */
  policy?: { in?: RulePolicy; out?: RulePolicy };
  /** Whether the port gets packets to addresses that nobody is known to have. Default: unless `antiSpoof` pins its address. */
  unknownUnicast?: boolean;
  /** MAC addresses that may be learned behind the port. Default 256, without `mac` 4096; beyond, the oldest is forgotten. */
  maxAddresses?: number;
}

/** A port of a virtual switch. Directions are the guest's: `out` is what it sends. */
export interface SwitchPort extends NetworkPort {
  readonly name: string;
  /** As "52:54:00:12:34:56". */
  readonly mac: string | undefined;
  readonly rules: PortRules;
  /** Whether the cable is plugged in. Without it nothing goes in or out. */
  carrier: boolean;

  /** @throws RuleError if one is no IP address or prefix; Error if the port has no anti-spoofing. */
  setAddresses(addresses: readonly string[]): void;
  /** @throws RateError if the text is no rate. Undefined: no limit. */
  setRateLimit(rate: string | RateLimit | undefined): void;
  /** Multicast addresses (6 bytes each) that the device wants, besides broadcast; undefined: all. */
  setMulticastFilter(addresses: readonly Uint8Array[] | undefined): void;

  counters(): PortCounters;
  /** The IP flows that the port has sent, those with most bytes first. */
  flows(most?: number): Flow[];
  /** Addresses that DHCP gave to the port, as far as anti-spoofing has seen it. */
  leases(): Lease[];
  /** Writes what passes the port to `sink` as a pcapng file: all that the device sends, and what is delivered to it. */
  captureTo(sink: CaptureSink, options?: CaptureOptions): Capture;
  /** Takes the port out of its switch. */
  remove(): void;
}
