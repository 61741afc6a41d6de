import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserNet, UserNetConfigError } from "@xen-node/user-net";
import {
  StreamUplink,
  type SwitchPort,
  TapUplink,
  type UplinkError,
  UplinkError as UplinkFault,
  type UplinkState,
} from "@xen-node/virtual-network";
import { ConfigError } from "../config/config-error.ts";

/** What joins a bridge to the world. */
export type UplinkConfig =
  /** Nothing: its guests reach each other. */
  | { kind: "none" }
  /** The host's own sockets, with DHCP, DNS and translated addresses (@xen-node/user-net). */
  | { kind: "nat"; forwards?: readonly string[]; dnsServers?: readonly string[] }
  /** As `nat`, by passt, where that is installed. */
  | { kind: "passt" }
  /** A process that listens on a Unix socket and speaks frames with 4-byte lengths: passt -s, QEMU's -netdev stream. */
  | { kind: "stream"; path: string }
  /** A TAP device of the host. */
  | { kind: "tap"; name: string };

/** An uplink that works or is about to. */
export interface Uplink {
  /** @throws ConfigError, one sentence, if it cannot be had. */
  ready(): Promise<void>;
  close(): void;
}

type Say = (level: "warning" | "info", message: string) => void;

/** Plugs an uplink into a bridge's port. @throws ConfigError */
export function openUplink(config: UplinkConfig, port: SwitchPort, mtu: number, say: Say): Uplink | undefined {
  switch (config.kind) {
    case "none":
      return undefined;
    case "nat":
      return natUplink(config, port, mtu, say);
    case "stream":
      return streamUplink(port, config.path, say);
    case "passt":
      return passtUplink(port, say);
    case "tap":
      return tapUplink(port, config.name, say);
  }
}

function natUplink(
  { forwards, dnsServers }: { forwards?: readonly string[]; dnsServers?: readonly string[] },
  port: SwitchPort,
  mtu: number,
  say: Say,
): Uplink {
  let net: UserNet;
  try {
    net = new UserNet({
      send: (packet) => port.send(packet),
      // What a guest can't take whole is cut by its backend.
      acceptGso: true,
      mtu,
      forwards,
      dnsServers,
      log: (level, message) => {
        if (level !== "debug") say(level === "info" ? "info" : "warning", message);
      },
    });
  } catch (error) {
    if (error instanceof UserNetConfigError) throw new ConfigError(error.message);
    throw error;
  }
  port.onReceive = (packet) => {
    net.receive(packet);
    return true;
  };
  port.onSendReady = () => net.sendReady();
  return {
    ready: () =>
      net.ready().catch((error: Error) => {
        throw new ConfigError(`a port cannot be forwarded: ${error.message.replace(/\.?$/, "")}.`);
      }),
    close: () => net.close(),
  };
}

/** Tells of changes, and lets `ready` wait for the first outcome. */
function stateWatch(
  what: string,
  say: Say,
): { onState: (state: UplinkState, reason?: UplinkError) => void; ready: Promise<void> } {
  let settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
  const ready = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  ready.catch(() => {});
  return {
    ready,
    onState: (state, reason) => {
      if (state === "up") settle?.resolve();
      if (reason === undefined) return;
      settle?.reject(new ConfigError(`${what}: ${reason.message}`));
      say("warning", `${what}: ${reason.message}`);
    },
  };
}

function streamUplink(port: SwitchPort, path: string, say: Say): Uplink {
  const { onState, ready } = stateWatch(`the uplink ${path}`, say);
  const uplink = new StreamUplink(port, { address: { path }, onState });
  return { ready: () => ready, close: () => uplink.close() };
}

function tapUplink(port: SwitchPort, device: string, say: Say): Uplink {
  const { onState, ready } = stateWatch(`the uplink ${device}`, say);
  try {
    const uplink = new TapUplink(port, { device, onState });
    return { ready: () => ready, close: () => uplink.close() };
  } catch (error) {
    if (error instanceof UplinkFault) throw new ConfigError(error.message);
    throw error;
  }
}

/** passt serves one connection and ends with it; its socket lies in a folder of its own. */
function passtUplink(port: SwitchPort, say: Say): Uplink {
  const folder = mkdtempSync(join(tmpdir(), "xen-node-passt-"));
  // As root, passt becomes nobody before it makes its socket.
  if (process.getuid?.() === 0) chmodSync(folder, 0o777);
  const path = join(folder, "socket");
  const { onState, ready } = stateWatch("passt", say);
  let uplink: StreamUplink | undefined;
  let closed = false;
  const child: ChildProcess = spawn("passt", ["-f", "-q", "-s", path], { stdio: ["ignore", "ignore", "pipe"] });
  let words = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    words = `${words}${chunk}`.slice(-500);
  });
  const failed = new Promise<never>((_, reject) => {
    child.on("error", (error: NodeJS.ErrnoException) => {
      const reason =
        error.code === "ENOENT" ? "it is not installed: install Debian's package passt, or use nat" : error.message;
      reject(new ConfigError(`passt cannot be run: ${reason}.`));
    });
    child.on("exit", (status) => {
      if (closed) return;
      say("warning", `passt has ended with status ${status}`);
      reject(new ConfigError(`passt has ended with status ${status}: ${words.trim().split("\n").at(-1) ?? ""}`));
    });
  });
  failed.catch(() => {});
  uplink = new StreamUplink(port, {
    address: { path },
    onState: (state, reason) => onState(state, state === "waiting" ? undefined : reason),
  });
  return {
    ready: () => Promise.race([ready, failed]),
    close: () => {
      closed = true;
      uplink?.close();
      child.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
