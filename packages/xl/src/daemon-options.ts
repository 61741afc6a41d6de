import { join } from "node:path";
import { ControlClient, DAEMON_SOCKET, stateFolder } from "@xen-node/control";
import type { XlOptions } from "./run-xl.ts";

/** How a process of its own runs xl: on its own streams, with the daemon of the user's state folder. */
export function daemonOptions(): XlOptions {
  return {
    client: new ControlClient(async () => [join(stateFolder(), DAEMON_SOCKET)]),
    print: (line) => void process.stdout.write(`${line}\n`),
    complain: (line) => void process.stderr.write(`${line}\n`),
    folder: process.cwd(),
    now: () => new Date(),
    noServer: () =>
      `no daemon runs on ${stateFolder()}: start one with xen-node daemon, or set XEN_NODE_STATE to the state folder of one.`,
  };
}
