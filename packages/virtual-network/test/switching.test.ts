import { EtherType, parseMac } from "@xen-node/packets";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VirtualSwitch } from "../src/index.ts";
import { BROADCAST, ethernet, mac, plain, tcpFrame } from "./frames.ts";
import { Lab } from "./lab.ts";

describe("learning and flooding", () => {
  it("floods what it doesn't know, and delivers to one port what it has learned", () => {
    const lab = new Lab();
    const [a, b, c] = ["a", "b", "c"].map((name) => lab.host(name));
    a.send(plain(mac(2), mac(1)));
    expect([a, b, c].map((host) => host.received.length)).toEqual([0, 1, 1]);
    b.send(plain(mac(1), mac(2)));
    expect([a, b, c].map((host) => host.received.length)).toEqual([1, 1, 1]);
    a.send(plain(mac(2), mac(1)));
    expect([a, b, c].map((host) => host.received.length)).toEqual([1, 2, 1]);
    expect(lab.network.addresses()).toEqual([
      { mac: mac(1), port: "a", fixed: false, ageNs: 0 },
      { mac: mac(2), port: "b", fixed: false, ageNs: 0 },
    ]);
  });

  it("floods broadcast and multicast, and never back to the sender", () => {
    const lab = new Lab();
    const [a, b, c] = ["a", "b", "c"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    a.send(plain(BROADCAST, mac(1)));
    a.send(plain("33:33:00:00:00:01", mac(1)));
    expect([a, b, c].map((host) => host.received.length)).toEqual([0, 2, 2]);
  });

  it("gives nothing back to the port that its destination is behind", () => {
    const lab = new Lab();
    const [a, b] = ["a", "b"].map((name) => lab.host(name));
    a.send(plain(BROADCAST, mac(1)));
    a.send(plain(BROADCAST, mac(3)));
    b.received.length = 0;
    expect(a.send(plain(mac(1), mac(3)))).toBe(true);
    expect([a.received.length, b.received.length]).toEqual([0, 0]);
  });

  it("forgets after the ageing time, and follows a station that moves", () => {
    const lab = new Lab({ ageingNs: 1000 });
    const [a, b, c] = ["a", "b", "c"].map((name) => lab.host(name));
    b.send(plain(BROADCAST, mac(2)));
    lab.now += 1000;
    c.received.length = 0;
    a.send(plain(mac(2), mac(1)));
    expect(c.received).toHaveLength(0);
    lab.now += 1;
    a.send(plain(mac(2), mac(1)));
    expect(c.received).toHaveLength(1);
    c.send(plain(BROADCAST, mac(2)));
    b.received.length = 0;
    a.send(plain(mac(2), mac(1)));
    expect([b.received.length, c.received.length]).toEqual([0, 2]);
  });

  it("delivers to a configured address before it has sent anything, and lets nobody take it away", () => {
    const lab = new Lab();
    const a = lab.host("a", { mac: mac(1) });
    const b = lab.host("b", { mac: mac(2) });
    const thief = lab.host("thief");
    thief.send(plain(BROADCAST, mac(2)));
    expect(lab.network.addresses().filter(({ port }) => port === "thief")).toEqual([]);
    b.received.length = 0;
    a.send(plain(mac(2), mac(1)));
    expect([b.received.length, thief.received.length]).toEqual([1, 0]);
  });

  it("keeps unknown unicast from ports whose address is pinned, unless they want it", () => {
    const lab = new Lab();
    const a = lab.host("a");
    const pinned = lab.host("pinned", { mac: mac(2) });
    const curious = lab.host("curious", { mac: mac(3), unknownUnicast: true });
    const bridge = lab.host("bridge", { mac: mac(4), antiSpoof: false });
    a.send(plain(mac(9), mac(1)));
    expect([pinned, curious, bridge].map((host) => host.received.length)).toEqual([0, 1, 1]);
  });

  it("a port that invents addresses pushes out only its own", () => {
    const lab = new Lab();
    const [a, b] = ["a", "b"].map((name) => lab.host(name));
    const flooder = lab.host("flooder", { maxAddresses: 16 });
    b.send(plain(BROADCAST, mac(2)));
    for (let i = 0; i < 5000; i++)
      flooder.send(plain(mac(2), `02:00:00:00:${(i >> 8).toString(16)}:${(i & 255).toString(16)}`));
    expect(lab.network.addresses()).toHaveLength(17);
    flooder.received.length = 0;
    a.send(plain(mac(2), mac(1)));
    expect(flooder.received).toHaveLength(0);
  });

  it("passes VLAN tags as they are", () => {
    const lab = new Lab();
    const [a, b] = ["a", "b"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    const frame = tcpFrame({ from: "10.0.0.1", to: "10.0.0.2", vlans: [7, 9] }, 1, 2);
    a.send(frame);
    expect(b.received).toEqual([frame]);
  });

  it("delivers bytes and offloads as they came, of any length up to 64 KiB", () => {
    const lab = new Lab();
    const [a, b] = ["a", "b"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    const seen: unknown[] = [];
    b.port.onReceive = (packet) => {
      seen.push(packet);
      return true;
    };
    const bytes = ethernet(mac(2), mac(1), 0x88b5, new Uint8Array(65535));
    const packet = { bytes, checksumBlank: true, checksumValid: true, gsoType: 1, gsoSize: 1448 };
    a.send(packet);
    expect(seen).toEqual([packet]);
  });
});

describe("ports", () => {
  it("drop what no bridge forwards", () => {
    const lab = new Lab();
    const [a, b] = ["a", "b"].map((name) => lab.host(name));
    expect(a.send(plain("01:80:c2:00:00:0e", mac(1)))).toBe(true);
    expect(a.send(plain(mac(2), "53:54:00:00:00:01"))).toBe(true);
    expect(a.send(new Uint8Array(13))).toBe(true);
    expect(a.send(new Uint8Array(65_566))).toBe(true);
    expect(b.received).toHaveLength(0);
    expect(a.drops.out).toEqual({ tooShort: 1, tooLong: 1, invalidSource: 1, reservedDestination: 1 });
    a.send(plain("01:80:c2:00:00:10", mac(1)));
    expect(b.received).toHaveLength(1);
  });

  it("filter multicast as their device asks, but not broadcast", () => {
    const lab = new Lab();
    const [a, b] = ["a", "b"].map((name) => lab.host(name));
    const groups = ["01:00:5e:00:00:fb", "33:33:00:00:00:01", BROADCAST];
    b.port.setMulticastFilter([parseMac(groups[1])!]);
    for (const group of groups) a.send(plain(group, mac(1), group));
    expect(b.received.map((frame) => new TextDecoder().decode(frame.subarray(14)))).toEqual([groups[1], BROADCAST]);
    expect(b.port.counters().filtered).toBe(1);
    b.port.setMulticastFilter(undefined);
    a.send(plain(groups[0], mac(1)));
    expect(b.received).toHaveLength(3);
  });

  it("carry nothing without carrier, or without a device", () => {
    const lab = new Lab();
    const [a, b] = ["a", "b"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    b.port.carrier = false;
    expect(a.send(plain(mac(2), mac(1)))).toBe(true);
    expect(b.send(plain(mac(1), mac(2)))).toBe(true);
    expect([b.drops.in, b.drops.out]).toEqual([{ noCarrier: 1 }, { noCarrier: 1 }]);
    b.port.carrier = true;
    a.send(plain(mac(2), mac(1)));
    expect(b.received).toHaveLength(1);
    b.port.onReceive = undefined;
    expect(a.send(plain(mac(2), mac(1)))).toBe(true);
    expect(b.drops.in).toEqual({ noCarrier: 2 });
  });

  it("leave with their addresses, and their names and addresses are free again", () => {
    const lab = new Lab();
    const [a, b] = ["a", "b"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    b.port.remove();
    b.port.remove();
    expect(b.send(plain(mac(1), mac(2)))).toBe(true);
    expect(a.send(plain(mac(2), mac(1)))).toBe(true);
    expect([a.received.length, b.received.length]).toEqual([0, 0]);
    const again = lab.host("b", { mac: mac(2) });
    a.send(plain(mac(2), mac(1)));
    expect(again.received).toHaveLength(1);
    expect(lab.network.ports().map(({ name }) => name)).toEqual(["a", "b"]);
    expect(lab.network.port("b")).toBe(again.port);
  });

  it("are refused with one sentence when their options make no sense", () => {
    const network = new VirtualSwitch({ maxPorts: 2 });
    network.addPort({ name: "a", mac: mac(1) });
    expect(() => network.addPort({ name: "a" })).toThrow('There is a port "a" already.');
    expect(() => network.addPort({ name: "b", mac: mac(1) })).toThrow(`${mac(1)} is that of port "a" already.`);
    expect(() => network.addPort({ name: "b b" })).toThrow('"b b" cannot be the name of a port.');
    expect(() => network.addPort({ name: "b", mac: "01:00:00:00:00:00" })).toThrow("no MAC address");
    expect(() => network.addPort({ name: "b", antiSpoof: true })).toThrow("needs a mac");
    expect(() => network.addPort({ name: "b", addresses: ["10.0.0.1"] })).toThrow("no anti-spoofing");
    expect(() => network.addPort({ name: "b", mac: mac(2), addresses: ["10.0.0"] })).toThrow("no IP address");
    network.addPort({ name: "b" });
    expect(() => network.addPort({ name: "c" })).toThrow("at most 2 ports");
  });

  it("devices may answer in the call that brings a packet, but not for ever", () => {
    const lab = new Lab();
    const [a, b] = ["a", "b"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    let calls = 0;
    for (const [host, to, from] of [
      [a, mac(2), mac(1)],
      [b, mac(1), mac(2)],
    ] as const)
      host.port.onReceive = () => {
        calls++;
        host.send(plain(to, from));
        return true;
      };
    a.send(plain(mac(2), mac(1)));
    expect(calls).toBe(8);
    expect((a.drops.out.nested ?? 0) + (b.drops.out.nested ?? 0)).toBe(1);
  });
});

it("a frame comes to exactly the ports that a plain model of a switch names", () => {
  const sends = fc.array(fc.tuple(fc.nat(3), fc.nat(7), fc.nat(8)), { maxLength: 60 });
  fc.assert(
    fc.property(sends, (list) => {
      const lab = new Lab();
      const hosts = ["a", "b", "c", "d"].map((name) => lab.host(name));
      const behind = new Map<number, number>();
      for (const [at, from, to] of list) {
        const before = hosts.map((host) => host.received.length);
        hosts[at].send(ethernet(to === 8 ? BROADCAST : mac(to), mac(from), EtherType.arp, new Uint8Array(28)));
        behind.set(from, at);
        const only = to === 8 ? undefined : behind.get(to);
        const expected = hosts.map((_, i) => (i !== at && (only === undefined || only === i) ? 1 : 0));
        expect(hosts.map((host, i) => host.received.length - before[i])).toEqual(expected);
      }
    }),
    { numRuns: 200 },
  );
});
