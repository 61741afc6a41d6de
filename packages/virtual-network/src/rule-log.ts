import { EtherType, formatIpv4, formatIpv6, formatMac, IpProtocol } from "@xen-node/packets";
import type { ActiveRule } from "./firewall.ts";
import type { FrameFields } from "./frame-fields.ts";
import type { Direction } from "./rule.ts";

/** A packet that a rule logged. */
export interface RuleLogEntry {
  readonly port: string;
  readonly direction: Direction;
  readonly ruleId: number;
  readonly rule: string;
  readonly timeNs: number;
  readonly lengthBytes: number;
  /** The packet's headers in one line. */
  readonly summary: string;
  /** Packets that the rule should have logged since its last entry, and did not because they were too many. */
  readonly suppressed: number;
}

/** Entries of one rule in a second: a guest decides how many packets match, so it must not decide how long the log is. */
const MOST_PER_SECOND = 10;
const WINDOW_NS = 1e9;

/** Whether the rule may log now; what it may not is counted for the next entry. */
export function admitsLog(rule: ActiveRule, nowNs: number): boolean {
  if (nowNs - rule.loggedAtNs >= WINDOW_NS || rule.loggedAtNs === 0) {
    rule.loggedAtNs = nowNs;
    rule.loggedInWindow = 0;
  }
  if (rule.loggedInWindow >= MOST_PER_SECOND) {
    rule.suppressed++;
    return false;
  }
  rule.loggedInWindow++;
  return true;
}

const PROTOCOLS = new Map<number, string>([
  [IpProtocol.tcp, "tcp"],
  [IpProtocol.udp, "udp"],
  [IpProtocol.icmp, "icmp"],
  [IpProtocol.icmpv6, "icmp6"],
]);

/** One line about a packet, of its headers only. */
export function summarize(fields: FrameFields): string {
  const { frame, icmpType } = fields;
  const { bytes, network } = frame;
  const words = [formatMac(bytes, 6), ">", formatMac(bytes, 0)];
  if (frame.vlan !== 0) words.push(`vlan ${frame.vlan}`);
  if (frame.ipVersion === 0) {
    words.push(
      frame.etherType === EtherType.arp ? "arp" : `ethertype 0x${frame.etherType.toString(16).padStart(4, "0")}`,
    );
    return words.join(" ");
  }
  const port = (number: number): string => (number < 0 ? "" : ` port ${number}`);
  const address = (at4: number, at6: number): string =>
    frame.ipVersion === 4 ? formatIpv4(bytes, network + at4) : formatIpv6(bytes, network + at6);
  words.push(`ip${frame.ipVersion}`, PROTOCOLS.get(frame.protocol) ?? `protocol ${frame.protocol}`);
  words.push(`${address(12, 8)}${port(frame.sourcePort)}`, ">", `${address(16, 24)}${port(frame.destinationPort)}`);
  if (icmpType >= 0) words.push(`type ${icmpType}`);
  if (frame.fragment) words.push("fragment");
  return words.join(" ");
}
