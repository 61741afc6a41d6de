import { connect, type Socket } from "node:net";
import * as v from "valibot";
import { ControlError } from "./control-error.ts";
import { ANSWER_LIMIT, type Answer, answerSchema, LineReader } from "./messages.ts";
import { type ArgumentsOf, type OperationName, operations, type ResultOf, type StreamName } from "./operations.ts";

/** Longest that a server may take, unless told otherwise: a guest that does not answer is waited for. */
const TIMEOUT_MS = 60_000;

interface Answered {
  answer: Answer;
  socket: Socket;
}

/** Asks the servers at some sockets, in their order, until one has what is asked for. */
export class ControlClient {
  /** @param sockets paths, looked up for every request */
  constructor(private readonly sockets: () => Promise<readonly string[]>) {}

  /**
   * Has an operation carried out.
   *
   * @param options.timeoutMs 0: as long as it takes.
   * @throws ControlError
   */
  async call<K extends OperationName>(
    operation: K,
    args: ArgumentsOf<K>,
    { timeoutMs = TIMEOUT_MS }: { timeoutMs?: number } = {},
  ): Promise<ResultOf<K>> {
    const { answer, socket } = await this.ask(operation, args, timeoutMs);
    socket.destroy();
    const result = v.safeParse(operations[operation].result, answer.kind === "done" ? answer.result : undefined);
    if (!result.success) throw otherVersion();
    return result.output as ResultOf<K>;
  }

  /** Opens a stream. The socket that carries its bytes is paused until `resume` or `pipe`. @throws ControlError */
  async open<K extends StreamName>(stream: K, args: ArgumentsOf<K>): Promise<Socket> {
    const { answer, socket } = await this.ask(stream, args, TIMEOUT_MS);
    if (answer.kind === "stream") return socket;
    socket.destroy();
    throw otherVersion();
  }

  private async ask(operation: string, args: unknown, timeoutMs: number): Promise<Answered> {
    const line = `${JSON.stringify({ operation, args })}\n`;
    let error = new ControlError("no-server", "nobody listens.");
    for (const path of await this.sockets()) {
      const answered = await askOne(path, line, timeoutMs);
      if (answered === undefined) continue;
      const { answer, socket } = answered;
      if (answer.kind === "done" || answer.kind === "stream") return answered;
      socket.destroy();
      if (answer.kind === "refused") throw new ControlError("refused", answer.reason);
      if (answer.kind === "unknown-domain") error = new ControlError("unknown-domain", "there is no such domain.");
      // One of another version may stand beside the one that is meant.
      else if (error.kind === "no-server") error = otherVersion();
    }
    throw error;
  }
}

const otherVersion = (): ControlError =>
  new ControlError("refused", "the server is of another version: use the xl that belongs to it.");

/** undefined: nobody listens there. */
function askOne(path: string, line: string, timeoutMs: number): Promise<Answered | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const reader = new LineReader(ANSWER_LIMIT);
    const refuse = (message: string): void => {
      socket.destroy();
      reject(new ControlError("refused", message));
    };
    socket.setTimeout(timeoutMs, () => refuse(`the server did not answer within ${timeoutMs / 1000} seconds.`));
    socket.on("connect", () => socket.write(line));
    socket.on("data", function onData(chunk: Buffer) {
      const read = reader.push(chunk);
      if (read === undefined) return;
      socket.off("data", onData);
      socket.pause();
      if (read === "too long") return refuse("the server's answer has no end.");
      const answer = parseAnswer(read.line);
      socket.setTimeout(0);
      socket.removeAllListeners("error");
      socket.removeAllListeners("close");
      // Whoever uses the stream sees its end by "close".
      socket.on("error", () => {});
      if (read.rest.length > 0) socket.unshift(read.rest);
      resolve({ answer, socket });
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // Nobody ever listened, or whoever did was killed.
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED") resolve(undefined);
      else if (error.code === "EACCES") refuse(`you may not use ${path}: it belongs to another user.`);
      else refuse(`${path} cannot be used: ${error.message}.`);
    });
    socket.on("close", () => refuse("the server ended before it answered."));
  });
}

function parseAnswer(line: string): Answer {
  try {
    const answer = v.safeParse(answerSchema, JSON.parse(line));
    if (answer.success) return answer.output;
  } catch {
    // As good as an answer of another shape.
  }
  return { kind: "not-understood" };
}
