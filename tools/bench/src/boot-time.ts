import { spawn } from "node:child_process";
import { USERSPACE_MARKER } from "xen-node";
import type { Command } from "./emulators.ts";
import { explainMissing } from "./missing-peer.ts";
import { processorMs } from "./processor-time.ts";

const LIMIT_MS = 300_000;

export interface BootTime {
  /** From the start of the process, by the clock on the wall. */
  readonly seconds: number;
  /** Of processor time, which other work on the machine hardly touches. */
  readonly processorSeconds: number;
}

/** Starts a guest and answers the time until its userspace has printed the runner's marker; then kills it. */
export function timeToUserspace(name: string, { program, parameters }: Command): Promise<BootTime> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program, parameters, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    const fail = (what: string): void => end(new Error(`${name} ${what}:\n${output.slice(-2000)}${errors}`));
    const timer = setTimeout(() => fail(`did not reach userspace in ${LIMIT_MS / 1000} s`), LIMIT_MS);
    const end = (error?: unknown): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      // The next run starts when this one is gone.
      child.on("close", () => (time ? resolve(time) : reject(error)));
      if (!child.kill("SIGKILL")) reject(error);
    };
    let time: BootTime | undefined;
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(explainMissing(program, error));
    });
    child.on("close", (status) => fail(`ended with ${status}`));
    child.stderr.on("data", (chunk: Buffer) => {
      errors += chunk;
    });
    child.stdout.on("data", (chunk: Buffer) => {
      if (time) return;
      output += chunk.toString("latin1");
      if (!output.includes(USERSPACE_MARKER)) return;
      time = { seconds: (performance.now() - start) / 1000, processorSeconds: processorMs(child.pid!) / 1000 };
      end();
    });
  });
}
