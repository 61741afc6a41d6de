import type { GuestProgram, GuestRuntime } from "@xen-node/guest-runtime";
import { UdpHost } from "./udp-host.ts";

const PORT = 5555;
const MOST_KEYS = 10_000;
const MOST_VALUE_BYTES = 1024;

/**
 * An in-memory store in a domain of its own. One UDP datagram is one command: "SET key value", "GET key", "DEL key",
 * "COUNT"; the answer is "OK", "VALUE value", "NONE", a number, or "ERROR reason". `cmdline`: "ip=10.0.0.1".
 */
export class KeyValueStore implements GuestProgram {
  private readonly values = new Map<string, string>();

  constructor(private readonly runtime: GuestRuntime) {}

  async run(): Promise<void> {
    const { console, commandLine } = this.runtime;
    const address = /\bip=(\S+)/.exec(commandLine)?.[1] ?? "10.0.0.1";
    const device = await this.runtime.openNetwork();
    const host = new UdpHost(device, address, PORT, ({ address: from, port, payload }) => {
      const answer = this.execute(new TextDecoder().decode(payload).trim());
      host.send({ address: from, port, payload: new TextEncoder().encode(answer) }).catch(() => {});
    });
    await console.print(`serving keys on ${address}:${PORT}`);
    await host.run();
  }

  private execute(command: string): string {
    const [, verb = "", key = "", value = ""] = /^(\S+)(?: (\S+))?(?: (.*))?$/s.exec(command) ?? [];
    const { values } = this;
    switch (verb.toUpperCase()) {
      case "SET":
        if (key === "") return "ERROR no key";
        if (value.length > MOST_VALUE_BYTES) return "ERROR value too long";
        if (values.size >= MOST_KEYS && !values.has(key)) return "ERROR full";
        values.set(key, value);
        return "OK";
      case "GET": {
        const found = values.get(key);
        return found === undefined ? "NONE" : `VALUE ${found}`;
      }
      case "DEL":
        return values.delete(key) ? "OK" : "NONE";
      case "COUNT":
        return String(values.size);
      default:
        return "ERROR unknown command";
    }
  }
}
