import type { GuestProgram, GuestRuntime } from "@xen-node/guest-runtime";
import { UdpHost } from "./udp-host.ts";

const ECHO_PORT = 7;

/** Answers pings, and sends each datagram to UDP port 7 back. `cmdline`: "ip=10.0.0.1". */
export class EchoServer implements GuestProgram {
  constructor(private readonly runtime: GuestRuntime) {}

  async run(): Promise<void> {
    const { console, commandLine } = this.runtime;
    const address = /\bip=(\S+)/.exec(commandLine)?.[1] ?? "10.0.0.1";
    const device = await this.runtime.openNetwork();
    const host = new UdpHost(device, address, ECHO_PORT, (datagram) => void host.send(datagram).catch(() => {}));
    await console.print(`echoing on ${address}`);
    await host.run();
  }
}
