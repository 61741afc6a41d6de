import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeCpio } from "../../src/fetch/cpio.ts";
import { debianGuest } from "./real-guests.ts";

/** Why guest programs cannot be compiled here, or undefined. CI is never excused. */
export const noCompiler: string | undefined = (() => {
  if (process.env.CI) return undefined;
  if (process.platform !== "linux" || process.arch !== "x64") return "guest programs are compared with this machine";
  try {
    execFileSync("gcc", ["--version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "gcc is not on this machine";
  }
})();

/** A program of test/guest-programs, compiled and in a ram disk beside busybox and the modules of devices. */
export interface GuestProgram {
  /** The program as a file of the host. */
  path: string;
  /** A ram disk with the program as /bin/NAME. */
  initrd: string;
  remove(): Promise<void>;
}

/** Compiles all C files of a folder of test/guest-programs into one static program. */
export async function buildGuestProgram(name: string): Promise<GuestProgram> {
  const sources = fileURLToPath(new URL(`../guest-programs/${name}/`, import.meta.url));
  const folder = await mkdtemp(join(tmpdir(), "xen-node-guest-"));
  const path = join(folder, name);
  const files = (await readdir(sources)).filter((file) => file.endsWith(".c")).map((file) => join(sources, file));
  const flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-frounding-math", "-static", "-pthread"];
  execFileSync("gcc", [...flags, "-o", path, ...files, "-lm"]);
  const initrd = join(folder, "initramfs.cpio");
  const program = { name: `bin/${name}`, type: "file", mode: 0o755, data: await readFile(path) } as const;
  // Linux unpacks one archive after the other.
  await writeFile(initrd, Buffer.concat([await readFile((await debianGuest()).initrd), writeCpio([program])]));
  return { path, initrd, remove: () => rm(folder, { recursive: true, force: true }) };
}
