// The one-line syntax of rules:
//
//   DIRECTION ACTION [WHAT] [from ENDPOINT] [to ENDPOINT] [type N] [fragments] [log]
//
//   DIRECTION  in | out
//   ACTION     accept | drop | log | count | redirect PORT
//   WHAT       any | arp | ethertype N | [ip4 | ip6] [tcp | udp | icmp | icmp6 | protocol N]
//   ENDPOINT   [mac MAC[/MASK]] [any | ADDRESS[/LENGTH]] [port N[-N]]

import { EtherType, IpProtocol } from "@xen-node/packets";
import { type Direction, type PortRange, type Rule, type RuleAction, RuleError } from "./rule.ts";
import { canonicalRule } from "./rule-check.ts";

const PROTOCOL_NAMES = new Map<string, number>([
  ["tcp", IpProtocol.tcp],
  ["udp", IpProtocol.udp],
  ["icmp", IpProtocol.icmp],
  ["icmp6", IpProtocol.icmpv6],
]);

type Draft = { -readonly [Key in keyof Rule]: Rule[Key] };

/** Words of a line, taken one after the other. */
class Words {
  readonly #words: string[];
  #next = 0;

  constructor(text: string) {
    this.#words = text.trim() === "" ? [] : text.trim().split(/\s+/);
  }

  get rest(): string | undefined {
    return this.#words[this.#next];
  }

  /** Takes the next word if it is this one. */
  accept(word: string): boolean {
    if (this.rest !== word) return false;
    this.#next++;
    return true;
  }

  take(what: string): string {
    const word = this.#words[this.#next++];
    if (word === undefined) throw new RuleError(`The rule ends where ${what} is missing.`);
    return word;
  }

  takeNumber(what: string): number {
    const word = this.take(what);
    if (!/^(\d{1,7}|0x[0-9a-f]{1,6})$/i.test(word))
      throw new RuleError(`"${word}" is no number, where ${what} is expected.`);
    return Number(word);
  }
}

function parseWhat(words: Words, rule: Draft): void {
  if (words.accept("any")) return;
  if (words.accept("arp")) {
    rule.etherType = EtherType.arp;
    return;
  }
  if (words.accept("ethertype")) {
    rule.etherType = words.takeNumber("the ethertype");
    return;
  }
  if (words.accept("ip4")) rule.ipVersion = 4;
  else if (words.accept("ip6")) rule.ipVersion = 6;
  const protocol = words.rest === undefined ? undefined : PROTOCOL_NAMES.get(words.rest);
  if (protocol !== undefined) {
    words.take("the protocol");
    rule.protocol = protocol;
  } else if (words.accept("protocol")) rule.protocol = words.takeNumber("the protocol");
}

function parsePorts(words: Words): PortRange {
  const word = words.take("the port");
  const range = /^(\d{1,7})(?:-(\d{1,7}))?$/.exec(word);
  if (range === null) throw new RuleError(`"${word}" is no port or range of ports; write 80 or 8000-8100.`);
  return [Number(range[1]), Number(range[2] ?? range[1])];
}

interface Endpoint {
  mac?: string;
  address?: string;
  ports?: PortRange;
}

const LATER_WORDS: readonly (string | undefined)[] = ["to", "from", "type", "fragments", "log", undefined];

function parseEndpoint(words: Words, side: string): Endpoint {
  const endpoint: Endpoint = {};
  let said = false;
  if (words.accept("mac")) {
    endpoint.mac = words.take("the MAC address");
    said = true;
  }
  if (words.accept("any")) said = true;
  else if (words.rest !== "port" && !LATER_WORDS.includes(words.rest)) {
    endpoint.address = words.take("the address");
    said = true;
  }
  if (words.accept("port")) {
    endpoint.ports = parsePorts(words);
    said = true;
  }
  if (!said) throw new RuleError(`"${side}" is followed by an address, "any", "mac" or "port".`);
  return endpoint;
}

/**
 * Reads a rule's line, for example "out drop tcp from 10.0.2.0/24 to any port 25 log". The result is canonical: two lines
 * that mean the same are equal rules.
 *
 * @throws RuleError with one sentence that says what is wrong.
 */
export function parseRule(text: string): Rule {
  const words = new Words(text);
  const direction = words.take('the direction, "in" or "out",');
  // canonicalRule checks both names.
  const rule: Draft = { direction: direction as Direction, action: words.take("the action") as RuleAction };
  if (rule.action === "redirect") rule.redirectTo = words.take("the port to redirect to");
  parseWhat(words, rule);
  if (words.accept("from")) {
    const { mac, address, ports } = parseEndpoint(words, "from");
    rule.sourceMac = mac;
    rule.source = address;
    rule.sourcePorts = ports;
  }
  if (words.accept("to")) {
    const { mac, address, ports } = parseEndpoint(words, "to");
    rule.destinationMac = mac;
    rule.destination = address;
    rule.destinationPorts = ports;
  }
  if (words.accept("type")) rule.icmpType = words.takeNumber("the ICMP type");
  if (words.accept("fragments")) rule.fragments = true;
  if (words.accept("log")) rule.log = true;
  const result = canonicalRule(rule);
  if (words.rest !== undefined) throw new RuleError(`"${words.rest}" is not understood there.`);
  return result;
}

function formatEndpoint(side: string, mac?: string, address?: string, ports?: PortRange): string[] {
  if (mac === undefined && address === undefined && ports === undefined) return [];
  const words = [side];
  if (mac !== undefined) words.push("mac", mac);
  if (address !== undefined) words.push(address);
  else if (mac === undefined) words.push("any");
  if (ports !== undefined) words.push("port", ports[0] === ports[1] ? `${ports[0]}` : `${ports[0]}-${ports[1]}`);
  return words;
}

/**
 * The rule's line, such that `parseRule` gives the same (canonical) rule again.
 *
 * @throws RuleError if the rule makes no sense.
 */
export function formatRule(given: Rule): string {
  const rule = canonicalRule(given);
  const words: string[] = [rule.direction, rule.action];
  if (rule.redirectTo !== undefined) words.push(rule.redirectTo);
  const what: string[] = [];
  if (rule.etherType === EtherType.arp) what.push("arp");
  else if (rule.etherType !== undefined) what.push("ethertype", `0x${rule.etherType.toString(16).padStart(4, "0")}`);
  if (rule.ipVersion !== undefined) what.push(`ip${rule.ipVersion}`);
  if (rule.protocol !== undefined) {
    const named = [...PROTOCOL_NAMES].find(([, protocol]) => protocol === rule.protocol);
    what.push(...(named === undefined ? ["protocol", `${rule.protocol}`] : [named[0]]));
  }
  words.push(...(what.length === 0 ? ["any"] : what));
  words.push(...formatEndpoint("from", rule.sourceMac, rule.source, rule.sourcePorts));
  words.push(...formatEndpoint("to", rule.destinationMac, rule.destination, rule.destinationPorts));
  if (rule.icmpType !== undefined) words.push("type", `${rule.icmpType}`);
  if (rule.fragments === true) words.push("fragments");
  if (rule.log === true) words.push("log");
  return words.join(" ");
}
