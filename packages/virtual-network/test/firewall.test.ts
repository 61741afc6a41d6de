import { FrameReader, formatIpv4, formatIpv6, formatMac, parseIpv4, parseIpv6, parseMac } from "@xen-node/packets";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Rule, RuleLogEntry } from "../src/index.ts";
import { canonicalRule } from "../src/index.ts";
import { arp, BROADCAST, type Ends, ethernet, ip, ipv4, mac, plain, tcp, tcpFrame, udpFrame } from "./frames.ts";
import { Lab } from "./lab.ts";
import { rules } from "./rules.ts";

const ends: Ends = { from: "10.0.2.15", to: "192.0.2.1" };

function pair(options = {}) {
  const lab = new Lab(options);
  return { lab, a: lab.host("a", { mac: mac(1) }), b: lab.host("b", { mac: mac(2) }) };
}

describe("rules of a port", () => {
  it("hold from the next packet on, in order, in each direction", () => {
    const { a, b } = pair();
    const packet = tcpFrame(ends, 40000, 25);
    a.send(packet);
    const drop = a.port.rules.append("out drop tcp from 10.0.2.0/24 to any port 25");
    a.send(packet);
    expect(b.received).toHaveLength(1);
    const accept = a.port.rules.insert("out accept tcp from 10.0.2.15", drop);
    a.send(packet);
    expect(b.received).toHaveLength(2);
    expect(a.port.rules.remove(accept)).toBe(true);
    expect(a.port.rules.remove(accept)).toBe(false);
    a.send(packet);
    expect(b.received).toHaveLength(2);
    a.port.rules.remove(drop);
    b.port.rules.append("in drop tcp to 192.0.2.1 port 20-30");
    a.send(packet);
    expect(b.received).toHaveLength(2);
    expect([a.drops.out, b.drops.in]).toEqual([{ firewall: 2 }, { firewall: 1 }]);
  });

  it("count what they match, under identifiers that stay", () => {
    const { a, b } = pair();
    const packet = udpFrame(ends, 1, 53);
    const count = a.port.rules.append("out count udp");
    const accept = a.port.rules.append({ direction: "out", action: "accept", protocol: 17 });
    a.port.rules.append("out drop any");
    const first = b.port.rules.insert("in count any");
    a.send(packet);
    a.send(plain(mac(2), mac(1)));
    a.port.rules.insert("out count any");
    a.send(packet);
    const bytes = packet.length;
    expect(a.port.rules.list().map(({ text, packets, bytes }) => [text, packets, bytes])).toEqual([
      ["out count any", 1, bytes],
      ["out count udp", 2, 2 * bytes],
      ["out accept udp", 2, 2 * bytes],
      ["out drop any", 1, 19],
    ]);
    expect(a.port.rules.list("out")[1].id).toBe(count);
    expect(new Set([count, accept, first]).size).toBe(3);
    expect(b.port.rules.list("in")).toMatchObject([{ id: first, packets: 2 }]);
    expect(() => a.port.rules.insert("in drop any", count)).toThrow(`There is no rule ${count} in direction "in".`);
    expect(() => a.port.rules.append("out drop tcp port")).toThrow("not understood");
  });

  it("end in the policy", () => {
    const { a, b } = pair();
    a.port.rules.setPolicy("out", "drop");
    a.port.rules.append("out accept arp");
    a.send(plain(mac(2), mac(1)));
    a.send(arp(mac(1), "10.0.2.15"));
    expect(b.received).toHaveLength(1);
    expect([a.port.rules.policy("out"), a.port.rules.policy("in")]).toEqual(["drop", "accept"]);
    b.port.rules.setPolicy("in", "drop");
    a.send(arp(mac(1), "10.0.2.15"));
    expect(b.received).toHaveLength(1);
  });

  it("count a packet once that had to be sent twice", () => {
    const { lab, a, b } = pair();
    a.port.rules.append("out count any");
    b.port.rules.append("in count any");
    b.room = 0;
    a.enqueue(plain(mac(2), mac(1)));
    lab.run();
    expect([a.port.rules.list()[0].packets, b.port.rules.list()[0].packets]).toEqual([0, 0]);
    b.makeRoom(1);
    lab.run();
    expect([a.port.rules.list()[0].packets, b.port.rules.list()[0].packets]).toEqual([1, 1]);
    expect([a.port.counters().out.packets, a.port.flows().length]).toEqual([1, 0]);
  });

  it("redirect to another port, past its rules", () => {
    const { lab, a, b } = pair();
    const inspector = lab.host("inspector");
    inspector.port.rules.setPolicy("in", "drop");
    a.port.rules.append("out redirect inspector udp to any port 53");
    b.port.rules.append("in redirect inspector tcp to any port 80");
    a.send(udpFrame(ends, 1, 53));
    a.send(tcpFrame(ends, 1, 80));
    a.send(tcpFrame(ends, 1, 81));
    expect([inspector.received.length, b.received.length]).toEqual([2, 1]);
    inspector.room = 0;
    expect(a.send(udpFrame(ends, 1, 53))).toBe(false);
    inspector.makeRoom(1);
    lab.run();
    expect(a.readies).toBe(1);
    inspector.port.remove();
    expect(a.send(udpFrame(ends, 1, 53))).toBe(true);
    expect(a.send(tcpFrame(ends, 1, 80))).toBe(true);
    expect([a.drops.out, b.drops.in]).toEqual([{ redirect: 1 }, { redirect: 1 }]);
    a.port.rules.insert("out redirect a any");
    a.send(plain(mac(2), mac(1)));
    expect([a.drops.out, a.received.length]).toEqual([{ redirect: 2 }, 0]);
  });

  it("log what they match, at most ten entries a second", () => {
    const entries: RuleLogEntry[] = [];
    const { lab, a } = pair({ onLog: (entry: RuleLogEntry) => void entries.push(entry) });
    const id = a.port.rules.append("out drop tcp to any port 25 log");
    a.port.rules.append("out log arp");
    const packet = tcpFrame({ ...ends, vlans: [5] }, 40000, 25);
    a.send(packet);
    a.send(arp(mac(1), "10.0.2.15"));
    expect(entries[0]).toEqual({
      port: "a",
      direction: "out",
      ruleId: id,
      rule: "out drop tcp to any port 25 log",
      timeNs: lab.now,
      lengthBytes: packet.length,
      summary: `${mac(1)} > ${mac(2)} vlan 5 ip4 tcp 10.0.2.15 port 40000 > 192.0.2.1 port 25`,
      suppressed: 0,
    });
    expect(entries[1].summary).toBe(`${mac(1)} > ${BROADCAST} arp`);
    for (let i = 0; i < 500; i++) a.send(packet);
    expect(entries).toHaveLength(11);
    lab.now += 1e9;
    a.send(packet);
    expect(entries).toHaveLength(12);
    expect(entries[11].suppressed).toBe(491);
  });

  it("of ports leave later fragments alone; `fragments` matches those", () => {
    const { a, b } = pair();
    a.port.rules.append("out drop udp to any port 53");
    const fragment = (bits: number) =>
      ethernet(mac(2), mac(1), 0x800, ipv4(ends.from, ends.to, 17, [0, 1, 0, 53, 0, 16, 0, 0], bits));
    a.send(fragment(0x2000));
    expect(b.received).toHaveLength(0);
    a.send(fragment(0x2001));
    a.send(fragment(0x0001));
    expect(b.received).toHaveLength(2);
    const id = a.port.rules.append("out drop udp fragments");
    a.send(fragment(0x0001));
    expect([b.received.length, a.port.rules.list().find((rule) => rule.id === id)?.packets]).toEqual([2, 1]);
  });

  it("are not evaded by headers that cannot be read", () => {
    const lab = new Lab();
    const a = lab.host("a");
    const b = lab.host("b", { mac: mac(2) });
    a.port.rules.append("out drop tcp");
    const header = tcp(1, 25, []);
    const tiny = ethernet(mac(2), mac(1), 0x800, ipv4(ends.from, ends.to, 6, header.subarray(0, 8), 0x2000));
    const tagged = tcpFrame({ ...ends, vlans: [0, 0, 0, 0, 0, 0] }, 1, 25);
    const extensions = Array.from({ length: 12 }, (_, i) => [i === 11 ? 6 : 60, 0, 1, 4, 0, 0, 0, 0]).flat();
    const deep = ip({ from: "fd00::1", to: "fd00::2" }, 60, Uint8Array.from([...extensions, ...header]));
    for (const frame of [tiny, tagged, deep, tcpFrame(ends, 1, 25).subarray(0, 40)]) a.send(frame);
    expect([b.received.length, a.drops.out]).toEqual([0, { malformed: 4 }]);
    a.port.rules.remove(a.port.rules.list()[0].id);
    b.port.rules.append("in drop tcp");
    for (const frame of [tiny, tagged, deep]) a.send(frame);
    expect([b.received.length, b.drops.in]).toEqual([0, { malformed: 3 }]);
    // Without rules or address checks a frame is nobody's business.
    b.port.rules.remove(b.port.rules.list()[0].id);
    a.send(tiny);
    expect(b.received).toHaveLength(1);
  });
});

describe("compiled rules", () => {
  const reader = new FrameReader();
  const masked = (address: Uint8Array, text: string, parse: (text: string) => Uint8Array | undefined): boolean => {
    const [value, mask] = text.split("/").map(parse);
    return address.every((byte, i) => ((byte ^ value![i]) & (mask?.[i] ?? 255)) === 0);
  };
  const bits = (address: Uint8Array): string => [...address].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const within = (address: string, prefix: string): boolean => {
    const [base, length] = prefix.split("/");
    const a = parseIpv4(address) ?? parseIpv6(address)!;
    const b = parseIpv4(base) ?? parseIpv6(base)!;
    return a.length === b.length && bits(a).startsWith(bits(b).slice(0, length === undefined ? 128 : Number(length)));
  };

  /** What the rule's text says, field by field, without numbers packed into rows. */
  function matches(rule: Rule, bytes: Uint8Array): boolean {
    const frame = reader.read(bytes);
    const at = frame.network;
    const format = frame.ipVersion === 4 ? formatIpv4 : formatIpv6;
    const source = frame.ipVersion === 0 ? undefined : format(bytes, at + (frame.ipVersion === 4 ? 12 : 8));
    const destination = frame.ipVersion === 0 ? undefined : format(bytes, at + (frame.ipVersion === 4 ? 16 : 24));
    const inRange = (port: number, range: readonly [number, number]) => range[0] <= port && port <= range[1];
    return (
      (rule.etherType === undefined || rule.etherType === frame.etherType) &&
      (rule.ipVersion === undefined || rule.ipVersion === frame.ipVersion) &&
      (rule.protocol === undefined || rule.protocol === frame.protocol) &&
      (rule.fragments !== true || frame.laterFragment) &&
      (rule.icmpType === undefined || (frame.transport > 0 && bytes[frame.transport] === rule.icmpType)) &&
      (rule.sourcePorts === undefined || inRange(frame.sourcePort, rule.sourcePorts)) &&
      (rule.destinationPorts === undefined || inRange(frame.destinationPort, rule.destinationPorts)) &&
      (rule.source === undefined || (source !== undefined && within(source, rule.source))) &&
      (rule.destination === undefined || (destination !== undefined && within(destination, rule.destination))) &&
      (rule.sourceMac === undefined || masked(bytes.subarray(6, 12), rule.sourceMac, parseMac)) &&
      (rule.destinationMac === undefined || masked(bytes.subarray(0, 6), rule.destinationMac, parseMac))
    );
  }

  const port = fc.constantFrom(0, 25, 80, 1024, 65535);
  const v4 = fc.constantFrom("10.0.2.15", "10.0.3.1", "192.0.2.1", "255.255.255.255", "0.0.0.1");
  const v6 = fc.constantFrom("fd00::1", "fe80::1", "2001:db8::5:0:1", "::1");
  const frames = fc
    .tuple(fc.oneof(fc.tuple(v4, v4), fc.tuple(v6, v6)), fc.constantFrom(6, 17, 1, 58, 47), port, port, fc.nat(3))
    .map(([[from, to], protocol, source, destination, shape]) => {
      const vlans = shape === 1 ? [3] : [];
      const fragment = shape === 2 ? 0x2010 : 0;
      const payload =
        protocol === 6 ? tcp(source, destination, [1]) : [source & 255, 0, source >> 8, destination & 255, 0, 9, 0, 0];
      if (fragment > 0 && !from.includes(":"))
        return ethernet(mac(2), mac(1), 0x800, ipv4(from, to, protocol, payload, fragment));
      if (shape === 3) return ethernet(mac(2), mac(1), source, payload);
      return ip({ from, to, vlans }, protocol, Uint8Array.from(payload));
    });

  /** The same rule, bent towards the packet in some fields so that matches come up. */
  function near(rule: Rule, bytes: Uint8Array, bend: number): Rule {
    const frame = reader.read(bytes);
    const version = frame.ipVersion;
    const prefix = (address: string) => (bend & 1 ? address : version === 4 ? "0.0.0.0/0" : "::/0");
    return {
      ...rule,
      ...(rule.etherType !== undefined && bend & 2 ? { etherType: frame.etherType } : {}),
      ...(rule.protocol !== undefined &&
      (rule.sourcePorts ?? rule.destinationPorts ?? rule.icmpType) === undefined &&
      bend & 4
        ? { protocol: Math.max(0, frame.protocol) }
        : {}),
      ...(rule.sourcePorts !== undefined && bend & 8 ? { sourcePorts: [0, 65535] as const } : {}),
      ...(rule.destinationPorts !== undefined && bend & 16 ? { destinationPorts: [0, 65535] as const } : {}),
      ...(rule.sourceMac !== undefined && bend & 32 ? { sourceMac: formatMac(bytes, 6) } : {}),
      ...(rule.destinationMac !== undefined && bend & 64
        ? { destinationMac: "00:00:00:00:00:00/01:00:00:00:00:00" }
        : {}),
      ...(version !== 0 && rule.source !== undefined && bend & 128
        ? {
            ipVersion: version as 4 | 6,
            source: prefix((version === 4 ? formatIpv4 : formatIpv6)(bytes, frame.network + (version === 4 ? 12 : 8))),
            destination: undefined,
          }
        : {}),
    };
  }

  it("match exactly what their text says", () => {
    let matched = 0;
    fc.assert(
      fc.property(rules, frames, fc.nat(255), (rule, bytes, bend) => {
        const lab = new Lab({ flowsPerPort: 0 });
        const a = lab.host("a");
        const bent = canonicalRule(near({ ...rule, direction: "out" }, bytes, bend));
        a.port.rules.append(bent);
        const expected = matches(bent, bytes) && !reader.read(bytes).malformed;
        a.send(bytes);
        if (expected) matched++;
        expect(a.port.rules.list()[0].packets).toBe(expected ? 1 : 0);
      }),
      { numRuns: 1500 },
    );
    expect(matched).toBeGreaterThan(50);
  });
});
