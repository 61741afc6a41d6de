import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ExpectStream } from "./expect-stream.ts";

export const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

/** A run of the built runner over pipes. */
export interface CliRun {
  child: ChildProcess;
  /** Its stdout, which is the guest's console; `send` types into its stdin. */
  console: ExpectStream;
  /** Its stderr so far. */
  errors(): string;
  /** Resolves with the exit status, or the signal's name. */
  exit: Promise<number | string>;
}

/** Starts the built runner. `stdin` is a pipe unless told otherwise. */
export function startCli(args: string[], { stdin = "pipe" as "pipe" | "ignore" } = {}): CliRun {
  if (!existsSync(CLI)) throw new Error("the runner is not built: run `npm run build`, or `npm test`, which does");
  const child = spawn(process.execPath, [CLI, ...args], { stdio: [stdin, "pipe", "pipe"] });
  const console = new ExpectStream((text) => child.stdin?.write(text));
  let errors = "";
  child.stdout?.on("data", (chunk: Buffer) => console.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => {
    errors += chunk;
  });
  child.stdin?.on("error", () => {});
  const exit = new Promise<number | string>((resolve) => {
    child.on("close", (status, signal) => {
      console.end(`the runner ended with ${status ?? signal} (stderr: ${errors.slice(-2000)})`);
      resolve(status ?? signal ?? "unknown");
    });
  });
  return { child, console, errors: () => errors, exit };
}

/** Runs the built runner to its end, with nothing on stdin. */
export async function runCli(args: string[]): Promise<{ status: number | string; stdout: string; stderr: string }> {
  const run = startCli(args, { stdin: "ignore" });
  const status = await run.exit;
  return { status, stdout: run.console.text, stderr: run.errors() };
}
