import { createServer, type Server, type Socket } from "node:net";
import type { Guest, Machine } from "@xen-node/toolstack";
import { UserError } from "../user-error.ts";
import type { DebugTarget } from "./debug-target.ts";
import { type DomainOwner, DomainTarget } from "./domain-target.ts";
import { RemoteSession } from "./remote-session.ts";

/** Where a debugger's server listens: `:PORT` or `HOST:PORT`; the host is this machine unless named. */
export interface GdbAddress {
  host: string;
  port: number;
}

/** A running server. */
export interface GdbServer {
  /** The address it really has (port 0 asks for any free one). */
  readonly address: GdbAddress;
  /** A debugger is there. */
  readonly attached: boolean;
  /** Lets go of the debugger, if there is one, and of the port. */
  close(): void;
}

export interface GdbOptions {
  address: GdbAddress;
  /** The guest stands still until a debugger has come and let it run. */
  wait?: boolean;
  /** A debugger has gone. */
  onDetach?(): void;
}

/** Parses the value of --gdb. */
export function parseGdbAddress(text: string): GdbAddress {
  const match = /^(?:(.*):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65535) throw new UserError(`--gdb wants :PORT or HOST:PORT, not "${text}".`);
  // An IPv6 address is written in brackets.
  return { host: match[1]?.replace(/^\[(.*)\]$/, "$1") || "127.0.0.1", port };
}

/**
 * Serves the remote protocol to one debugger at a time.
 * @param findTarget what to debug, asked whenever a debugger comes; undefined if there is nothing any more
 * @throws UserError if the address cannot be listened at
 */
export async function serveGdb(
  findTarget: () => DebugTarget | undefined,
  { address, onDetach }: Pick<GdbOptions, "address" | "onDetach">,
): Promise<GdbServer> {
  let attached: { socket: Socket; session: RemoteSession } | undefined;
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    const target = attached === undefined ? findTarget() : undefined;
    if (target === undefined) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    const session = new RemoteSession(
      target,
      (bytes) => {
        if (socket.writable) socket.write(bytes);
      },
      () => socket.end(),
    );
    attached = { socket, session };
    socket.on("data", (bytes) => session.receive(bytes));
    socket.on("close", () => {
      attached = undefined;
      session.close();
      onDetach?.();
    });
  });
  const port = await listen(server, address);
  return {
    address: { host: address.host, port },
    get attached() {
      return attached !== undefined;
    },
    close: () => {
      attached?.session.close();
      attached?.socket.destroy();
      server.close();
    },
  };
}

function listen(server: Server, { host, port }: GdbAddress): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reasons: Record<string, string> = {
        EADDRINUSE: "the port is in use",
        EACCES: "that port needs more rights",
        EADDRNOTAVAIL: "this machine has no such address",
        ENOTFOUND: "there is no such host",
      };
      const reason = reasons[error.code ?? ""] ?? error.message;
      reject(new UserError(`gdb cannot be served at ${host}:${port}: ${reason}.`));
    });
    server.listen(port, host, () => {
      const bound = server.address();
      resolve(typeof bound === "object" && bound !== null ? bound.port : port);
    });
  });
}

/** Serves gdb's remote protocol for a guest, whichever domain it is when the debugger comes. */
export async function startGdbServer(
  machine: Machine,
  guest: Guest,
  { address, wait = false, onDetach }: GdbOptions,
): Promise<GdbServer> {
  const owner: DomainOwner = {
    wake: () => machine.wake(),
    destroy: () => guest.destroy(),
    keepsCrashed: () => guest.config.onCrash === "preserve",
  };
  const { hypervisor } = machine;
  const targetOf = (): DomainTarget | undefined =>
    guest.domain === undefined ? undefined : new DomainTarget(hypervisor, guest.domain, owner);
  let waiting = wait ? targetOf() : undefined;
  waiting?.hold();
  const findTarget = (): DomainTarget | undefined => {
    const target = waiting ?? targetOf();
    waiting = undefined;
    return target;
  };
  return await serveGdb(findTarget, { address, onDetach });
}
