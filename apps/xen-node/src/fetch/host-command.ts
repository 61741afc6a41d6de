import { type ChildProcess, spawn } from "node:child_process";

/** What a program of this machine printed on stdout and on stderr. */
export interface CommandOutput {
  output: string;
  errors: string;
}

/** A program of this machine that ended with another status than 0. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  constructor(
    message: string,
    readonly errors: string,
  ) {
    super(message);
  }
}

/**
 * Runs a program of this machine, also one for administrators.
 *
 * @throws the system's error (`ENOENT`: there is no such program), or CommandError.
 */
export function runCommand(
  command: string,
  parameters: readonly string[],
  { folder, environment = {} }: { folder?: string; environment?: Record<string, string> } = {},
): Promise<CommandOutput> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(command, parameters, {
      ...(folder === undefined ? {} : { cwd: folder }),
      stdio: ["ignore", "pipe", "pipe"],
      // An ordinary user's path lacks the folders of mkfs and its like.
      env: { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin`, LC_ALL: "C", ...environment },
    });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => errors.push(chunk));
    child.on("error", reject);
    child.on("close", (status, signal) => {
      const said = Buffer.concat(errors).toString("utf8");
      if (status === 0) resolve({ output: Buffer.concat(output).toString("utf8"), errors: said });
      else reject(new CommandError(`${command} ended with ${signal ?? `status ${status}`}`, said));
    });
  });
}
