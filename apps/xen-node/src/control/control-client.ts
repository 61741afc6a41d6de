import { rm } from "node:fs/promises";
import { connect } from "node:net";
import * as v from "valibot";
import { UserError } from "../user-error.ts";
import { answerSchema, type ControlAnswer, type ControlRequest, LINE_LIMIT } from "./protocol.ts";
import { listSockets } from "./socket-folder.ts";

/** Longest that a runner may take: a guest that does not answer is waited for. */
const TIMEOUT_MS = 60_000;

/**
 * Asks the runner that has the guest.
 *
 * @returns lines for the user.
 * @throws UserError, one sentence, if no runner has it or it refuses.
 */
export async function ask(folder: string, request: ControlRequest): Promise<string[]> {
  for (const path of await listSockets(folder)) {
    const answer = await askOne(path, request);
    if (answer?.kind === "done") return answer.lines;
    if (answer?.kind === "refused") throw new UserError(answer.reason);
  }
  throw new UserError(`no guest ${request.domain} is running: xen-node run starts one.`);
}

/** undefined: nobody listens there any more. */
function askOne(path: string, request: ControlRequest): Promise<ControlAnswer | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = "";
    socket.setEncoding("utf8");
    socket.setTimeout(TIMEOUT_MS, () => {
      socket.destroy();
      reject(new UserError(`the runner of ${request.domain} does not answer.`));
    });
    socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (text.length > LINE_LIMIT * 16) socket.destroy();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // Left by a runner that was killed.
      if (error.code === "ECONNREFUSED") rm(path, { force: true }).then(() => resolve(undefined), reject);
      else resolve(undefined);
    });
    socket.on("close", () => {
      const answer = v.safeParse(answerSchema, parse(text));
      resolve(answer.success ? answer.output : undefined);
    });
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
