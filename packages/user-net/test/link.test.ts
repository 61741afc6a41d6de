// ARP, neighbour discovery, echo, fragments, errors, and garbage.
import { checksumOf, copyPacket, plainPacket, sumBytes } from "@xen-node/packets";
import fc from "fast-check";
import { expect, it } from "vitest";
import { UserNetConfigError } from "../src/options.ts";
import { UserNet } from "../src/user-net.ts";
import {
  BROADCAST_MAC,
  be16,
  be32,
  GATEWAY_MAC,
  GUEST_MAC,
  ip4,
  ip6,
  ipFrame,
  parse,
  tcpFrame,
  udpFrame,
} from "./frames.ts";
import { TestNet } from "./net.ts";
import { pattern } from "./simulation.ts";

const GUEST = ip4("10.0.2.15");
const GATEWAY = ip4("10.0.2.2");

const arp = (operation: number, sender: Uint8Array, target: Uint8Array): Uint8Array =>
  Uint8Array.from([
    ...BROADCAST_MAC,
    ...GUEST_MAC,
    8,
    6,
    0,
    1,
    8,
    0,
    6,
    4,
    ...be16(operation),
    ...GUEST_MAC,
    ...sender,
    0,
    0,
    0,
    0,
    0,
    0,
    ...target,
  ]);

it("answers ARP for the gateway and the DNS server alone", () => {
  const test = new TestNet();
  for (const address of ["10.0.2.2", "10.0.2.3"]) {
    const [reply] = test.exchange(arp(1, GUEST, ip4(address)));
    expect([...reply.frame.bytes.subarray(20, 42)]).toEqual([
      0,
      2,
      ...GATEWAY_MAC,
      ...ip4(address),
      ...GUEST_MAC,
      ...GUEST,
    ]);
  }
  expect(test.exchange(arp(1, ip4("0.0.0.0"), GATEWAY))).toHaveLength(1);
  expect(test.exchange(arp(1, GUEST, ip4("10.0.2.99")))).toHaveLength(0);
  expect(test.exchange(arp(1, ip4("192.0.2.1"), GATEWAY))).toHaveLength(0);
  expect(test.exchange(arp(2, GUEST, GATEWAY))).toHaveLength(0);
  expect(test.net.statistics.neighbors).toBe(1);
});

it("advertises the prefix and the DNS server, and answers solicitations for its addresses", () => {
  const test = new TestNet({ search: ["example.org"] });
  const local = ip6("fe80::5054:ff:fe12:3456");
  const [advertisement] = test.exchange(
    ipFrame(
      {
        source: local,
        destination: ip6("ff02::2"),
        protocol: 58,
        hopLimit: 255,
        mac: Uint8Array.of(0x33, 0x33, 0, 0, 0, 2),
      },
      [133, 0, 0, 0, 0, 0, 0, 0],
    ),
  );
  const message = advertisement.transport;
  expect(message[0]).toBe(134);
  expect([...advertisement.source]).toEqual([...ip6("fe80::2")]);
  expect([...message.subarray(48, 56)]).toEqual([...ip6("fd00:10:0:2::").subarray(0, 8)]);
  expect([...message.subarray(72, 88)]).toEqual([...ip6("fd00:10:0:2::3")]);
  expect(Buffer.from(message.subarray(96)).toString("latin1")).toContain("\x07example\x03org\0");

  const solicit = (source: string, target: string, hopLimit = 255): Uint8Array =>
    ipFrame({ source: ip6(source), destination: ip6(target), protocol: 58, hopLimit }, [
      135,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      ...ip6(target),
    ]);
  const [answer] = test.exchange(solicit("fd00:10:0:2::15", "fd00:10:0:2::2"));
  expect(answer.transport[0]).toBe(136);
  expect([...answer.transport.subarray(26, 32)]).toEqual([...GATEWAY_MAC]);
  expect(test.exchange(solicit("fd00:10:0:2::15", "fd00:10:0:2::77"))).toHaveLength(0);
  expect(test.exchange(solicit("fd00:10:0:2::15", "fd00:10:0:2::2", 64)), "from behind a router").toHaveLength(0);
  expect(test.exchange(solicit("2001:db8::1", "fd00:10:0:2::2"))).toHaveLength(0);
});

it("has no IPv6 when it is off", () => {
  const test = new TestNet({ ipv6: false });
  const frame = ipFrame(
    { source: ip6("fe80::5"), destination: ip6("ff02::2"), protocol: 58, hopLimit: 255 },
    [133, 0, 0, 0, 0, 0, 0, 0],
  );
  expect(test.exchange(frame)).toHaveLength(0);
});

it("answers echo requests to the gateway and the DNS server, large ones in fragments", () => {
  const test = new TestNet();
  const echo = [8, 0, 0, 0, 1, 2, 3, 4, ...pattern(56)];
  const [reply] = test.exchange(ipFrame({ source: GUEST, destination: GATEWAY, protocol: 1 }, echo));
  expect(reply.transport[0]).toBe(0);
  expect(sumBytes(reply.transport, 0, reply.transport.length)).toBe(0xffff);
  expect([...reply.transport.subarray(4)]).toEqual(echo.slice(4));
  const six = ipFrame(
    { source: ip6("fd00:10:0:2::15"), destination: ip6("fd00:10:0:2::3"), protocol: 58 },
    [128, 0, 0, 0, 1, 2, 3, 4, 9],
  );
  expect(test.exchange(six)[0].transport[0]).toBe(129);

  const large = Uint8Array.from([8, 0, 0, 0, 1, 2, 3, 4, ...pattern(3000)]);
  large.set(be16(checksumOf(sumBytes(large, 0, large.length))), 2);
  const piece = (at: number, end: number): Uint8Array =>
    ipFrame(
      {
        source: GUEST,
        destination: GATEWAY,
        protocol: 1,
        fragment: (at >> 3) | (end < large.length ? 0x2000 : 0),
        identification: 77,
      },
      large.subarray(at, end),
    );
  expect(test.exchange(piece(1480, 2960))).toHaveLength(0);
  expect(test.exchange(piece(2960, large.length))).toHaveLength(0);
  const fragments = test.exchange(piece(0, 1480));
  expect(fragments).toHaveLength(3);
  expect(fragments.every(({ frame }) => frame.fragment && frame.bytes.length <= 1514)).toBe(true);
});

it("drops datagrams whose fragments overlap, never end, or are too many to hold", () => {
  const test = new TestNet({ limits: { reassemblies: 8 } });
  const piece = (offset: number, length: number, more: boolean, identification: number): Uint8Array =>
    ipFrame(
      {
        source: GUEST,
        destination: GATEWAY,
        protocol: 1,
        fragment: (offset >> 3) | (more ? 0x2000 : 0) || 0x4000,
        identification,
      },
      pattern(length),
    );
  test.receive(piece(0, 800, true, 1));
  test.receive(piece(792, 800, true, 1));
  test.receive(piece(800, 800, false, 1));
  expect(test.sent).toHaveLength(0);
  test.receive(piece(65528, 800, false, 2)); // beyond 64 KiB
  test.receive(piece(0, 801, true, 3)); // no multiple of 8
  for (let i = 0; i < 100; i++) test.receive(piece(0, 8, true, 100 + i));
  expect(test.net.statistics.reassemblies).toBe(8);
  test.clock.run(20e9);
  expect(test.net.statistics.reassemblies).toBe(0);
  expect(test.sent).toHaveLength(0);
});

it("tells what it doesn't carry, and when a hop limit ends", () => {
  const test = new TestNet();
  const [sctp] = test.exchange(ipFrame({ source: GUEST, destination: ip4("192.0.2.1"), protocol: 132 }, pattern(20)));
  expect([...sctp.transport.subarray(0, 2)]).toEqual([3, 2]);
  expect([...sctp.transport.subarray(8, 28)], "the header it is about").toHaveLength(20);
  const [expired] = test.exchange(
    udpFrame({ source: GUEST, destination: ip4("192.0.2.1"), hopLimit: 1 }, 5, 33434, [1]),
  );
  expect([...expired.transport.subarray(0, 2)]).toEqual([11, 0]);
  expect([...expired.source]).toEqual([...GATEWAY]);
});

it("asks the owner before a guest reaches outside, and never routes what isn't a unicast address", () => {
  const asked: string[] = [];
  const test = new TestNet({
    hostLoopback: false,
    allow: ({ protocol, address, port }) => {
      asked.push(`${protocol} ${address} ${port}`);
      return false;
    },
  });
  const syn = (destination: string): number =>
    test.exchange(
      tcpFrame({ source: GUEST, destination: ip4(destination) }, { sourcePort: 5, destinationPort: 80, flags: 2 }),
    )[0]?.flags;
  expect(syn("192.0.2.1")).toBe(4 | 16);
  expect(syn("10.0.2.2"), "the host's loopback").toBe(4 | 16);
  for (const never of ["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "10.0.2.77"])
    expect(syn(never)).toBe(undefined);
  for (const never of ["::1", "::", "::ffff:127.0.0.1", "ff02::1", "fe80::99", "::7f00:1"]) {
    const frame = tcpFrame(
      { source: ip6("fd00:10:0:2::15"), destination: ip6(never) },
      { sourcePort: 5, destinationPort: 80, flags: 2 },
    );
    expect(test.exchange(frame)).toHaveLength(0);
  }
  test.receive(udpFrame({ source: GUEST, destination: ip4("192.0.2.1") }, 5, 6, [1]));
  expect(asked).toEqual(["tcp 192.0.2.1 80", "udp 192.0.2.1 6"]);
  expect(test.sent.at(-1)?.transport[1], "administratively prohibited").toBe(13);
  expect(test.net.statistics).toMatchObject({ tcpConnections: 0, udpFlows: 0 });
});

it("takes nothing from addresses that are no guest's, nor to itself from itself", () => {
  const test = new TestNet();
  for (const source of ["10.0.2.2", "10.0.2.3", "10.0.2.0", "10.0.2.255", "192.0.2.7", "127.0.0.1"]) {
    const ip = { source: ip4(source), destination: GATEWAY };
    expect(test.exchange(tcpFrame(ip, { sourcePort: 80, destinationPort: 80, flags: 2 }))).toHaveLength(0);
    expect(test.exchange(udpFrame(ip, 80, 80, [1]))).toHaveLength(0);
  }
  const wrong = tcpFrame(
    { source: GUEST, destination: ip4("192.0.2.1") },
    { sourcePort: 1, destinationPort: 2, flags: 2 },
  );
  wrong[50] ^= 1; // TCP's checksum
  expect(test.exchange(wrong)).toHaveLength(0);
  wrong[50] ^= 1;
  wrong[24] ^= 1; // IP's checksum
  expect(test.exchange(wrong)).toHaveLength(0);
});

it("never throws and answers no more than it should, whatever a frame holds", () => {
  const test = new TestNet({ allow: () => false, hostLoopback: false });
  const seeds = [
    arp(1, GUEST, GATEWAY),
    udpFrame({ source: GUEST, destination: GATEWAY }, 68, 67, pattern(300)),
    udpFrame(
      { source: GUEST, destination: ip4("10.0.2.3") },
      5000,
      53,
      [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1],
    ),
    tcpFrame(
      { source: GUEST, destination: GATEWAY },
      { sourcePort: 1, destinationPort: 2, flags: 2, options: [2, 4, 5, 180] },
    ),
    ipFrame({ source: GUEST, destination: GATEWAY, protocol: 1 }, [8, 0, 0, 0, 1, 2, 3, 4]),
    ipFrame({ source: ip6("fe80::5"), destination: ip6("fe80::2"), protocol: 58, hopLimit: 255 }, [
      135,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      ...ip6("fe80::2"),
    ]),
    ipFrame({ source: ip6("fe80::5"), destination: ip6("fe80::2"), protocol: 44 }, [
      17,
      0,
      0,
      1,
      ...be32(5),
      ...pattern(16),
    ]),
    ipFrame({ source: GUEST, destination: GATEWAY, protocol: 17, fragment: 0x2000 }, pattern(64)),
  ];
  fc.assert(
    fc.property(
      fc.nat(seeds.length - 1),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 }),
      fc.option(fc.nat(120)),
      fc.boolean(),
      (which, changes, cut, known) => {
        const bytes = seeds[which].slice(0, cut ?? undefined);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        const before = test.sent.length;
        test.net.receive(plainPacket(bytes, known));
        expect(test.sent.length - before).toBeLessThanOrEqual(50);
        test.clock.run(1e6);
      },
    ),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => test.receive(bytes)),
    { numRuns: 500 },
  );
  test.net.close();
  expect(test.clock.pending).toBe(0);
});

it("defers what a guest answers from within send, and reads Buffers as any bytes", async () => {
  const order: string[] = [];
  const net: UserNet = new UserNet({
    ping: false,
    dnsServers: [],
    send: (packet) => {
      order.push("sent");
      if (order.length < 4) net.receive(copyPacket(packetOf));
      order.push("returned");
      return parse(packet.bytes).protocol === 1;
    },
  });
  const packetOf = plainPacket(
    Buffer.from(ipFrame({ source: GUEST, destination: GATEWAY, protocol: 1 }, [8, 0, 0, 0, 1, 2, 3, 4])),
  );
  net.receive(packetOf);
  await Promise.resolve();
  await Promise.resolve();
  expect(order).toEqual(["sent", "returned", "sent", "returned", "sent", "returned"]);
  net.close();
});

it.each([
  [{ subnet: "10.0.2.1/24" }, "bits set"],
  [{ subnet: "127.0.0.0/8" }, "unicast"],
  [{ subnet: "ten" }, "IPv4 network"],
  [{ gateway: "10.0.3.1" }, "host address"],
  [{ dns: "10.0.2.2" }, "different"],
  [{ ipv6: "fd00::1/64" }, "/64"],
  [{ mtu: 100 }, "mtu"],
  [{ mac: "01:00:00:00:00:00" }, "unicast MAC"],
  [{ acceptGso: true, acceptChecksumBlank: false }, "acceptGso"],
  [{ dnsServers: ["dns.example"] }, "dnsServers"],
  [{ hosts: { a: "b" } }, "hosts"],
  [{ hostname: "x".repeat(300) }, "name"],
  [{ leaseSeconds: 0 }, "leaseSeconds"],
  [{ forwards: ["8080:80"] }, "forward"],
])("refuses the options %j with a sentence", (options, word) => {
  const make = (): UserNet => new UserNet({ send: () => true, ...options });
  expect(make).toThrow(UserNetConfigError);
  expect(make).toThrow(word);
});
