import { readFileSync } from "node:fs";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../user-error.ts";

const NAME = "daemon.pid";

/**
 * Takes the state folder for this process: daemon.pid in it names the process and when that began, so that a number
 * that the system has given to another process since is not taken for a daemon.
 *
 * @returns the way to let go of it.
 * @throws UserError if a living daemon has it.
 */
export async function lockState(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, NAME);
  const mine = `${process.pid} ${startOf(process.pid)}\n`;
  for (let tries = 0; tries < 3; tries++) {
    // Written first and linked then: nobody ever sees the name without its content.
    const fresh = `${path}.new.${process.pid}`;
    try {
      await writeFile(fresh, mine, { mode: 0o600 });
      await link(fresh, path);
      return () => rm(path, { force: true });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== "EEXIST") throw new UserError(`the state folder ${folder} cannot be used: ${message}.`);
    } finally {
      await rm(fresh, { force: true });
    }
    const theirs = await readFile(path, "utf8").catch(() => "");
    if (isAlive(theirs))
      throw new UserError(
        `a daemon runs on ${folder} already, process ${theirs.split(" ")[0]}: end that one, or name another folder with --state.`,
      );
    await removeLeftOver(path, theirs);
  }
  throw new UserError(`another daemon is starting on ${folder}: name another folder with --state.`);
}

/** Moves the file aside before removing it: had another daemon put its own there meanwhile, that goes back. */
async function removeLeftOver(path: string, content: string): Promise<void> {
  const aside = `${path}.${process.pid}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const moved = await readFile(aside, "utf8");
  if (moved === content) await rm(aside);
  else await rename(aside, path);
}

function isAlive(content: string): boolean {
  const [, pid, start] = /^(\d+) (\S+)\n$/.exec(content) ?? [];
  return pid !== undefined && startOf(Number(pid)) === start;
}

/** When a process began, in the kernel's ticks (proc(5), field 22 of stat); "gone", or "alive" where there is no /proc. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    if (process.platform === "linux") return "gone";
  }
  try {
    process.kill(pid, 0);
    return "alive";
  } catch {
    return "gone";
  }
}
