import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder for images; `remove` takes it away. */
export class ScratchFolder {
  readonly path = mkdtempSync(join(tmpdir(), "xen-node-devices-"));
  private mounted: string | undefined;

  /** A sparse image. */
  image(name: string, sizeBytes: number, folder = this.path): string {
    const path = join(folder, name);
    writeFileSync(path, "");
    truncateSync(path, sizeBytes);
    return path;
  }

  /** A file system of a megabyte, where this process may mount one; else undefined. */
  mountSmall(): string | undefined {
    const path = mkdtempSync(join(this.path, "small-"));
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", path], { stdio: "ignore" });
    } catch {
      return undefined;
    }
    this.mounted = path;
    return path;
  }

  remove(): void {
    if (this.mounted !== undefined) execFileSync("umount", [this.mounted]);
    rmSync(this.path, { recursive: true, force: true });
  }
}
