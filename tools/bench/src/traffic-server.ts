import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";

// The protocol stands at the top of guest/io/net.c.
const HEADER_BYTES = 16;
const MODE_SEND = 1;
const MODE_RECEIVE = 2;
const MODE_ECHO = 3;
const MESSAGE_BYTES = 64;
const PATTERN_BYTES = 65536;

/** Twice, so that a part of it of any length up to one begins at any place. */
const PATTERN = Buffer.alloc(2 * PATTERN_BYTES);
for (let at = 0; at < PATTERN.length; at += 4) {
  PATTERN.writeInt32LE(Math.imul((at % PATTERN_BYTES) / 4 + 1, 0x9e3779b1), at);
}

/** Whether bytes are those of the pattern at a place of a pass. */
function followsPattern(bytes: Buffer, place: number): boolean {
  for (let at = 0; at < bytes.length; at += PATTERN_BYTES) {
    const part = bytes.subarray(at, at + PATTERN_BYTES);
    const start = (place + at) % PATTERN_BYTES;
    if (part.compare(PATTERN, start, start + part.length) !== 0) return false;
  }
  return true;
}

/** The side of a connection that guest/io's client talks to. */
class Connection {
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private headerBytes = 0;
  private mode = 0;
  /** Bytes of a pass, and how many of them have come or gone, and come as they should. */
  private total = 0;
  private done = 0;
  private good = 0;

  constructor(private readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on("data", (bytes) => this.take(bytes));
    socket.on("drain", () => this.sendMore());
    // The guest is gone; its own end says why.
    socket.on("error", () => socket.destroy());
  }

  private take(bytes: Buffer): void {
    for (let rest = bytes; rest.length > 0; ) {
      const taken = this.done < this.total && this.mode !== MODE_RECEIVE ? this.takeBody(rest) : this.takeHeader(rest);
      if (taken === 0) return;
      rest = rest.subarray(taken);
    }
  }

  private takeHeader(bytes: Buffer): number {
    const taken = bytes.copy(this.header, this.headerBytes, 0, HEADER_BYTES - this.headerBytes);
    this.headerBytes += taken;
    if (this.headerBytes < HEADER_BYTES) return taken;
    this.headerBytes = 0;
    this.mode = this.header.readUInt32LE(0);
    const count = Number(this.header.readBigUInt64LE(8));
    this.total = this.mode === MODE_ECHO ? count * MESSAGE_BYTES : count;
    this.done = 0;
    this.good = 0;
    if (this.mode === MODE_RECEIVE) this.sendMore();
    else if (this.mode !== MODE_SEND && this.mode !== MODE_ECHO) this.socket.destroy();
    return taken;
  }

  private takeBody(bytes: Buffer): number {
    const part = bytes.subarray(0, this.total - this.done);
    if (this.mode === MODE_ECHO) this.socket.write(part);
    else if (followsPattern(part, this.done)) this.good += part.length;
    this.done += part.length;
    if (this.mode === MODE_SEND && this.done === this.total) {
      const answer = Buffer.alloc(8);
      answer.writeBigUInt64LE(BigInt(this.good));
      this.socket.write(answer);
    }
    return part.length;
  }

  private sendMore(): void {
    while (this.mode === MODE_RECEIVE && this.done < this.total) {
      const length = Math.min(PATTERN_BYTES, this.total - this.done);
      this.done += length;
      if (!this.socket.write(PATTERN.subarray(0, length))) return;
    }
  }
}

/** The host's side of the network jobs: one port on loopback, over TCP and UDP. */
export class TrafficServer {
  private readonly connections = new Set<Socket>();

  private constructor(
    readonly port: number,
    private readonly streams: Server,
    private readonly datagrams: DatagramSocket,
  ) {
    streams.on("connection", (socket) => {
      this.connections.add(socket);
      socket.on("close", () => this.connections.delete(socket));
      new Connection(socket);
    });
    datagrams.on("message", (message, { port, address }) => datagrams.send(message, port, address));
    datagrams.on("error", () => {});
  }

  static async start(): Promise<TrafficServer> {
    for (;;) {
      const streams = createServer();
      const port = await listen(streams);
      const datagrams = createSocket("udp4");
      try {
        await bind(datagrams, port);
        return new TrafficServer(port, streams, datagrams);
      } catch (error) {
        streams.close();
        // Another program has this port over UDP: the next one will do.
        if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      }
    }
  }

  close(): void {
    for (const socket of this.connections) socket.destroy();
    this.streams.close();
    this.datagrams.close();
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
  });
}

function bind(socket: DatagramSocket, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, "127.0.0.1", resolve);
  });
}

/** A port of the host's loopback on which nothing listens. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}
