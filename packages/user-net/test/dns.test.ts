import { createSocket, type Socket } from "node:dgram";
import { createServer, type Server } from "node:net";
import { afterEach, expect, it } from "vitest";
import { parseResolver } from "../src/dns/dns-relay.ts";
import { hostClock } from "../src/timers.ts";
import { be16, ip4, ip6, udpFrame } from "./frames.ts";
import { GuestTcp } from "./guest-tcp.ts";
import { TestNet } from "./net.ts";
import { SimulatedClock } from "./simulation.ts";

const GUEST = ip4("10.0.2.15");
const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

const query = (id: number, name: string, type = 1): number[] => [
  ...be16(id),
  1,
  0,
  0,
  1,
  0,
  0,
  0,
  0,
  0,
  0,
  ...name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]),
  0,
  ...be16(type),
  0,
  1,
];

const ask = (message: number[], port = 5000): Uint8Array =>
  udpFrame({ source: GUEST, destination: ip4("10.0.2.3") }, port, 53, message);

/** A resolver on the loopback, and "address:port" of it. */
async function resolver(answer: (message: Buffer, reply: (bytes: Uint8Array) => void) => void): Promise<string> {
  const socket: Socket = createSocket("udp4");
  open.push(socket);
  socket.on("message", (message, from) => answer(message, (bytes) => socket.send(bytes, from.port, from.address)));
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return `127.0.0.1:${socket.address().port}`;
}

const netOf = (options: ConstructorParameters<typeof TestNet>[0]): TestNet => {
  const test = new TestNet({ clock: hostClock, ...options });
  open.push(test.net);
  return test;
};

const answered = (message: Buffer, marker: number): Uint8Array =>
  Uint8Array.from([...message.subarray(0, 2), 0x81, 0x80, ...message.subarray(4), marker]);

it("answers fixed names here, by type, whatever their case", () => {
  const test = new TestNet({ hosts: { "Host.Test": ["192.0.2.7", "2001:db8::7", "192.0.2.8"] } });
  const [a] = test.exchange(ask(query(7, "hOST.test")));
  expect([...a.payload.subarray(0, 8)]).toEqual([0, 7, 0x81, 0x80, 0, 1, 0, 2]);
  expect([...a.payload.subarray(-4)]).toEqual([192, 0, 2, 8]);
  expect(a).toMatchObject({ sourcePort: 53, destinationPort: 5000 });
  const [aaaa] = test.exchange(ask(query(8, "host.test", 28)));
  expect([...aaaa.payload.subarray(-16)]).toEqual([...ip6("2001:db8::7")]);
  const [mx] = test.exchange(ask(query(9, "host.test", 15)));
  expect([...mx.payload.subarray(2, 8)], "the name exists, without such a record").toEqual([0x81, 0x80, 0, 1, 0, 0]);
});

it("relays queries as they are, and keeps two guests' equal identifiers apart", async () => {
  const server = await resolver((message, reply) => reply(answered(message, message[13])));
  const test = netOf({ dnsServers: [server] });
  const both = [5001, 5002].map((port) => test.next(({ destinationPort }) => destinationPort === port));
  test.receive(ask(query(1, "a.test"), 5001));
  test.receive(ask(query(1, "b.test"), 5002));
  test.receive(ask(query(1, "b.test"), 5002)); // repeated: asked once
  expect(test.net.statistics.dnsQueries).toBe(2);
  const [a, b] = await Promise.all(both);
  expect(String.fromCharCode(a.payload.at(-1) ?? 0, b.payload.at(-1) ?? 0)).toBe("ab");
  expect(test.net.statistics.dnsQueries).toBe(0);
});

it("asks the next server when one refuses or keeps silent, and says so when none answers", async () => {
  const closed = await resolver(() => {});
  open.splice(0)[0].close();
  let asked = 0;
  const silent = await resolver(() => asked++);
  const wrong = await resolver((message, reply) => {
    asked++;
    reply(answered(Buffer.from([9, 9, ...message.subarray(2)]), 1)); // another identifier: not believed
  });
  const good = await resolver((message, reply) => reply(answered(message, 42)));
  const clock = new SimulatedClock();
  const test = netOf({ clock, dnsServers: [closed, silent, wrong, good] });
  const reply = test.next(({ sourcePort }) => sourcePort === 53);
  test.receive(ask(query(3, "x.test")));
  const ticking = setInterval(() => clock.run(500e6), 20);
  expect((await reply).payload.at(-1)).toBe(42);
  expect(asked).toBe(2);
  const none = netOf({ clock, dnsServers: [silent] });
  const failure = none.next(({ sourcePort }) => sourcePort === 53);
  none.receive(ask(query(4, "x.test")));
  expect((await failure).payload[3] & 15).toBe(2);
  clearInterval(ticking);
});

it("bounds the queries under way", () => {
  const test = netOf({ dnsServers: ["192.0.2.53"], limits: { dnsQueries: 3 } });
  for (let id = 0; id < 10; id++) test.receive(ask(query(id, "x.test")));
  expect(test.net.statistics.dnsQueries).toBe(3);
  expect(test.sent.filter(({ payload }) => (payload[3] & 15) === 2)).toHaveLength(7);
});

it("relays TCP to the first server that takes the connection", async () => {
  const server: Server = createServer((socket) => {
    socket.on("data", (bytes) => socket.end(bytes));
    socket.on("error", () => {}); // the network resets it at its end
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(server);
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const test = netOf({ dnsServers: ["127.0.0.1:1", `127.0.0.1:${address.port}`] });
  const guest = new GuestTcp({
    clock: hostClock,
    send: (packet) => test.net.receive(packet),
    address: GUEST,
    port: 4000,
    remote: ip4("10.0.2.3"),
    remotePort: 53,
  });
  test.onPacket = (packet) => queueMicrotask(() => guest.receive(packet));
  guest.connect();
  guest.write(Buffer.from("query"));
  await expect.poll(() => guest.text).toBe("query");
});

it("reads resolvers as they are written", () => {
  expect(parseResolver("192.0.2.1")).toEqual({ address: "192.0.2.1", port: 53 });
  expect(parseResolver("192.0.2.1:5353")).toEqual({ address: "192.0.2.1", port: 5353 });
  expect(parseResolver("2001:db8::1")).toEqual({ address: "2001:db8::1", port: 53 });
  expect(parseResolver("[2001:db8::1]:54")).toEqual({ address: "2001:db8::1", port: 54 });
  for (const bad of ["", "dns", "192.0.2.1:0", "192.0.2.1:70000", "[192.0.2]:5"])
    expect(parseResolver(bad)).toBe(undefined);
});
