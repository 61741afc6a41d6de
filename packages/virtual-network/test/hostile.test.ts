import { EtherType, IpProtocol, parseMac, plainPacket } from "@xen-node/packets";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arp, BROADCAST, dhcp, ethernet, ip, mac, plain, tcpFrame, udpFrame } from "./frames.ts";
import { type Host, Lab } from "./lab.ts";

const HONEST_A = mac(1);
const HONEST_B = mac(2);

/** Real frames, to be bent. */
const samples: Uint8Array[] = [
  plain(HONEST_A, mac(3)),
  arp(mac(3), "10.0.0.1"),
  tcpFrame({ from: "10.0.0.1", to: "10.0.0.2", fromMac: HONEST_A, toMac: HONEST_B, vlans: [0, 5] }, 1, 2),
  udpFrame(
    { from: "10.0.0.3", to: "10.0.0.1", fromMac: mac(3), toMac: HONEST_A },
    67,
    68,
    dhcp({ op: 2, type: 5, chaddr: HONEST_A, yiaddr: "10.6.6.6", leaseSeconds: 9 }),
  ),
  udpFrame({ from: "fd00::3", to: "ff02::1", fromMac: mac(3), toMac: BROADCAST }, 547, 546),
  ip(
    { from: "fe80::3", to: "ff02::1", fromMac: mac(3), toMac: "33:33:00:00:00:01" },
    IpProtocol.icmpv6,
    Uint8Array.of(134, 0, 0, 0, 0, 0, 0, 0),
  ),
  ethernet(BROADCAST, mac(3), EtherType.ipv4, new Uint8Array(3000)),
];

const packets = fc
  .tuple(
    fc.oneof(fc.constantFrom(...samples), fc.uint8Array({ maxLength: 80 })),
    fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 4 }),
    fc.nat(60),
    fc.record({
      checksumBlank: fc.boolean(),
      checksumValid: fc.boolean(),
      gsoType: fc.nat(3),
      gsoSize: fc.nat(70000),
    }),
  )
  .map(([sample, changes, cut, offloads]) => {
    const bytes = sample.slice(0, Math.max(0, sample.length - (cut > 30 ? cut : 0)));
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
    return { bytes, ...offloads };
  });

type Act =
  | { kind: "send"; port: number; packets: ReturnType<typeof plainPacket>[] }
  | { kind: "room"; port: number; packets: number }
  | { kind: "honest" }
  | { kind: "wait"; ns: number };

const acts: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      port: fc.nat(2),
      packets: fc.array(packets, { minLength: 1, maxLength: 12 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("room" as const), port: fc.nat(2), packets: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("honest" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), ns: fc.nat(1e9) }) },
);

describe("hostile ports", () => {
  it("never keep honest ones from each other, whatever they send or refuse", () => {
    fc.assert(
      fc.property(fc.array(acts, { maxLength: 30 }), (list) => {
        const lab = new Lab({ patienceNs: 50e6, flowsPerPort: 16 });
        const a = lab.host("a", { mac: HONEST_A });
        const b = lab.host("b", { mac: HONEST_B, addresses: ["10.0.0.2"] });
        a.port.rules.append("in count tcp to any port 25");
        const hostile: Host[] = [
          lab.host("checked", { mac: mac(3), rateLimit: "10Mb/s" }),
          lab.host("unchecked", { maxAddresses: 8 }),
          lab.host("ruled", { mac: mac(4), antiSpoof: false, rules: ["out log any", "out drop udp to any port 9"] }),
        ];
        for (const host of hostile) host.room = 3;
        let sent = 0;
        const talk = (): void => {
          const text = `honest ${sent++}`;
          // Behind a packet to a port that may never take it, and a broadcast.
          a.enqueue(plain(mac(3), HONEST_A, "x"), plain(BROADCAST, HONEST_A, "x"), plain(HONEST_B, HONEST_A, text));
          b.enqueue(plain(HONEST_A, HONEST_B, text));
        };
        for (const act of list) {
          if (act.kind === "send") hostile[act.port].enqueue(...act.packets);
          else if (act.kind === "room") hostile[act.port].makeRoom(act.packets);
          else if (act.kind === "wait") lab.advance(act.ns);
          else talk();
          lab.run();
        }
        talk();
        lab.advance(10e9);
        const heard = (host: Host, from: string) =>
          host.received
            .filter((frame) => Buffer.compare(frame.subarray(6, 12), parseMac(from)!) === 0)
            .map((frame) => new TextDecoder().decode(frame.subarray(14)))
            .filter((text) => text.startsWith("honest"));
        const expected = Array.from({ length: sent }, (_, i) => `honest ${i}`);
        expect(heard(b, HONEST_A)).toEqual(expected);
        expect(heard(a, HONEST_B)).toEqual(expected);
        // What the switch keeps is bounded, and nothing is left going on.
        expect(lab.network.addresses().length).toBeLessThanOrEqual(4 + 8 + 256);
        expect(a.queue.length + b.queue.length).toBe(0);
        for (const host of [a, b, ...hostile]) {
          expect(host.port.flows().length).toBeLessThanOrEqual(16);
          expect(host.port.leases().length).toBeLessThanOrEqual(16);
        }
        expect(lab.waitingWork).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  it("a flood of small broadcasts leaves an honest port its share of every turn", () => {
    const lab = new Lab();
    const [a, b] = ["a", "b"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    for (const host of [a, b]) host.port.onReceive = () => true;
    for (let i = 0; i < 20; i++) {
      const flooder = lab.host(`flooder${i}`, { mac: mac(0x20 + i) });
      flooder.port.onReceive = () => true;
      const frame = plainPacket(plain(BROADCAST, mac(0x20 + i)));
      flooder.port.onTransmit = (budget) => {
        for (let sent = 0; sent < budget; sent++) flooder.port.send(frame);
        return true;
      };
      flooder.port.requestTransmit();
    }
    const frame = plainPacket(ethernet(mac(2), mac(1), 0x88b5, new Uint8Array(1500)));
    a.port.onTransmit = (budget) => {
      for (let sent = 0; sent < budget; sent++) a.port.send(frame);
      return true;
    };
    a.port.requestTransmit();
    for (let turn = 0; turn < 60; turn++) lab.step();
    // 21 ports share some 60 megabytes of work; a packet of the honest one is 2 kilobytes of it.
    expect(a.port.counters().out.packets).toBeGreaterThan(1000);
  });
});
