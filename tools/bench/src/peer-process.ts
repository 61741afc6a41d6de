import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import type { Command } from "./emulators.ts";

/** A peer that runs, with its console as standard output. */
export type PeerProcess = ChildProcessByStdio<null, Readable, Readable>;

/** Ended with the benchmark, whatever ends that. */
const running = new Set<PeerProcess>();
process.on("exit", () => {
  for (const peer of running) endPeer(peer);
});

/** Starts a peer in a process group of its own. */
export function startPeer({ program, parameters }: Command): PeerProcess {
  const peer = spawn(program, parameters, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  running.add(peer);
  for (const event of ["error", "close"]) peer.on(event, () => running.delete(peer));
  return peer;
}

/** Ends a peer and all that it started; its "close" follows. */
export function endPeer({ pid }: PeerProcess, signal: NodeJS.Signals = "SIGKILL"): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It was gone already.
  }
}
