import { closeSync, openSync, writeSync } from "node:fs";
import { listRegion, type RegionSource } from "@xen-node/x86-cpu";
import { UserError } from "../user-error.ts";

/** The file of --dump-regions: it grows by a listing with each region that is compiled. */
export class RegionFile {
  private readonly descriptor: number;

  constructor(path: string) {
    try {
      this.descriptor = openSync(path, "w");
    } catch (error) {
      throw new UserError(`the listing ${path} cannot be written: ${(error as Error).message}.`);
    }
  }

  /** Writes a region's listing. Synchronous: a fault in translated code may be what ends the process next. */
  add(region: RegionSource, symbolize: (va: number) => string | undefined): void {
    writeSync(this.descriptor, `${listRegion(region, symbolize)}\n`);
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
