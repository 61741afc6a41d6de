import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalRule, formatRule, parseRule, type Rule, RuleError } from "../src/index.ts";
import { rules } from "./rules.ts";

describe("rules as text", () => {
  it("come back as the same rule", () => {
    fc.assert(
      fc.property(rules, (rule) => {
        const canonical = canonicalRule(rule);
        expect(parseRule(formatRule(rule))).toEqual(canonical);
        expect(canonicalRule(canonical)).toEqual(canonical);
        expect(formatRule(parseRule(formatRule(rule)))).toBe(formatRule(rule));
      }),
      { numRuns: 1000 },
    );
  });

  it("are written in one form", () => {
    const lines: [string, Rule][] = [
      [
        "out drop tcp from 10.0.2.0/24 to any port 25 log",
        {
          direction: "out",
          action: "drop",
          protocol: 6,
          source: "10.0.2.0/24",
          destinationPorts: [25, 25],
          log: true,
        },
      ],
      ["in accept any", { direction: "in", action: "accept" }],
      ["out count arp", { direction: "out", action: "count", etherType: 0x806 }],
      ["out drop ethertype 0x88cc", { direction: "out", action: "drop", etherType: 0x88cc }],
      ["in accept icmp type 8", { direction: "in", action: "accept", protocol: 1, icmpType: 8 }],
      [
        "out redirect inspector udp to any port 53",
        { direction: "out", action: "redirect", redirectTo: "inspector", protocol: 17, destinationPorts: [53, 53] },
      ],
      [
        "in drop ip6 tcp from fd00::/8 port 1024-65535 to mac 52:54:00:00:00:00/ff:ff:ff:00:00:00",
        {
          direction: "in",
          action: "drop",
          ipVersion: 6,
          protocol: 6,
          source: "fd00::/8",
          sourcePorts: [1024, 65535],
          destinationMac: "52:54:00:00:00:00/ff:ff:ff:00:00:00",
        },
      ],
      ["in drop ip4 fragments", { direction: "in", action: "drop", ipVersion: 4, fragments: true }],
      ["out log protocol 47", { direction: "out", action: "log", protocol: 47 }],
    ];
    for (const [line, rule] of lines) {
      expect(parseRule(line)).toEqual(rule);
      expect(formatRule(rule)).toBe(line);
    }
  });

  it("stand in the README as they are understood", () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    const lines = [...readme.matchAll(/^\| `((?:in|out) [^`]+)`/gm)].map((match) => match[1]);
    expect(lines.length).toBeGreaterThan(5);
    for (const line of lines) expect(formatRule(parseRule(line)).replace(" any from", " from")).toBe(line);
  });

  it("may be written in other ways that mean the same", () => {
    expect(formatRule(parseRule("  out   drop tcp from any to port 25 "))).toBe("out drop tcp to any port 25");
    expect(formatRule(parseRule("in accept from mac 52-54-0-0-0-1 any"))).toBe(
      "in accept any from mac 52:54:00:00:00:01",
    );
    expect(formatRule(parseRule("in log udp to FD00:0::1 log"))).toBe("in log udp to fd00::1");
    expect(formatRule(parseRule("in drop ethertype 2054"))).toBe("in drop arp");
  });

  it("are refused with one sentence that says why", () => {
    const wrong: [string, string][] = [
      ["", 'The rule ends where the direction, "in" or "out", is missing.'],
      ["sideways drop", 'A rule\'s direction is "in" or "out", not "sideways".'],
      ["out", "The rule ends where the action is missing."],
      ["out reject tcp", 'action is one of accept, drop, log, count, redirect, not "reject".'],
      ["out redirect", "The rule ends where the port to redirect to is missing."],
      ["out redirect a/b", '"a/b" cannot be the name of a port.'],
      ["out drop tcp to any port", "The rule ends where the port is missing."],
      ["out drop tcp to any port 99999", "Port 99999 is no whole number of 0 to 65535."],
      ["out drop tcp to any port 90-80", "The port range 90-80 ends before it begins."],
      ["out drop tcp to any port http", '"http" is no port or range of ports; write 80 or 8000-8100.'],
      ["out drop to any port 80", "Only tcp and udp have ports; name one of them."],
      ["out drop tcp type 8", "Only icmp and icmp6 have a type; name one of them."],
      ["out drop tcp from 10.0.2.5/24", '"10.0.2.5/24" has bits behind its prefix; write 10.0.2.0/24.'],
      ["out drop from 10.0.2.0/33", '"10.0.2.0/33" has no prefix length of 0 to 32 behind the slash.'],
      [
        "out drop from example.org",
        '"example.org" is no IP address or prefix; write 10.0.2.15, 10.0.2.0/24 or fd00::/8.',
      ],
      ["out drop from mac 52:54", '"52:54" is no MAC address;'],
      [
        "out drop from mac 52:54:00:00:00:01/ff:ff:ff:00:00:00",
        "has bits outside of its mask; write 52:54:00:00:00:00/ff:ff:ff:00:00:00.",
      ],
      ["out drop from 10.0.0.1 to fd00::1", "A rule cannot match IPv4 and IPv6 in the same packet."],
      ["out drop arp from 10.0.0.1", "A rule matches an ethertype or something of IP, not both."],
      ["out drop from", '"from" is followed by an address, "any", "mac" or "port".'],
      ["out drop ethertype 0x10000", "Ethertype 65536 is no whole number of 0 to 65535."],
      ["out drop protocol six", '"six" is no number, where the protocol is expected.'],
      [
        "out drop udp to any port 53 fragments",
        "Later fragments have neither ports nor an ICMP type; leave those out.",
      ],
      ["out drop tcp please", '"please" is not understood there.'],
      ["out drop tcp to 10.0.0.1 from 10.0.0.2", '"from" is not understood there.'],
    ];
    for (const [line, message] of wrong) {
      expect(() => parseRule(line), line).toThrow(message);
      expect(() => parseRule(line), line).toThrow(RuleError);
    }
  });

  it("of random words either parse or are refused, and nothing else happens", () => {
    const word = fc.constantFrom(
      ..."in out drop accept log count redirect any tcp udp icmp6 ip4 ip6 from to mac port type fragments 25 8-9 10.0.0.0/8 fd00::1 ::/0 52:54:00:00:00:01 ethertype protocol arp".split(
        " ",
      ),
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(word, fc.string({ maxLength: 6 })), { maxLength: 12 }), (words) => {
        const line = ["out", "drop", ...words].join(" ");
        try {
          expect(parseRule(formatRule(parseRule(line)))).toEqual(parseRule(line));
        } catch (error) {
          if (!(error instanceof RuleError)) throw error;
          expect(error.message).toMatch(/^[^\n]*[.;]?$/u);
        }
      }),
      { numRuns: 1500 },
    );
  });
});
