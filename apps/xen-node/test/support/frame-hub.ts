import { createServer, type Server, type Socket } from "node:net";

const LENGTH_BYTES = 4;

/** A network that several daemons' bridges are on: each frame that one sends, in QEMU's stream format, goes to all others. */
export class FrameHub {
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  private constructor(readonly path: string) {
    this.server = createServer((socket) => this.join(socket));
  }

  /** @param path the socket that bridges connect to */
  static async listen(path: string): Promise<FrameHub> {
    const hub = new FrameHub(path);
    await new Promise<void>((resolve) => hub.server.listen(path, resolve));
    return hub;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.sockets.delete(socket));
    let waiting = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk]);
      while (waiting.length >= LENGTH_BYTES && waiting.length >= LENGTH_BYTES + waiting.readUInt32BE(0)) {
        const end = LENGTH_BYTES + waiting.readUInt32BE(0);
        for (const other of this.sockets) if (other !== socket) other.write(waiting.subarray(0, end));
        waiting = waiting.subarray(end);
      }
    });
  }
}
