import { USERSPACE_MARKER } from "xen-node";
import type { Command } from "./emulators.ts";
import { explainMissing } from "./missing-peer.ts";
import { endPeer, startPeer } from "./peer-process.ts";
import { processorMs } from "./processor-time.ts";

const LIMIT_MS = 300_000;

export interface BootTime {
  /** From the start of the process, by the clock on the wall. */
  readonly seconds: number;
  /** Of processor time, which other work on the machine hardly touches. */
  readonly processorSeconds: number;
}

/**
 * Starts a guest and answers the time until its userspace has printed the runner's marker; then ends it.
 * @param signal by which it is ended: after SIGTERM xen-node keeps what it has translated
 */
export function timeToUserspace(name: string, command: Command, signal: NodeJS.Signals = "SIGKILL"): Promise<BootTime> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const peer = startPeer(command);
    let output = "";
    let errors = "";
    let time: BootTime | undefined;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      endPeer(peer);
    }, LIMIT_MS);
    peer.on("error", (error) => {
      clearTimeout(timer);
      reject(explainMissing(command.program, error));
    });
    // The next run starts when this one is gone.
    peer.on("close", (status) => {
      clearTimeout(timer);
      if (time) return resolve(time);
      const what = late ? `did not reach userspace in ${LIMIT_MS / 1000} s` : `ended with ${status}`;
      reject(new Error(`${name} ${what}:\n${output.slice(-2000)}${errors}`));
    });
    peer.stderr.on("data", (chunk: Buffer) => {
      errors += chunk;
    });
    peer.stdout.on("data", (chunk: Buffer) => {
      if (time) return;
      output += chunk.toString("latin1");
      if (!output.includes(USERSPACE_MARKER)) return;
      time = { seconds: (performance.now() - start) / 1000, processorSeconds: processorMs(peer.pid!) / 1000 };
      endPeer(peer, signal);
    });
  });
}
