import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import * as v from "valibot";
import { type ControlAnswer, type ControlRequest, LINE_LIMIT, requestSchema } from "./protocol.ts";
import { makeSocketFolder, socketOf } from "./socket-folder.ts";

/** Answers a request. What it throws is told to whoever asked. */
export type ControlHandler = (request: ControlRequest) => Promise<ControlAnswer>;

/** The socket on which other processes of the user speak to this runner. */
export class ControlServer {
  private constructor(
    private readonly server: Server,
    readonly path: string,
  ) {}

  /** @throws UserError if the folder is not the user's alone. */
  static async listen(folder: string, handle: ControlHandler): Promise<ControlServer> {
    await makeSocketFolder(folder);
    const path = socketOf(folder, process.pid);
    // Left by a process of the same number that was killed.
    await rm(path, { force: true });
    const server = createServer((socket) => serve(socket, handle));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    // The guests keep the process alive, not this.
    server.unref();
    return new ControlServer(server, path);
  }

  close(): void {
    this.server.close();
  }
}

function serve(socket: Socket, handle: ControlHandler): void {
  let text = "";
  socket.setEncoding("utf8");
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: string) => {
    text += chunk;
    if (text.length > LINE_LIMIT) socket.destroy();
    const end = text.indexOf("\n");
    if (end < 0) return;
    socket.removeAllListeners("data");
    answer(text.slice(0, end), handle).then((reply) => socket.end(`${JSON.stringify(reply)}\n`));
  });
}

async function answer(line: string, handle: ControlHandler): Promise<ControlAnswer> {
  try {
    const request = v.safeParse(requestSchema, JSON.parse(line));
    if (!request.success)
      return { kind: "refused", reason: "the runner is of another version and does not know that." };
    return await handle(request.output);
  } catch (error) {
    return { kind: "refused", reason: (error as Error).message };
  }
}
