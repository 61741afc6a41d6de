import { readdir, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** The socket's name in a daemon's state folder. */
export const DAEMON_SOCKET = "daemon.sock";

/**
 * A daemon's state folder: XEN_NODE_STATE, else xen-node in XDG_STATE_HOME or ~/.local/state. Its socket lies in it, so
 * that the two are found by one name.
 */
export function stateFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { XEN_NODE_STATE: state, XDG_STATE_HOME: home } = environment;
  if (state) return state;
  return join(home?.startsWith("/") ? home : join(homedir(), ".local", "state"), "xen-node");
}

/** The folder of the sockets of processes that run guests in the foreground, one each, named by process. */
export function runnerFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const runtime = environment.XDG_RUNTIME_DIR;
  return runtime?.startsWith("/")
    ? join(runtime, "xen-node")
    : join(tmpdir(), `xen-node-${process.getuid?.() ?? "user"}`);
}

export const runnerSocket = (pid: number): string => `${pid}.sock`;

/** The sockets of all living runners. Those that killed ones left are removed. */
export async function runnerSockets(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const living: string[] = [];
  for (const name of names) {
    const [, pid] = /^(\d+)\.sock$/.exec(name) ?? [];
    if (pid === undefined) continue;
    const path = join(folder, name);
    if (isProcess(Number(pid))) living.push(path);
    else await rm(path, { force: true });
  }
  return living;
}

function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
