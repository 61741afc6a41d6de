import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Width } from "./guest-build.ts";
import { buildSuite } from "./suite-build.ts";
import type { SuiteProgram } from "./suite-programs.ts";
import { suiteRamDisk } from "./suite-ram-disk.ts";
import { suiteScript } from "./suite-script.ts";

/** Files in memory, as the guests' are. */
const MEMORY_FOLDER = "/dev/shm";

/** The folder of a run of the suite: its programs, ram disks and data. */
export class SuiteFolder {
  private readonly path = mkdtempSync(join(existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir(), "xen-node-bench-"));

  /** Compiles the programs of a width and takes the busybox of that width from a path. */
  add(width: Width, busybox: string): void {
    buildSuite(width, this.suite(width));
    copyFileSync(busybox, this.busybox(width));
    chmodSync(this.busybox(width), 0o755);
  }

  /** Path of a ram disk whose /init runs programs. */
  ramDisk(width: Width, programs: readonly SuiteProgram[], rounds: number): string {
    return this.writeRamDisk(`suite${width}.cpio`, width, programs, rounds);
  }

  /** Path of a ram disk whose /init has nothing to do. */
  idleRamDisk(width: Width): string {
    return this.writeRamDisk(`idle${width}.cpio`, width, [], 0);
  }

  /** Path of a script that runs 64-bit programs on this machine. */
  nativeScript(programs: readonly SuiteProgram[], rounds: number): string {
    const data = join(this.path, "data");
    mkdirSync(data, { recursive: true });
    const settings = `export BENCH_BUSYBOX='${this.busybox(64)}' BENCH_FOLDER='${data}'\n`;
    const path = join(this.path, "native.sh");
    writeFileSync(path, settings + suiteScript(`'${this.suite(64)}'`, programs, rounds));
    return path;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  private suite(width: Width): string {
    return join(this.path, `suite${width}`);
  }

  private busybox(width: Width): string {
    return join(this.path, `busybox${width}`);
  }

  private writeRamDisk(name: string, width: Width, programs: readonly SuiteProgram[], rounds: number): string {
    const path = join(this.path, name);
    const files = { suite: this.suite(width), busybox: this.busybox(width) };
    writeFileSync(path, suiteRamDisk(files, programs, rounds));
    return path;
  }
}
