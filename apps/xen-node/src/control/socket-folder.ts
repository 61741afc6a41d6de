import { mkdir, readdir, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../user-error.ts";

/** The folder of the sockets on which runners of this user can be spoken to, one each, named by process. */
export function socketFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const runtime = environment.XDG_RUNTIME_DIR;
  return runtime?.startsWith("/")
    ? join(runtime, "xen-node")
    : join(tmpdir(), `xen-node-${process.getuid?.() ?? "user"}`);
}

/**
 * Makes the folder, for its owner alone: whoever reaches a socket in it may change the guests' devices.
 *
 * @throws UserError if somebody else's folder stands in its place.
 */
export async function makeSocketFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = await stat(folder);
  if (uid !== (process.getuid?.() ?? uid) || (mode & 0o077) !== 0)
    throw new UserError(`${folder} is open to other users: remove it, or set XDG_RUNTIME_DIR to a folder of yours.`);
}

export const socketOf = (folder: string, pid: number): string => join(folder, `${pid}.sock`);

/** The sockets of all runners, living or not. */
export async function listSockets(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => /^\d+\.sock$/.test(name)).map((name) => join(folder, name));
}
