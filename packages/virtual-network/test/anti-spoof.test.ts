import { parseIpv6 } from "@xen-node/packets";
import { describe, expect, it } from "vitest";
import { arp, BROADCAST, dhcp, ip, join, mac, plain, tcpFrame, udpFrame } from "./frames.ts";
import { type Host, Lab } from "./lab.ts";

/** A guest under test, a DHCP server that may be one, and the frames of their talk. */
function net(options: Record<string, unknown> = {}) {
  const lab = new Lab();
  const guest = lab.host("guest", { mac: mac(1), ...options });
  const server = lab.host("server", { mac: mac(2), dhcpServer: true });
  const ack = (yiaddr: string, leaseSeconds?: number, chaddr = mac(1), type = 5) =>
    udpFrame(
      { from: "10.0.0.2", to: "255.255.255.255", fromMac: mac(2), toMac: BROADCAST },
      67,
      68,
      dhcp({ op: 2, type, chaddr, yiaddr, leaseSeconds }),
    );
  const release = (ciaddr: string) =>
    udpFrame({ from: ciaddr, to: "10.0.0.2" }, 68, 67, dhcp({ op: 1, type: 7, chaddr: mac(1), ciaddr }));
  return { lab, guest, server, ack, release };
}

/** Whether the guest's packet arrives, by what it uses as its source address. */
const arrives = (guest: Host, server: Host, frame: Uint8Array): boolean => {
  const before = server.received.length;
  expect(guest.send(frame)).toBe(true);
  return server.received.length > before;
};
const from = (source: string, vlans: number[] = []) => tcpFrame({ from: source, to: "10.0.0.2", vlans }, 1, 2);
const icmp6 = (source: string, type: number, body: ArrayLike<number> = [], to = "fd00::2") =>
  ip({ from: source, to }, 58, join([type, 0, 0, 0, 0, 0, 0, 0], body));

describe("anti-spoofing", () => {
  it("insists on the port's MAC address, also in ARP, also behind a VLAN tag", () => {
    const { guest, server } = net();
    expect(arrives(guest, server, plain(mac(2), mac(1)))).toBe(true);
    expect(arrives(guest, server, plain(mac(2), mac(3)))).toBe(false);
    expect(arrives(guest, server, arp(mac(1), "10.0.0.5"))).toBe(true);
    expect(arrives(guest, server, arp(mac(1), "10.0.0.5", "10.0.0.9", mac(3)))).toBe(false);
    expect(arrives(guest, server, arp(mac(1), "10.0.0.5").subarray(0, 40))).toBe(false);
    expect(guest.drops.out).toEqual({ spoofedMac: 1, spoofedArp: 1, malformed: 1 });
  });

  it("is off without a mac, or by choice", () => {
    const lab = new Lab();
    const [a, b] = [lab.host("a", { mac: mac(1), antiSpoof: false }), lab.host("b")];
    expect(arrives(a, b, plain(mac(2), mac(3)))).toBe(true);
    expect(arrives(b, a, plain(mac(1), mac(4)))).toBe(true);
  });

  it("accepts any IPv4 address as long as nothing is known, and never 0.0.0.0 but to ask", () => {
    const { guest, server } = net();
    expect(arrives(guest, server, from("10.0.0.5"))).toBe(true);
    expect(arrives(guest, server, from("192.0.2.77"))).toBe(true);
    expect(arrives(guest, server, from("0.0.0.0"))).toBe(false);
    const discover = dhcp({ op: 1, type: 1, chaddr: mac(1) });
    expect(arrives(guest, server, udpFrame({ from: "0.0.0.0", to: "255.255.255.255" }, 68, 67, discover))).toBe(true);
  });

  it("holds configured addresses and prefixes against IPv4 and ARP senders", () => {
    const { guest, server } = net({ addresses: ["10.0.0.5", "10.1.0.0/24"] });
    for (const [source, passes] of [
      ["10.0.0.5", true],
      ["10.1.0.200", true],
      ["10.0.0.6", false],
      ["10.1.1.1", false],
    ] as const) {
      expect([source, arrives(guest, server, from(source))]).toEqual([source, passes]);
      expect([source, arrives(guest, server, from(source, [0, 7]))]).toEqual([source, passes]);
      expect([source, arrives(guest, server, arp(mac(1), source))]).toEqual([source, passes]);
    }
    expect(arrives(guest, server, arp(mac(1), "0.0.0.0"))).toBe(true);
    const discover = dhcp({ op: 1, type: 1, chaddr: mac(1) });
    expect(arrives(guest, server, udpFrame({ from: "0.0.0.0", to: "255.255.255.255" }, 68, 67, discover))).toBe(true);
    expect(guest.drops.out).toEqual({ spoofedIp: 4, spoofedArp: 2 });
    guest.port.setAddresses(["10.0.0.6"]);
    expect(arrives(guest, server, from("10.0.0.6"))).toBe(true);
    expect(arrives(guest, server, from("10.0.0.5"))).toBe(false);
  });

  it("learns from DHCP which address is the port's, until the lease ends", () => {
    const { lab, guest, server, ack } = net();
    server.send(ack("10.0.0.5", 60, mac(9)));
    server.send(ack("10.0.0.5", 60, mac(1), 2));
    expect(guest.port.leases()).toEqual([]);
    server.send(ack("10.0.0.5", 60));
    expect(guest.port.leases()).toEqual([{ address: "10.0.0.5", expiresNs: lab.now + 60e9 }]);
    expect(arrives(guest, server, from("10.0.0.5"))).toBe(true);
    expect(arrives(guest, server, from("10.0.0.6"))).toBe(false);
    expect(arrives(guest, server, arp(mac(1), "10.0.0.6"))).toBe(false);
    lab.now += 59e9;
    server.send(ack("10.0.0.5", 60));
    lab.now += 59e9;
    expect(arrives(guest, server, from("10.0.0.6"))).toBe(false);
    lab.now += 1e9;
    expect(arrives(guest, server, from("10.0.0.6"))).toBe(true);
    expect(guest.port.leases()).toEqual([]);
  });

  it("forgets a lease that the guest gives back", () => {
    const { guest, server, ack, release } = net();
    server.send(ack("10.0.0.5"));
    server.send(ack("10.0.0.6"));
    expect(guest.port.leases().map(({ address }) => address)).toEqual(["10.0.0.5", "10.0.0.6"]);
    expect(guest.port.leases()[0].expiresNs).toBe(Number.POSITIVE_INFINITY);
    expect(arrives(guest, server, release("10.0.0.5"))).toBe(true);
    expect(arrives(guest, server, from("10.0.0.5"))).toBe(false);
    const decline = dhcp({ op: 1, type: 4, chaddr: mac(1), options: [0, 0, 12, 1, 65, 50, 4, 10, 0, 0, 6] });
    guest.send(udpFrame({ from: "0.0.0.0", to: "255.255.255.255" }, 68, 67, decline));
    expect(guest.port.leases()).toEqual([]);
  });

  it("keeps a bounded number of leases, and none of what the guest had no room for", () => {
    const { guest, server, ack } = net();
    guest.room = 0;
    server.send(ack("10.0.0.1"));
    expect(guest.port.leases()).toEqual([]);
    guest.room = 1000;
    for (let i = 1; i <= 100; i++) server.send(ack(`10.0.0.${i}`));
    expect(guest.port.leases()).toHaveLength(16);
    expect(guest.port.leases().at(-1)?.address).toBe("10.0.0.100");
  });

  it("does not learn from what it cannot read", () => {
    const { guest, server } = net();
    const whole = dhcp({ op: 2, type: 5, chaddr: mac(1), yiaddr: "10.0.0.5", leaseSeconds: 60 });
    for (let length = 0; length < 243; length++)
      server.send(
        udpFrame(
          { from: "10.0.0.2", to: "10.0.0.5", fromMac: mac(2), toMac: mac(1) },
          67,
          68,
          whole.subarray(0, length),
        ),
      );
    expect(guest.port.leases()).toEqual([]);
    const overlong = whole.slice();
    overlong[241] = 255;
    server.send(udpFrame({ from: "10.0.0.2", to: "10.0.0.5", fromMac: mac(2), toMac: mac(1) }, 67, 68, overlong));
    expect(guest.port.leases()).toEqual([]);
  });

  it("lets nobody answer DHCP who isn't allowed to", () => {
    const { lab, guest, server } = net();
    const answer = dhcp({ op: 2, type: 5, chaddr: mac(3), yiaddr: "10.0.0.66" });
    const ends = { from: "10.0.0.1", to: "10.0.0.3", toMac: mac(2) };
    const victim = lab.host("victim", { mac: mac(3) });
    for (const [source, destination] of [
      [67, 68],
      [4000, 68],
      [67, 67],
    ])
      expect(arrives(guest, server, udpFrame(ends, source, destination, answer))).toBe(false);
    expect(arrives(guest, server, udpFrame({ from: "fd00::1", to: "fd00::2" }, 547, 546))).toBe(false);
    expect(guest.drops.out).toEqual({ dhcpServer: 4 });
    const relayed = dhcp({ op: 1, type: 1, chaddr: mac(3) });
    expect(arrives(guest, server, udpFrame(ends, 67, 67, relayed))).toBe(true);
    server.send(udpFrame({ from: "10.0.0.2", to: "10.0.0.66", fromMac: mac(2), toMac: mac(3) }, 67, 68, answer));
    expect(victim.port.leases()).toHaveLength(1);
  });

  it("of IPv6 holds configured addresses; link-local and unspecified ones pass", () => {
    const { guest, server } = net({ addresses: ["fd00::5"] });
    expect(arrives(guest, server, icmp6("fd00::5", 128))).toBe(true);
    expect(arrives(guest, server, icmp6("fd00::6", 128))).toBe(false);
    expect(arrives(guest, server, icmp6("fe80::1234", 128))).toBe(true);
    expect(arrives(guest, server, icmp6("::", 135))).toBe(true);
    const target = (text: string) => parseIpv6(text)!;
    expect(arrives(guest, server, icmp6("fe80::1234", 136, target("fd00::5")))).toBe(true);
    expect(arrives(guest, server, icmp6("fe80::1234", 136, target("fd00::7")))).toBe(false);
    expect(arrives(guest, server, from("10.9.9.9"))).toBe(true);
    expect(guest.drops.out).toEqual({ spoofedIp: 1, spoofedArp: 1 });
    const free = net();
    expect(arrives(free.guest, free.server, icmp6("fd00::6", 128))).toBe(true);
  });

  it("lets nobody be an IPv6 router who isn't allowed to", () => {
    const { guest, server } = net();
    expect(arrives(guest, server, icmp6("fe80::1", 134))).toBe(false);
    expect(arrives(guest, server, icmp6("fe80::1", 137))).toBe(false);
    expect(guest.drops.out).toEqual({ routerAdvertisement: 2 });
    const other = net({ router: true });
    expect(arrives(other.guest, other.server, icmp6("fe80::1", 134))).toBe(true);
  });
});
