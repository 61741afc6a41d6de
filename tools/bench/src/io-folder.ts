import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { convertToQcow2, writeRawImage } from "./disk-image.ts";
import { buildIoProgram } from "./io-build.ts";
import { IMAGE_BYTES } from "./io-jobs.ts";
import { type IoGuestFiles, ioRamDisk } from "./io-ram-disk.ts";

/** The folder of a run of `npm run bench:io`: its program, images, ram disks and scripts. */
export class IoFolder {
  private readonly path: string;

  constructor(parent: string) {
    this.path = mkdtempSync(join(parent, "xen-node-bench-io-"));
  }

  /** The program of guest/io, compiled when it is first asked for. */
  get io(): string {
    return this.made("io", buildIoProgram);
  }

  /** A raw image. All peers read and write the same one, in turn. */
  get rawImage(): string {
    return this.made("image.raw", (path) => writeRawImage(path, IMAGE_BYTES));
  }

  get qcow2Image(): string {
    return this.made("image.qcow2", (path) => convertToQcow2(this.rawImage, path));
  }

  /** Path of a ram disk that runs a script. */
  ramDisk(name: string, guest: Omit<IoGuestFiles, "io">, script: string): string {
    return this.write(`${name}.cpio`, ioRamDisk({ ...guest, io: this.io }, script));
  }

  write(name: string, contents: Uint8Array | string): string {
    const path = join(this.path, name);
    writeFileSync(path, contents);
    return path;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  private made(name: string, make: (path: string) => void): string {
    const path = join(this.path, name);
    if (!existsSync(path)) make(path);
    return path;
  }
}
