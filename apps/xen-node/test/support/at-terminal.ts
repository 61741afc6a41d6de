import { readFileSync } from "node:fs";
import { type IPty, spawn } from "@lydell/node-pty";
import { expect } from "vitest";
import { ExpectStream } from "./expect-stream.ts";

/** The switches that raw mode turns off, as stty shows them. */
const flags = (text: string): string[] => text.match(/-?\b(icanon|echo|isig|icrnl|opost|ixon|iexten)\b/g) ?? [];

/** A program at a real terminal. */
export interface AtTerminal {
  pty: IPty;
  stream: ExpectStream;
  /** The program's process. */
  pid(): number;
  /** Waits for its end, and for the terminal to be as it was. @returns the exit status */
  end(): Promise<number>;
}

/**
 * Runs a command of the shell's between two looks at the terminal's settings.
 *
 * @param parameters what "$0", "$1" and so on stand for in it
 */
export async function atTerminal(command: string, parameters: string[] = [], columns = 80): Promise<AtTerminal> {
  const script = `stty -a; echo before-end; ${command}; echo "status $?"; stty -a; echo after-end`;
  const pty = spawn("/bin/sh", ["-c", script, ...parameters], { cols: columns, rows: 24 });
  const stream = new ExpectStream((text) => pty.write(text));
  pty.onData((text) => stream.push(text));
  pty.onExit(() => stream.end("the terminal's shell ended"));
  await stream.expect(/before-end/);
  const before = flags(stream.text);
  return {
    pty,
    stream,
    pid: () => Number(readFileSync(`/proc/${pty.pid}/task/${pty.pid}/children`, "utf8").trim().split(" ")[0]),
    async end() {
      const [, status] = await stream.expect(/status (\d+)/, 30_000);
      await stream.expect(/after-end/);
      expect(flags(stream.text.slice(stream.text.lastIndexOf("status ")))).toEqual(before);
      return Number(status);
    },
  };
}
