import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type KernelModule, moduleOfPath, readModule } from "./kernel-modules.ts";

/** A kernel and those of its modules that a guest may want. */
export interface KernelFiles {
  /** What `uname -r` will say. */
  release: string;
  modules: KernelModule[];
  /** Paths of the modules that are part of the kernel itself, a line each. */
  builtin: string;
}

/** What a guest needs to reach its disks, and its root file system on them. */
export const DISK_MODULES = ["xen_blkfront", "ext4"];

/** What a guest needs to reach its networks. */
export const NETWORK_MODULES = ["xen_netfront"];

/** Keeps modules in a folder. */
export async function writeModules(folder: string, { modules, builtin }: KernelFiles): Promise<void> {
  for (const { path, data } of modules) {
    await mkdir(join(folder, dirname(path)), { recursive: true });
    await writeFile(join(folder, path), data);
  }
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "modules.builtin"), builtin);
}

/** Reads modules that were kept, in the order of their paths. */
export async function readModules(folder: string): Promise<Omit<KernelFiles, "release">> {
  const paths: string[] = [];
  const walk = async (inside: string): Promise<void> => {
    for (const entry of await readdir(join(folder, inside), { withFileTypes: true })) {
      const path = inside === "" ? entry.name : `${inside}/${entry.name}`;
      if (entry.isDirectory()) await walk(path);
      else if (moduleOfPath(path) !== undefined) paths.push(path);
    }
  };
  await walk("");
  const modules = await Promise.all(
    paths.sort().map(async (path) => readModule(path, new Uint8Array(await readFile(join(folder, path))))),
  );
  return { modules, builtin: await readFile(join(folder, "modules.builtin"), "utf8") };
}
