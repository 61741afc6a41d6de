import { expect, it } from "vitest";
import { BROADCAST_MAC, be16, be32, GATEWAY_MAC, ip4, type parse, udpFrame } from "./frames.ts";
import { TestNet } from "./net.ts";
import { pattern } from "./simulation.ts";

const [DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM] = [1, 2, 3, 4, 5, 6, 7, 8];
const macOf = (n: number): Uint8Array => Uint8Array.of(0x52, 0x54, 0, 0, n >> 8, n & 255);

interface Message {
  type: number;
  mac?: Uint8Array;
  ciaddr?: string;
  flags?: number;
  relay?: string;
  options?: Record<number, readonly number[]>;
}

function message({ type, mac = macOf(1), ciaddr = "0.0.0.0", flags = 0, relay = "0.0.0.0", options = {} }: Message) {
  const bytes = [
    1,
    1,
    6,
    0,
    ...be32(0xabcd),
    0,
    0,
    ...be16(flags),
    ...ip4(ciaddr),
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    ...ip4(relay),
  ];
  bytes.push(...mac, ...new Uint8Array(10 + 192), 0x63, 0x82, 0x53, 0x63, 53, 1, type);
  for (const [code, value] of Object.entries(options)) bytes.push(Number(code), value.length, ...value);
  bytes.push(255);
  const to = ciaddr === "0.0.0.0" ? "255.255.255.255" : "10.0.2.2";
  const ip = { source: ip4(ciaddr), destination: ip4(to), mac: ciaddr === "0.0.0.0" ? BROADCAST_MAC : GATEWAY_MAC };
  return udpFrame({ ...ip, sourceMac: mac }, 68, 67, bytes);
}

/** What a reply says. */
function read(frame: ReturnType<typeof parse> | undefined) {
  if (frame === undefined) return undefined;
  const { payload } = frame;
  const options = new Map<number, number[]>();
  for (let at = 240; payload[at] !== 255 && at < payload.length; at += 2 + payload[at + 1])
    options.set(payload[at], [...payload.subarray(at + 2, at + 2 + payload[at + 1])]);
  return {
    type: options.get(53)?.[0],
    address: payload.subarray(16, 20).join("."),
    to: frame.destination.join("."),
    mac: frame.mac.join(),
    options,
  };
}

const ask = (test: TestNet, what: Message) => read(test.exchange(message(what))[0]);
const SERVER = [...ip4("10.0.2.2")];

it("leads a client from discovery over renewal to release", () => {
  const test = new TestNet({
    hostname: "guest",
    domain: "example.org",
    search: ["a.org"],
    mtu: 1400,
    leaseSeconds: 3600,
  });
  const offer = ask(test, { type: DISCOVER });
  expect(offer).toMatchObject({ type: OFFER, address: "10.0.2.15", to: "10.0.2.15", mac: macOf(1).join() });
  const wanted = [...ip4("10.0.2.15")];
  const ack = ask(test, { type: REQUEST, flags: 0x8000, options: { 50: wanted, 54: SERVER } });
  expect(ack).toMatchObject({ type: ACK, address: "10.0.2.15", to: "255.255.255.255", mac: BROADCAST_MAC.join() });
  expect(Object.fromEntries(ack?.options ?? [])).toMatchObject({
    1: [255, 255, 255, 0],
    3: SERVER,
    6: [...ip4("10.0.2.3")],
    12: [...Buffer.from("guest")],
    15: [...Buffer.from("example.org")],
    26: be16(1400),
    51: be32(3600),
    54: SERVER,
    58: be32(1800),
    59: be32(3150),
    119: [1, 97, 3, 111, 114, 103, 0],
  });
  const renewed = ask(test, { type: REQUEST, ciaddr: "10.0.2.15" });
  expect(renewed).toMatchObject({ type: ACK, address: "10.0.2.15", to: "10.0.2.15" });
  expect(ask(test, { type: REQUEST, options: { 50: wanted } }), "INIT-REBOOT").toMatchObject({ type: ACK });
  expect(ask(test, { type: INFORM, ciaddr: "10.0.2.15" })).toMatchObject({ type: ACK, address: "0.0.0.0" });
  expect(ask(test, { type: RELEASE, ciaddr: "10.0.2.15", options: { 54: SERVER } })).toBe(undefined);
  expect(ask(test, { type: DISCOVER, mac: macOf(2) })?.address).toBe("10.0.2.16");
  expect(ask(test, { type: DISCOVER }), "the same again").toMatchObject({ address: "10.0.2.15" });
});

it("says no to addresses that a client can't have, and nothing about other servers' offers", () => {
  const test = new TestNet();
  ask(test, { type: DISCOVER });
  ask(test, { type: REQUEST, options: { 50: [...ip4("10.0.2.15")], 54: SERVER } });
  const take = (address: string, mac = macOf(2)) =>
    ask(test, { type: REQUEST, mac, options: { 50: [...ip4(address)] } });
  for (const address of ["10.0.2.15", "10.0.2.2", "10.0.2.3", "10.0.2.255", "192.0.2.1"])
    expect(take(address)).toMatchObject({ type: NAK, to: "255.255.255.255", address: "0.0.0.0" });
  expect(take("10.0.2.20"), "after a restart of the server").toMatchObject({ type: ACK, address: "10.0.2.20" });
  expect(ask(test, { type: REQUEST, options: { 50: [10, 0, 2, 15], 54: [192, 0, 2, 9] } })).toBe(undefined);
  expect(ask(test, { type: DISCOVER, relay: "10.0.2.9" })).toBe(undefined);
});

it("leaves a declined address alone for a while", () => {
  const test = new TestNet();
  ask(test, { type: DISCOVER });
  ask(test, { type: REQUEST, options: { 50: [10, 0, 2, 15], 54: SERVER } });
  ask(test, { type: DECLINE, options: { 50: [10, 0, 2, 15], 54: SERVER } });
  expect(ask(test, { type: DISCOVER, options: { 50: [10, 0, 2, 15] } })?.address).toBe("10.0.2.16");
  test.clock.run(700e9);
  expect(ask(test, { type: DISCOVER, mac: macOf(3), options: { 50: [10, 0, 2, 15] } })?.address).toBe("10.0.2.15");
});

it("gives expired addresses away only when no fresh one is left, and none when all are taken", () => {
  const test = new TestNet({ subnet: "192.168.7.0/29", leaseSeconds: 60 });
  const gateway = [...ip4("192.168.7.2")];
  const lease = (n: number) => {
    const address = ask(test, { type: DISCOVER, mac: macOf(n) })?.address;
    if (address === undefined) return undefined;
    ask(test, { type: REQUEST, mac: macOf(n), options: { 50: [...ip4(address)], 54: gateway } });
    return address;
  };
  expect([1, 2, 3, 4].map(lease)).toEqual(["192.168.7.4", "192.168.7.5", "192.168.7.6", undefined]);
  test.clock.run(61e9);
  expect(lease(5)).toBe("192.168.7.4");
  expect(lease(2), "still its own").toBe("192.168.7.5");
});

it("keeps reservations", () => {
  const reservations = [{ mac: "52:54:00:00:00:09", address: "10.0.2.15", hostname: "nine" }];
  const test = new TestNet({ reservations, hostname: "other" });
  expect(ask(test, { type: DISCOVER })?.address).toBe("10.0.2.16");
  const nine = ask(test, { type: DISCOVER, mac: macOf(9) });
  expect(nine?.address).toBe("10.0.2.15");
  expect(nine?.options.get(12)).toEqual([...Buffer.from("nine")]);
});

it("answers no garbage, and not without end", () => {
  const test = new TestNet();
  const to = { source: ip4("0.0.0.0"), destination: ip4("255.255.255.255"), mac: BROADCAST_MAC };
  for (let n = 0; n < 300; n += 7) test.receive(udpFrame(to, 68, 67, pattern(n, n)));
  const cut = message({ type: DISCOVER, options: { 50: [1] } });
  test.receive(cut.slice(0, 200));
  expect(test.sent).toHaveLength(0);
  for (let n = 0; n < 2000; n++) test.receive(message({ type: DISCOVER, mac: macOf(n) }));
  expect(test.sent.length).toBeLessThanOrEqual(200);
});
