import { rm } from "node:fs/promises";
import type { PackageSource, Progress } from "./download.ts";
import type { KernelFiles } from "./kept-modules.ts";
import { moduleFiles } from "./module-index.ts";
import { resolvePackages } from "./resolve-packages.ts";
import { configureRoot, prepareRoot } from "./root-configuration.ts";
import { StagingTree } from "./staging-tree.ts";
import { type InstalledPackage, unpackPackage, writeDpkgDatabase } from "./unpack-package.ts";

/**
 * Stages a Debian userland: downloads packages and all that they depend on, unpacks and configures them.
 *
 * @param staging an empty folder for the tree.
 * @param downloads a folder for packages on their way.
 * @returns the tree, and the time of its newest file in seconds since 1970.
 */
export async function stageDebianRoot(
  source: PackageSource,
  wanted: readonly string[],
  kernel: KernelFiles,
  staging: string,
  downloads: string,
  progress: Progress,
): Promise<{ tree: StagingTree; time: number }> {
  const tree = new StagingTree(staging);
  const packages = resolvePackages(await source.packages(), wanted);
  const paths = await source.download(packages, downloads);
  progress(`Unpacking ${packages.length} packages ...`);
  await prepareRoot(tree, 0);
  const installed: InstalledPackage[] = [];
  for (const path of paths) {
    installed.push(await unpackPackage(path, tree));
    await rm(path);
  }
  // The newest file of a package is as old in whichever year the image is made.
  const time = Math.max(...[...tree.entries()].map(([, { mtime }]) => mtime));
  for (const path of ["", "usr", "usr/bin", "usr/lib", "usr/lib64", "usr/sbin"]) tree.change(path, { mtime: time });
  await configureRoot(tree, time);
  const own = { uid: 0, gid: 0, mtime: time };
  for (const entry of moduleFiles(kernel.release, kernel.modules, kernel.builtin)) {
    if (entry.type === "directory") {
      if (tree.find(entry.name) === undefined) await tree.directory(entry.name, { mode: 0o755, ...own });
    } else if (entry.type === "file") await tree.file(entry.name, entry.data, { mode: 0o644, ...own });
  }
  await writeDpkgDatabase(tree, installed, time);
  return { tree, time };
}
