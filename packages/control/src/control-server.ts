import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import * as v from "valibot";
import { ControlError } from "./control-error.ts";
import { type Answer, LineReader, REQUEST_LIMIT, requestSchema } from "./messages.ts";
import {
  type ArgumentsOf,
  type OperationName,
  operations,
  type ResultOf,
  type StreamName,
  streams,
} from "./operations.ts";
import { makePrivateFolder } from "./private-folder.ts";

/** What a server does about each operation; those left out are refused. What a handler throws is told to whoever asked. */
export type OperationHandlers = {
  [K in OperationName]?: (args: ArgumentsOf<K>, caller: Caller) => ResultOf<K> | Promise<ResultOf<K>>;
};

/** Prepares a stream; what it returns gets the socket, paused, once the answer was sent. */
export type StreamHandlers = { [K in StreamName]?: (args: ArgumentsOf<K>) => (socket: Socket) => void };

/** Whoever asked. */
export interface Caller {
  /** Calls `listener` when it goes away before it was answered. */
  onGone(listener: () => void): void;
}

export interface ControlHandlers {
  operations: OperationHandlers;
  streams?: StreamHandlers;
  /** The sentence for an error that a handler threw, which is no ControlError. */
  describeError?: (error: unknown) => string;
}

/** A socket that others of the same user speak to. */
export class ControlServer {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly path: string,
  ) {}

  /**
   * Listens at FOLDER/NAME. A socket that is there already is taken for left over: whoever calls has made sure of that.
   *
   * @throws ControlError if the folder is not the user's alone, or the path is too long for a socket.
   */
  static async listen(folder: string, name: string, handlers: ControlHandlers): Promise<ControlServer> {
    await makePrivateFolder(folder);
    const path = `${folder}/${name}`;
    if (Buffer.byteLength(path) > MOST_PATH_BYTES)
      throw new ControlError("refused", `${path} is too long for a socket: use a folder with a shorter name.`);
    await rm(path, { force: true });
    const server = createServer((socket) => {
      control.sockets.add(socket);
      socket.on("close", () => control.sockets.delete(socket));
      serve(socket, handlers);
    });
    const control = new ControlServer(server, path);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    // The guests keep the process alive, not this.
    server.unref();
    return control;
  }

  /** Ends all connections. */
  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

/** sockaddr_un.sun_path, less its NUL. */
const MOST_PATH_BYTES = 107;
/** Chunks that may follow a request before its answer. */
const MOST_EARLY_CHUNKS = 64;

function serve(socket: Socket, handlers: ControlHandlers): void {
  const reader = new LineReader(REQUEST_LIMIT);
  const gone: (() => void)[] = [];
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    for (const listener of gone) listener();
  });
  socket.on("data", function onData(chunk: Buffer) {
    const read = reader.push(chunk);
    if (read === undefined) return;
    if (read === "too long") {
      socket.destroy();
      return;
    }
    socket.off("data", onData);
    // The socket is read on: else nobody would see that whoever asked has gone.
    const early: Buffer[] = [read.rest];
    const keep = (more: Buffer): void => {
      if (early.push(more) > MOST_EARLY_CHUNKS) socket.destroy();
    };
    socket.on("data", keep);
    answer(read.line, handlers, { onGone: (listener) => gone.push(listener) }).then(({ reply, take }) => {
      const line = `${JSON.stringify(reply)}\n`;
      if (take === undefined) {
        socket.end(line);
        return;
      }
      socket.pause();
      socket.off("data", keep);
      socket.write(line);
      const rest = Buffer.concat(early);
      if (rest.length > 0) socket.unshift(rest);
      take(socket);
    });
  });
}

async function answer(
  line: string,
  handlers: ControlHandlers,
  caller: Caller,
): Promise<{ reply: Answer; take?: (socket: Socket) => void }> {
  try {
    const { operation, args } = v.parse(requestSchema, JSON.parse(line));
    if (isKey(streams, operation)) return { reply: { kind: "stream" }, take: openStream(handlers, operation, args) };
    if (!isKey(operations, operation)) return { reply: { kind: "not-understood" } };
    return { reply: { kind: "done", result: await perform(handlers, operation, args, caller) } };
  } catch (error) {
    if (error instanceof ControlError && error.kind === "unknown-domain") return { reply: { kind: "unknown-domain" } };
    if (error instanceof ControlError) return { reply: { kind: "refused", reason: error.message } };
    if (error instanceof v.ValiError || error instanceof SyntaxError) return { reply: { kind: "not-understood" } };
    return { reply: { kind: "refused", reason: handlers.describeError?.(error) ?? (error as Error).message } };
  }
}

async function perform<K extends OperationName>(
  handlers: ControlHandlers,
  operation: K,
  args: unknown,
  caller: Caller,
): Promise<ResultOf<K>> {
  const handler = handlers.operations[operation] as
    | ((args: ArgumentsOf<K>, caller: Caller) => ResultOf<K> | Promise<ResultOf<K>>)
    | undefined;
  if (handler === undefined) throw new ControlError("refused", `this process does not do ${operation}.`);
  return await handler(v.parse(operations[operation].args, args) as ArgumentsOf<K>, caller);
}

function openStream<K extends StreamName>(handlers: ControlHandlers, stream: K, args: unknown) {
  const handler = handlers.streams?.[stream] as ((args: ArgumentsOf<K>) => (socket: Socket) => void) | undefined;
  if (handler === undefined) throw new ControlError("refused", `this process has no ${stream}.`);
  return handler(v.parse(streams[stream].args, args) as ArgumentsOf<K>);
}

function isKey<T extends object>(table: T, key: string): key is Extract<keyof T, string> {
  return Object.hasOwn(table, key);
}
