// UserNet with the host's real sockets, on the loopback.
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import { hostClock } from "../src/timers.ts";
import { BROADCAST_MAC, GUEST_MAC, ip4, ipFrame, udpFrame } from "./frames.ts";
import { GuestTcp } from "./guest-tcp.ts";
import { TestNet } from "./net.ts";
import { pattern } from "./simulation.ts";

const GUEST = ip4("10.0.2.15");
const GATEWAY = ip4("10.0.2.2");
const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

function netOf(options: ConstructorParameters<typeof TestNet>[0] = {}) {
  const test = new TestNet({ clock: hostClock, ...options });
  open.push(() => test.net.close());
  const guests: GuestTcp[] = [];
  test.onPacket = (packet) => queueMicrotask(() => guests.forEach((guest) => void guest.receive(packet)));
  const guest = (remotePort: number, port = 40000 + guests.length, gso = 0): GuestTcp => {
    const made = new GuestTcp({
      clock: hostClock,
      send: (packet) => test.net.receive(packet),
      address: GUEST,
      port,
      remote: GATEWAY,
      remotePort,
      gso,
    });
    guests.push(made);
    return made;
  };
  return { test, net: test.net, guest };
}

async function serve(accept: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {}); // networks reset what is open at their end
    accept(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

const collect = (socket: Socket): Promise<Buffer> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("end", () => resolve(Buffer.concat(chunks)));
  });

const tells = (holds: () => boolean): Promise<void> => expect.poll(holds, { timeout: 20_000 }).toBe(true);

it.each([false, true])("carries megabytes both ways at once (GSO: %s)", async (gso) => {
  const down = pattern(3_000_000, 1);
  let arrived: Promise<Buffer> | undefined;
  const port = await serve((socket) => {
    arrived = collect(socket);
    socket.end(down);
  });
  const { net, guest } = netOf({ acceptGso: gso });
  const one = guest(port, 40000, gso ? 60_000 : 0);
  const up = pattern(2_000_000, 2);
  one.connect();
  one.write(up);
  one.finish();
  await tells(() => one.remoteFinished && one.finished);
  expect(Buffer.concat(one.received).equals(down)).toBe(true);
  expect((await arrived)?.equals(up)).toBe(true);
  await tells(() => net.statistics.tcpConnections === 0);
  expect(net.statistics.tcpBufferBytes).toBe(0);
});

it("serves 200 connections at once, each its own", async () => {
  const port = await serve((socket) => {
    socket.on("data", (bytes) => socket.write(bytes));
    socket.on("end", () => socket.end());
  });
  const { net, guest } = netOf();
  const guests = Array.from({ length: 200 }, () => guest(port));
  for (const [index, one] of guests.entries()) {
    one.connect();
    one.write(pattern(5000, index));
    one.finish();
  }
  await tells(() => guests.every((one) => one.remoteFinished));
  for (const [index, one] of guests.entries())
    expect(Buffer.concat(one.received).equals(pattern(5000, index))).toBe(true);
  await tells(() => net.statistics.tcpConnections === 0);
});

it("refuses what the host refuses", async () => {
  const port = await serve(() => {});
  open.splice(0)[0]();
  const { guest } = netOf();
  const one = guest(port);
  one.connect();
  await tells(() => one.state === "reset");
});

it("hands resets on in both directions, and resets all at close", async () => {
  const sockets: Socket[] = [];
  const errors: string[] = [];
  const port = await serve((socket) => {
    sockets.push(socket);
    socket.on("error", (error: NodeJS.ErrnoException) => errors.push(error.code ?? ""));
    socket.resume();
  });
  const { net, guest } = netOf();
  const guests = [guest(port), guest(port), guest(port)];
  for (const one of guests) {
    one.connect();
    await tells(() => one.state === "open");
  }
  await tells(() => sockets.length === 3);
  guests[0].reset();
  await tells(() => errors.join() === "ECONNRESET");
  sockets[1].resetAndDestroy();
  await tells(() => guests[1].state === "reset");
  net.close();
  await tells(() => errors.length === 2);
});

it("takes no more from a guest than a slow host has taken", async () => {
  let slow: Socket | undefined;
  const port = await serve((socket) => {
    slow = socket.pause();
  });
  const { net, guest } = netOf({ limits: { receiveBufferBytes: 200_000 } });
  const one = guest(port, 40000, 60_000);
  const up = pattern(8_000_000, 5);
  one.connect();
  one.write(up);
  one.finish();
  await tells(() => net.statistics.tcpBufferBytes >= 190_000);
  expect(net.statistics.tcpBufferBytes).toBeLessThan(210_000);
  const arrived = collect(slow as Socket);
  slow?.resume();
  expect((await arrived).equals(up)).toBe(true);
  slow?.end();
});

it("carries UDP to the host's loopback, in fragments where needed, and says when nobody listens", async () => {
  const echo: UdpSocket = createSocket("udp4");
  echo.on("message", (message, from) => echo.send(message, from.port, from.address));
  await new Promise<void>((resolve) => echo.bind(0, "127.0.0.1", resolve));
  const { test, net } = netOf();
  const { port } = echo.address();
  const small = test.next(({ protocol }) => protocol === 17);
  test.receive(udpFrame({ source: GUEST, destination: GATEWAY }, 7000, port, pattern(1000)));
  const reply = await small;
  expect(reply).toMatchObject({ sourcePort: port, destinationPort: 7000 });
  expect([...reply.source]).toEqual([...GATEWAY]);
  expect(Buffer.from(reply.payload).equals(pattern(1000))).toBe(true);
  expect(net.connections()).toMatchObject([{ protocol: "udp", guest: "10.0.2.15:7000", bytesToGuest: 1000 }]);

  const datagram = udpFrame({ source: GUEST, destination: GATEWAY }, 7000, port, pattern(4000)).subarray(34);
  const before = test.sent.length;
  for (const [at, end] of [
    [0, 1480],
    [1480, 2960],
    [2960, 4008],
  ])
    test.receive(
      ipFrame(
        { source: GUEST, destination: GATEWAY, protocol: 17, fragment: (at >> 3) | (end < 4008 ? 0x2000 : 0) },
        datagram.subarray(at, end),
      ),
    );
  await tells(() => test.sent.length - before === 3);
  const parts = test.sent.slice(before).map(({ frame }) => Buffer.from(frame.bytes.subarray(34)));
  expect(Buffer.concat(parts).subarray(8).equals(pattern(4000))).toBe(true);

  await new Promise<void>((resolve) => echo.close(resolve));
  const error = test.next(({ protocol }) => protocol === 1);
  test.receive(udpFrame({ source: GUEST, destination: GATEWAY }, 7000, port, [1]));
  expect([...(await error).transport.subarray(0, 2)]).toEqual([3, 3]);
});

it("bounds UDP flows and ends idle ones", async () => {
  const { test, net } = netOf({ limits: { udpFlows: 5, udpIdleMs: 50 } });
  for (let port = 1; port <= 20; port++) test.receive(udpFrame({ source: GUEST, destination: GATEWAY }, port, 9, [1]));
  expect(net.statistics.udpFlows).toBe(5);
  await tells(() => net.statistics.udpFlows === 0);
});

/** A guest that answers ARP. */
function answersArp(test: TestNet): void {
  const deliver = test.onPacket;
  test.onPacket = (packet) => {
    deliver?.(packet);
    const { bytes } = packet;
    if (bytes[12] !== 8 || bytes[13] !== 6 || bytes[21] !== 1) return;
    const reply = Uint8Array.from([
      ...bytes.subarray(6, 12),
      ...GUEST_MAC,
      8,
      6,
      0,
      1,
      8,
      0,
      6,
      4,
      0,
      2,
      ...GUEST_MAC,
      ...bytes.subarray(38, 42),
      ...bytes.subarray(22, 32),
    ]);
    expect([...bytes.subarray(0, 6)]).toEqual([...BROADCAST_MAC]);
    queueMicrotask(() => test.receive(reply));
  };
}

it("forwards TCP to a guest, after asking for its MAC address", async () => {
  const { test, net, guest } = netOf({ forwards: ["tcp::0-:80"] });
  answersArp(test);
  await net.ready();
  const [{ ready, id }] = net.forwards;
  const server = guest(0, 80);
  server.listen();
  const { port, address } = await ready;
  expect(address).toBe("127.0.0.1");
  const client = connect(port, "127.0.0.1");
  const arrived = collect(client);
  client.end("question");
  await tells(() => server.remoteFinished);
  expect(server.text).toBe("question");
  server.write(pattern(100_000));
  server.finish();
  expect((await arrived).equals(pattern(100_000))).toBe(true);
  expect(net.removeForward(id)).toBe(true);
  expect(net.removeForward(id)).toBe(false);
  const late = connect(port, "127.0.0.1");
  const code = await new Promise((resolve) => late.on("error", (error: NodeJS.ErrnoException) => resolve(error.code)));
  expect(code).toBe("ECONNREFUSED");
});

it("closes a forward's connection when no guest answers", async () => {
  const { test, net } = netOf();
  const { port } = await net.addForward({ protocol: "tcp", hostPort: 0, guestPort: 80 }).ready;
  const client = connect(port, "127.0.0.1");
  const code = new Promise((resolve) => client.on("error", (error: NodeJS.ErrnoException) => resolve(error.code)));
  await tells(() => test.sent.length > 0);
  expect(await code).toBe("ECONNRESET");
  expect(test.logged.join()).toContain("no guest answers for 10.0.2.15:80");
});

it("forwards UDP both ways", async () => {
  const { test, net } = netOf();
  answersArp(test);
  const { port } = await net.addForward("udp:127.0.0.1:0-10.0.2.15:69").ready;
  const client = createSocket("udp4");
  open.push(() => client.close());
  const came = test.next(({ protocol }) => protocol === 17);
  client.send("read", port, "127.0.0.1");
  const request = await came;
  expect(Buffer.from(request.payload).toString()).toBe("read");
  expect(request.destinationPort).toBe(69);
  const answer = new Promise<string>((resolve) => client.on("message", (message) => resolve(message.toString())));
  test.receive(udpFrame({ source: GUEST, destination: GATEWAY }, 69, request.sourcePort, Buffer.from("data")));
  expect(await answer).toBe("data");
  expect(net.statistics.udpFlows, "no flow of its own").toBe(0);
});

it("says when the host's port is taken, and keeps running", async () => {
  const port = await serve(() => {});
  const { net, test } = netOf({ forwards: [`tcp::${port}-:80`] });
  await expect(net.ready()).rejects.toMatchObject({ code: "EADDRINUSE" });
  expect(net.forwards).toHaveLength(0);
  expect(test.logged.join()).toContain("EADDRINUSE");
});

it("asks the system's ping for echoes from outside, and keeps silent without an answer", async () => {
  const echo = ipFrame({ source: GUEST, destination: ip4("192.0.2.1"), protocol: 1 }, [8, 0, 0, 0, 1, 2, 3, 4, 5]);
  const yes = netOf({ ping: "true" }).test; // the program that succeeds
  const reply = yes.next(({ protocol }) => protocol === 1);
  yes.receive(echo);
  expect([...(await reply).transport.subarray(4)]).toEqual([1, 2, 3, 4, 5]);
  expect((await reply).source).toEqual(ip4("192.0.2.1"));
  const missing = netOf({ ping: "no-such-program-anywhere" }).test;
  missing.receive(echo);
  await tells(() => missing.logged.length === 1);
  expect(missing.logged[0]).toContain("echo");
  expect(missing.sent).toHaveLength(0);
});
