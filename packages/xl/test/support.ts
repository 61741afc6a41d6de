import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import {
  ControlClient,
  ControlServer,
  type DomainInfo,
  type MachineInfo,
  type OperationHandlers,
  type StreamHandlers,
  unknownDomain,
} from "@xen-node/control";
import { runXenstore } from "../src/run-xenstore.ts";
import { runXl } from "../src/run-xl.ts";
import type { TerminalStreams } from "../src/terminal.ts";

export interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

/** A server that answers as a test says, and the programs that ask it. */
export interface FakeDaemon {
  xl(...args: string[]): Promise<Outcome>;
  xlAt(terminal: TerminalStreams, ...args: string[]): Promise<Outcome>;
  xenstore(...args: string[]): Promise<Outcome>;
  close(): Promise<void>;
}

/** A terminal that a test sits at. */
export interface FakeTerminal extends TerminalStreams {
  stdin: PassThrough & { isTTY: boolean };
  stdout: PassThrough & { isTTY: boolean; rows: number; columns: number };
  /** What was written to it. */
  text(): string;
  /** Whether it is in raw mode. */
  raw(): boolean;
}

export function fakeTerminal({ rows = 24, columns = 250 } = {}): FakeTerminal {
  let text = "";
  let isRaw = false;
  const stdout = Object.assign(new PassThrough(), { isTTY: true, rows, columns });
  stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return {
    stdin: Object.assign(new PassThrough(), {
      isTTY: true,
      setRawMode(mode: boolean) {
        isRaw = mode;
        return this as never;
      },
    }),
    stdout,
    stderr: Object.assign(new PassThrough(), { isTTY: true }),
    text: () => text,
    raw: () => isRaw,
  };
}

/** A time at which tests happen. */
export const NOW = new Date(2026, 0, 31, 12, 34, 56);

export async function fakeDaemon(operations: OperationHandlers, streams: StreamHandlers = {}): Promise<FakeDaemon> {
  const folder = await mkdtemp(join(tmpdir(), "xl-test-"));
  const server = await ControlServer.listen(folder, "daemon.sock", { operations, streams });
  const run = async (
    program: typeof runXl | typeof runXenstore,
    args: string[],
    terminal?: TerminalStreams,
  ): Promise<Outcome> => {
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
      ...(terminal === undefined ? {} : { terminal }),
    });
    return { status, stdout, stderr };
  };
  return {
    xl: (...args) => run(runXl, args),
    xlAt: (terminal, ...args) => run(runXl, args, terminal),
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

/** What a daemon tells of its machine. */
export const machine: MachineInfo = {
  host: "xenhost",
  release: "6.1.0",
  version: "#1 SMP",
  machine: "x86_64",
  cpuMhz: 1000,
  hwCaps: [0x178bfbff, 0x80802221, 0, 1, 0, 0, 0, 256],
  totalMemoryMib: 1024,
  freeMemoryMib: 768,
  sharingUsedMib: 12,
  sharingFreedMib: 30,
  xenMajor: 4,
  xenMinor: 17,
  xenExtra: ".0-node",
  capabilities: "xen-3.0-x86_64 ",
  scheduler: "credit2",
  processors: 1,
  freeProcessors: 0,
  changeset: "xen-node",
  commandline: "",
  compiler: "TypeScript",
  startTime: 0,
};

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
