import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { SwitchPort } from "@xen-node/virtual-network";
import { UserError } from "../user-error.ts";

/** Captures of guests' network interfaces: FOLDER/vif1.0.pcapng and so on, for Wireshark. */
export class PcapFolder {
  private readonly files: number[] = [];

  /** @throws UserError if the folder cannot be made. */
  constructor(private readonly folder: string) {
    try {
      mkdirSync(folder, { recursive: true });
    } catch (error) {
      throw new UserError(`the folder ${folder} cannot be made: ${(error as Error).message}.`);
    }
  }

  /** Captures what passes a port, from now on. */
  capture(port: SwitchPort): void {
    const file = openSync(join(this.folder, `${port.name}.pcapng`), "w");
    this.files.push(file);
    port.captureTo((bytes) => {
      writeSync(file, bytes);
      return true;
    });
  }

  close(): void {
    for (const file of this.files) closeSync(file);
    this.files.length = 0;
  }
}
