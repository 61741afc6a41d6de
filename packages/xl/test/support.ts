import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ControlClient,
  ControlServer,
  type DomainInfo,
  type OperationHandlers,
  type StreamHandlers,
  unknownDomain,
} from "@xen-node/control";
import { runXenstore } from "../src/run-xenstore.ts";
import { runXl } from "../src/run-xl.ts";

export interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

/** A server that answers as a test says, and the programs that ask it. */
export interface FakeDaemon {
  xl(...args: string[]): Promise<Outcome>;
  xenstore(...args: string[]): Promise<Outcome>;
  close(): Promise<void>;
}

/** A time at which tests happen. */
export const NOW = new Date(2026, 0, 31, 12, 34, 56);

export async function fakeDaemon(operations: OperationHandlers, streams: StreamHandlers = {}): Promise<FakeDaemon> {
  const folder = await mkdtemp(join(tmpdir(), "xl-test-"));
  const server = await ControlServer.listen(folder, "daemon.sock", { operations, streams });
  const run = async (program: typeof runXl | typeof runXenstore, args: string[]): Promise<Outcome> => {
    let stdout = "";
    let stderr = "";
    const status = await program(args, {
      client: new ControlClient(async () => [server.path]),
      print: (line) => {
        stdout += `${line}\n`;
      },
      complain: (line) => {
        stderr += `${line}\n`;
      },
      folder: "/here",
      now: () => NOW,
      noServer: () => "nobody there.",
    });
    return { status, stdout, stderr };
  };
  return {
    xl: (...args) => run(runXl, args),
    xenstore: (...args) => run(runXenstore, args),
    close: async () => {
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Lists made-up domains as a daemon does. */
export function listing(domains: readonly DomainInfo[]): OperationHandlers["list"] {
  return ({ domain }) => {
    if (domain === undefined) return [...domains];
    const found = domains.filter(({ name, domid }) => name === domain || String(domid) === domain);
    if (found.length === 0) throw unknownDomain(domain);
    return found;
  };
}

export function domain(domid: number, name: string, changes: Partial<DomainInfo> = {}): DomainInfo {
  return {
    domid,
    name,
    uuid: "01234567-89ab-4cde-8f01-23456789abcd",
    memoryKib: 256 * 1024,
    maxMemoryKib: 256 * 1024,
    vcpus: [
      { id: 0, online: true, running: false, blocked: true, timeNs: 12_345_000_000, processor: 0, affinity: null },
    ],
    pool: "Pool-0",
    running: false,
    blocked: true,
    paused: false,
    dying: false,
    shutdownReason: null,
    timeNs: 12_345_000_000,
    startTime: Math.floor(NOW.getTime() / 1000) - 3661,
    ...changes,
  };
}
