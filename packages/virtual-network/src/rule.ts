/** As the guest sees it: `out` is what it sends, `in` what it receives. */
export type Direction = "in" | "out";

/**
 * `accept` and `drop` decide. `redirect` delivers to another port instead. `log` and `count` do so and go on to the next
 * rule.
 */
export type RuleAction = "accept" | "drop" | "log" | "count" | "redirect";

/** Ends a list in which no rule has decided. */
export type RulePolicy = "accept" | "drop";

/** First and last port, both included. */
export type PortRange = readonly [first: number, last: number];

/**
 * One `<pattern, action>` rule. A pattern that is left out matches everything; all that are given have to match. Headers
 * are looked for behind VLAN tags and IPv6 extension headers.
 */
export interface Rule {
  readonly direction: Direction;
  readonly action: RuleAction;
  /** Name of the port, for `redirect` only. */
  readonly redirectTo?: string;
  /** 0 to 0xffff. */
  readonly etherType?: number;
  readonly ipVersion?: 4 | 6;
  /** IP protocol (IPv6: the one behind the extension headers), 0 to 255. */
  readonly protocol?: number;
  /** "52:54:00:12:34:56", or with a mask "52:54:00:00:00:00/ff:ff:ff:00:00:00". */
  readonly sourceMac?: string;
  readonly destinationMac?: string;
  /** An address or prefix, "10.0.2.15", "10.0.2.0/24", "fd00::/8". Matches IP packets of that version (not ARP). */
  readonly source?: string;
  readonly destination?: string;
  /** TCP or UDP only, which `protocol` must name. Later fragments have no ports and don't match. */
  readonly sourcePorts?: PortRange;
  readonly destinationPorts?: PortRange;
  /** ICMP or ICMPv6 only, which `protocol` must name. Later fragments don't match. */
  readonly icmpType?: number;
  /** Matches fragments that are not the first of their datagram, and nothing else. */
  readonly fragments?: boolean;
  /** Logs what matches, besides its action. */
  readonly log?: boolean;
}

/** A rule that makes no sense, or text that is no rule: one sentence that says why. */
export class RuleError extends Error {
  override readonly name = "RuleError";
}

/** What a port's name may be, so that rules can speak of it. */
export const PORT_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,63}$/;
