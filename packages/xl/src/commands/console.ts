import type { Socket } from "node:net";
import { constants } from "node:os";
import { ExitStatus, type XlCommand, type XlContext, XlError } from "../command.ts";
import { ESCAPE_KEY, Terminal } from "../terminal.ts";

const SIGNALS = ["SIGTERM", "SIGHUP"] as const;

interface ShowOptions {
  escapeKey?: number;
  /** Called when the console's output will be seen from now on. */
  onAttached?(): Promise<void>;
}

/**
 * Joins this terminal to a guest's console, until the escape key, the guest's end, or nobody reads the output any more.
 *
 * @returns the exit status.
 */
export async function showConsole(
  { client }: XlContext,
  domain: string,
  { escapeKey = ESCAPE_KEY, onAttached }: ShowOptions = {},
): Promise<number> {
  const socket = await client.open("console", { domain });
  return await new Promise<number>((resolve, reject) => {
    const leave = (status: number): void => {
      terminal.restore();
      socket.destroy();
      for (const [signal, listener] of listeners) process.off(signal, listener);
      resolve(status);
    };
    const terminal = new Terminal(
      process,
      {
        onInput: (bytes) => {
          socket.write(bytes);
          return socket.writableLength;
        },
        onEscape: () => leave(ExitStatus.success),
        onOutputClosed: () => leave(ExitStatus.success),
      },
      escapeKey,
    );
    const listeners = SIGNALS.map((signal) => [signal, () => leave(128 + constants.signals[signal])] as const);
    for (const [signal, listener] of listeners) process.on(signal, listener);
    socket.on("close", () => leave(ExitStatus.success));
    socket.on("drain", () => terminal.drained(socket.writableLength));
    socket.on("data", (bytes: Buffer) => show(terminal, socket, bytes));
    terminal.attach();
    socket.resume();
    onAttached?.().catch((error: unknown) => {
      leave(ExitStatus.failure);
      reject(error);
    });
  });
}

/** A terminal that is slower than the guest holds up this viewer alone. */
function show(terminal: Terminal, socket: Socket, bytes: Buffer): void {
  terminal.output(bytes);
  if (!process.stdout.writableNeedDrain) return;
  socket.pause();
  process.stdout.once("drain", () => socket.resume());
}

/** xenconsole's -e: "^]" or one character. */
function parseEscape(text: string): number {
  const control = /^\^([@-_a-z])$/.exec(text);
  if (control !== null) return control[1].toUpperCase().charCodeAt(0) & 0x1f;
  if (/^[\x20-\x7e]$/.test(text)) return text.charCodeAt(0);
  throw new XlError(`"${text}" is no escape key: write one as "^]".`, ExitStatus.usage);
}

export const consoleCommand: XlCommand = {
  name: "console",
  usage: "[options] <Domain>",
  summary: "Attach to domain's console",
  options: {
    type: { type: "string", short: "t" },
    number: { type: "string", short: "n" },
    escape: { type: "string", short: "e" },
  },
  optionHelp: [
    "-t <type>       console type, pv",
    "-n <number>     console number, 0",
    "-e <key>        key that leaves the console (default: ^])",
  ],
  needs: 1,
  takes: 1,
  async run(context, [domain], { type = "pv", number = "0", escape: key }) {
    if (type !== "pv") throw new XlError("console type supported are: pv");
    if (number !== "0") throw new XlError("a guest has console number 0 only.");
    const escapeKey = typeof key === "string" ? parseEscape(key) : undefined;
    return await showConsole(context, domain, { escapeKey });
  },
};
