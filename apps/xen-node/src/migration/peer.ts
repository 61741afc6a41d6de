import type { Socket } from "node:net";
import { ByteInput, type ByteOutput } from "@xen-node/migration-stream";

/** The other side of a migration cannot be reached any more. */
export class LostPeer extends Error {
  override readonly name = "LostPeer";

  constructor() {
    super("the connection to the other side was lost.");
  }
}

/** The other side, through a socket that somebody carries there. */
export class Peer {
  readonly input: ByteInput;
  readonly output: ByteOutput;
  /** Bytes written so far. */
  sentBytes = 0;

  constructor(private readonly socket: Socket) {
    socket.on("error", () => socket.destroy());
    this.input = new ByteInput(chunksOf(socket));
    this.output = { write: (bytes) => this.write(bytes) };
  }

  /** Lets go of it, which the other side sees. */
  end(): void {
    this.socket.destroy();
  }

  /** The same when all that was written has gone out. */
  finish(): void {
    this.socket.end();
  }

  private write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.socket.destroyed || this.socket.writableEnded) {
        reject(new LostPeer());
        return;
      }
      this.sentBytes += bytes.length;
      this.socket.write(bytes, (error) => (error ? reject(new LostPeer()) : resolve()));
    });
  }
}

/** A connection that breaks is one that ends: whoever reads learns that something is missing. */
async function* chunksOf(socket: Socket): AsyncGenerator<Uint8Array, void> {
  try {
    for await (const chunk of socket) yield chunk as Buffer;
  } catch {
    // As said.
  }
}
