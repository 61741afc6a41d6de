import { EPERM } from "@xen-node/xen-abi";
import type { Domain } from "../domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { ConsoleCalls } from "./interface.ts";

/** console_io of one domain: refused unless the domain was created with `consoleIo`. */
export class DomainConsole implements ConsoleCalls {
  private line = "";

  constructor(
    private readonly hv: Hypervisor,
    private readonly domain: Domain,
  ) {}

  write(bytes: Uint8Array): number {
    if (!this.domain.consoleIo) return -EPERM;
    for (const byte of bytes) {
      if (byte === 0x0a) {
        this.hv.log.log("info", "console", `(d${this.domain.domid}) ${this.line}`);
        this.line = "";
      } else if (byte !== 0x0d && this.line.length < 1024) {
        this.line += String.fromCharCode(byte);
      }
    }
    return 0;
  }
}
