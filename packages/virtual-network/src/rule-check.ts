import { IpProtocol } from "@xen-node/packets";
import { formatIpPattern, formatMacPattern, parseIpPattern, parseMacPattern } from "./patterns.ts";
import { PORT_NAME, type PortRange, type Rule, RuleError } from "./rule.ts";

const ACTIONS: readonly string[] = ["accept", "drop", "log", "count", "redirect"];

function checkNumber(what: string, value: number | undefined, most: number): void {
  if (value === undefined) return;
  if (!Number.isInteger(value) || value < 0 || value > most)
    throw new RuleError(`${what} ${value} is no whole number of 0 to ${most}.`);
}

function checkRange(range: PortRange | undefined): void {
  if (range === undefined) return;
  const [first, last] = range;
  checkNumber("Port", first, 0xffff);
  checkNumber("Port", last, 0xffff);
  if (first > last) throw new RuleError(`The port range ${first}-${last} ends before it begins.`);
}

/**
 * The rule with its addresses in canonical form and without fields that say nothing.
 *
 * @throws RuleError if its parts make no sense, alone or together.
 */
export function canonicalRule(rule: Rule): Rule {
  if (rule.direction !== "in" && rule.direction !== "out")
    throw new RuleError(`A rule's direction is "in" or "out", not "${String(rule.direction)}".`);
  if (!ACTIONS.includes(rule.action))
    throw new RuleError(`A rule's action is one of ${ACTIONS.join(", ")}, not "${String(rule.action)}".`);
  if ((rule.action === "redirect") !== (rule.redirectTo !== undefined))
    throw new RuleError("A redirect, and nothing else, names the port that it goes to.");
  if (rule.redirectTo !== undefined && !PORT_NAME.test(rule.redirectTo))
    throw new RuleError(`"${rule.redirectTo}" cannot be the name of a port.`);
  checkNumber("Ethertype", rule.etherType, 0xffff);
  checkNumber("Protocol", rule.protocol, 255);
  checkNumber("ICMP type", rule.icmpType, 255);
  checkRange(rule.sourcePorts);
  checkRange(rule.destinationPorts);
  const source = rule.source === undefined ? undefined : parseIpPattern(rule.source);
  const destination = rule.destination === undefined ? undefined : parseIpPattern(rule.destination);
  if (rule.ipVersion !== undefined && rule.ipVersion !== 4 && rule.ipVersion !== 6)
    throw new RuleError(`There is no IP version ${String(rule.ipVersion)} here, only 4 and 6.`);
  const versions = new Set([source?.version, destination?.version, rule.ipVersion].filter((version) => version));
  if (versions.size > 1) throw new RuleError("A rule cannot match IPv4 and IPv6 in the same packet.");
  const ip = versions.size > 0 || rule.protocol !== undefined || rule.fragments === true;
  if (rule.etherType !== undefined && ip)
    throw new RuleError("A rule matches an ethertype or something of IP, not both.");
  const ports = rule.sourcePorts !== undefined || rule.destinationPorts !== undefined;
  if (ports && rule.protocol !== IpProtocol.tcp && rule.protocol !== IpProtocol.udp)
    throw new RuleError("Only tcp and udp have ports; name one of them.");
  if (rule.icmpType !== undefined && rule.protocol !== IpProtocol.icmp && rule.protocol !== IpProtocol.icmpv6)
    throw new RuleError("Only icmp and icmp6 have a type; name one of them.");
  if (rule.fragments === true && (ports || rule.icmpType !== undefined))
    throw new RuleError("Later fragments have neither ports nor an ICMP type; leave those out.");
  return {
    direction: rule.direction,
    action: rule.action,
    ...(rule.redirectTo !== undefined && { redirectTo: rule.redirectTo }),
    ...(rule.etherType !== undefined && { etherType: rule.etherType }),
    ...(rule.ipVersion !== undefined && { ipVersion: rule.ipVersion }),
    ...(rule.protocol !== undefined && { protocol: rule.protocol }),
    ...(rule.sourceMac !== undefined && { sourceMac: formatMacPattern(parseMacPattern(rule.sourceMac)) }),
    ...(rule.destinationMac !== undefined && {
      destinationMac: formatMacPattern(parseMacPattern(rule.destinationMac)),
    }),
    ...(source !== undefined && { source: formatIpPattern(source) }),
    ...(destination !== undefined && { destination: formatIpPattern(destination) }),
    ...(rule.sourcePorts !== undefined && { sourcePorts: rule.sourcePorts }),
    ...(rule.destinationPorts !== undefined && { destinationPorts: rule.destinationPorts }),
    ...(rule.icmpType !== undefined && { icmpType: rule.icmpType }),
    ...(rule.fragments === true && { fragments: true }),
    // The action says it already.
    ...(rule.log === true && rule.action !== "log" && { log: true }),
  };
}
