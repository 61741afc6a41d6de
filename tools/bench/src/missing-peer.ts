import { spawnSync } from "node:child_process";

/** A program that a benchmark starts is not on this machine. The message says in one sentence what to install. */
export class MissingPeer extends Error {
  override readonly name = "MissingPeer";
}

/** What to install for a program, by Debian's names. */
const PACKAGES: Readonly<Record<string, string>> = {
  gcc: "apt-get install gcc libc6-dev",
  "qemu-system-x86_64": "apt-get install --no-install-recommends qemu-system-x86",
  "qemu-img": "apt-get install qemu-utils",
};

/** Turns the error of a program that could not be started into a sentence. Any other error comes back as it is. */
export function explainMissing(program: string, error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") return error;
  return new MissingPeer(`${program} is not installed: run \`${PACKAGES[program]}\` and try again.`);
}

/** Starts programs just to see that they are there, before anything takes long. @throws MissingPeer */
export function requirePrograms(...programs: string[]): void {
  for (const program of programs) {
    const { error } = spawnSync(program, ["--version"], { stdio: "ignore" });
    if (error) throw explainMissing(program, error);
  }
}
