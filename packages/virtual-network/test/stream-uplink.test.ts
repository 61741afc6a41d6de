import { createServer, type Server, type Socket } from "node:net";
import { transportChecksumHolds } from "@xen-node/packets";
import { afterEach, describe, expect, it } from "vitest";
import { encodeFrames, FrameDecoder, StreamUplink, type StreamUplinkOptions, VirtualSwitch } from "../src/index.ts";
import { BROADCAST, mac, plain, tcpFrame } from "./frames.ts";
import { Host } from "./lab.ts";
import { socketFolder, until } from "./until.ts";

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const each of cleanUp.splice(0).reverse()) each();
});

/** A process at the other end, of which the test has the sockets. */
class Peer {
  readonly sockets: Socket[] = [];
  readonly frames: Uint8Array[] = [];
  readonly folder = socketFolder();
  server: Server;

  constructor() {
    cleanUp.push(this.folder.remove);
    this.server = this.listen();
  }

  listen(): Server {
    this.server = createServer((socket) => {
      this.sockets.push(socket);
      const decoder = new FrameDecoder(100_000, (frame) => void this.frames.push(frame.slice()));
      socket.on("data", (chunk) => void decoder.push(chunk));
      socket.on("error", () => {});
      cleanUp.push(() => socket.destroy());
    }).listen(this.folder.path);
    cleanUp.push(() => this.server.close());
    return this.server;
  }

  get socket(): Socket {
    return this.sockets[this.sockets.length - 1];
  }
}

function link(peer: Peer, options: Partial<StreamUplinkOptions> = {}) {
  // No test here is about a receiver that is gone, however slow this machine is.
  const network = new VirtualSwitch({ patienceNs: 600e9 });
  const guest = new Host(network.addPort({ name: "guest", mac: mac(1) }));
  const port = network.addPort({ name: "uplink" });
  const states: string[] = [];
  const uplink = new StreamUplink(port, {
    address: { path: peer.folder.path },
    onState: (state, reason) => void states.push(reason === undefined ? state : `${state}: ${reason.message}`),
    ...options,
  });
  cleanUp.push(() => uplink.close());
  return { network, guest, port, uplink, states };
}

describe("StreamUplink", () => {
  it("carries frames both ways, and sets the port's carrier", async () => {
    const peer = new Peer();
    const { guest, port, uplink, states } = link(peer);
    expect([port.carrier, uplink.state]).toEqual([false, "connecting"]);
    await until(() => peer.sockets.length > 0 && uplink.state === "up", "the connection");
    expect(port.carrier).toBe(true);
    const frames = [plain(BROADCAST, mac(1), "one"), plain(BROADCAST, mac(1), "two")];
    guest.enqueue(...frames);
    await until(() => peer.frames.length === 2, "the guest's frames");
    expect(peer.frames).toEqual(frames);
    const answers = [plain(mac(1), mac(9), "three"), plain(mac(1), mac(9), "four")];
    peer.socket.write(encodeFrames(answers));
    await until(() => guest.received.length === 2, "the peer's frames");
    expect(guest.received).toEqual(answers);
    expect(uplink.counters()).toMatchObject({ framesSent: 2, bytesSent: 34, framesReceived: 2, bytesReceived: 37 });
    uplink.close();
    expect([states, port.carrier]).toEqual([["up", "closed"], false]);
  });

  it("cuts large packets and completes checksums; what has no frame is dropped and counted", async () => {
    const peer = new Peer();
    const { guest, uplink } = link(peer, { maxFrameBytes: 1514 });
    await until(() => uplink.state === "up", "the connection");
    const bytes = tcpFrame({ from: "10.0.0.1", to: "10.0.0.2" }, 1, 2, new Uint8Array(30_000));
    bytes[51] ^= 0x55;
    const packet = { bytes, checksumBlank: true, checksumValid: true, gsoType: 1, gsoSize: 1460 };
    guest.enqueue(packet, { ...packet, gsoType: 2 }, { ...packet, gsoType: 0 }, { ...packet, gsoSize: 1461 });
    await until(() => peer.frames.length === 21, "the segments");
    for (const frame of peer.frames) expect(transportChecksumHolds(frame)).toBe(true);
    expect(uplink.counters()).toMatchObject({ framesSent: 21, unfit: 3 });
  });

  it("pushes back when the peer does not read, and goes on when it does", async () => {
    const peer = new Peer();
    const { guest, port, uplink } = link(peer, { sendBufferBytes: 20_000 });
    await until(() => peer.sockets.length > 0 && uplink.state === "up", "the connection");
    peer.socket.pause();
    const big = plain(BROADCAST, mac(1), "x".repeat(1400));
    guest.enqueue(...Array.from({ length: 3000 }, () => big));
    await until(() => guest.port.counters().refused > 0, "a refusal");
    expect(guest.queue.length).toBeGreaterThan(0);
    peer.socket.resume();
    await until(() => peer.frames.length === 3000, "all frames");
    expect(port.counters().in.drops).toEqual({});
  });

  it("reads no more from the peer than the network takes", async () => {
    const peer = new Peer();
    const { guest, uplink } = link(peer, { receiveBufferBytes: 50_000 });
    await until(() => peer.sockets.length > 0 && uplink.state === "up", "the connection");
    // The guest is slow, but not gone: it makes room in time.
    guest.room = 10;
    const big = plain(mac(1), mac(9), "x".repeat(1400));
    let written = 0;
    const pour = (): void => {
      while (written < 2000) {
        written++;
        if (!peer.socket.write(encodeFrames([big]))) {
          peer.socket.once("drain", pour);
          return;
        }
      }
    };
    pour();
    await until(() => guest.room === 0 && guest.port.counters().in.packets === 10, "the guest to be full");
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    // The uplink's buffer, a chunk and the socket's own buffers are full; the rest stays with the peer.
    expect(written).toBeLessThan(1000);
    let rounds = 0;
    while (guest.received.length < 2000) {
      const before = guest.received.length;
      await until(() => guest.received.length > before || guest.room === 0, "progress");
      guest.makeRoom(100);
      if (++rounds > 500) throw new Error("too many rounds");
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(uplink.counters().framesReceived).toBe(2000);
  });

  it("closes the link for good when the peer lies about lengths", async () => {
    const peer = new Peer();
    const { guest, port, uplink, states } = link(peer);
    await until(() => peer.sockets.length > 0 && uplink.state === "up", "the connection");
    let closed = false;
    peer.socket.on("close", () => {
      closed = true;
    });
    peer.socket.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3));
    await until(() => closed && uplink.state === "closed", "the end");
    expect(states[1]).toMatch(/^closed: Link to .*: the peer announces a frame of 4294967295 bytes/);
    expect(port.carrier).toBe(false);
    expect(guest.send(plain(BROADCAST, mac(1)))).toBe(true);
    expect(peer.sockets).toHaveLength(1);
  });

  it("connects again after a loss; what is sent meanwhile is dropped", async () => {
    const peer = new Peer();
    const { guest, uplink, states } = link(peer, { reconnect: { firstNs: 1e6, mostNs: 4e6 } });
    await until(() => peer.sockets.length > 0 && uplink.state === "up", "the connection");
    peer.server.close();
    peer.socket.destroy();
    await until(() => states.filter((state) => state.startsWith("waiting")).length >= 3, "some retries");
    expect(states[1]).toMatch(/^waiting: Link to .*: the peer closed the connection\.$/);
    expect(states).toContain("connecting");
    expect(guest.send(plain(BROADCAST, mac(1)))).toBe(true);
    peer.listen();
    await until(() => uplink.state === "up", "the second connection");
    guest.enqueue(plain(BROADCAST, mac(1), "again"));
    await until(() => peer.frames.length === 1, "a frame");
    expect(new TextDecoder().decode(peer.frames[0].subarray(14))).toBe("again");
  });

  it("or fails with one clear event", async () => {
    const peer = new Peer();
    const { uplink, states } = link(peer, { reconnect: false });
    await until(() => peer.sockets.length > 0 && uplink.state === "up", "the connection");
    peer.socket.destroy();
    await until(() => uplink.state === "closed", "the end");
    expect(states).toHaveLength(2);
    expect(states[1]).toMatch(/^closed: Link to .*: the peer closed the connection\.$/);
    const nowhere = link(peer, { reconnect: false, address: { path: `${peer.folder.path}-missing` } });
    await until(() => nowhere.uplink.state === "closed", "the failure");
    expect(nowhere.states).toEqual([expect.stringContaining("ENOENT")]);
  });

  it("goes over TCP too", async () => {
    const seen: Uint8Array[] = [];
    const server = createServer((socket) => {
      const decoder = new FrameDecoder(2000, (frame) => void seen.push(frame));
      socket.on("data", (chunk) => void decoder.push(chunk));
      cleanUp.push(() => socket.destroy());
    }).listen(0, "127.0.0.1");
    cleanUp.push(() => server.close());
    await until(() => server.listening, "the server");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no TCP address");
    const peer = new Peer();
    const { guest, uplink } = link(peer, { address: { host: "127.0.0.1", port: address.port } });
    await until(() => uplink.state === "up", "the connection");
    guest.enqueue(plain(BROADCAST, mac(1)));
    await until(() => seen.length === 1, "the frame");
  });
});
