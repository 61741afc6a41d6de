import { rename } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../user-error.ts";
import type { PackageSource, Progress } from "./download.ts";
import { CommandError, runCommand } from "./host-command.ts";
import { describePackages, type PackageParagraph, parsePackagesIndex } from "./packages-index.ts";
import { newestPackages, RESOLVER_FIELDS } from "./resolve-packages.ts";

const NO_APT =
  "apt-get is not on this machine: give a Debian mirror with --mirror URL, or boot a kernel of your own with --kernel FILE.";

/** Packages that apt would install, as the machine's own apt is configured. */
export function aptSource(progress: Progress): PackageSource {
  return {
    async packages() {
      const { output } = await run("apt-cache", ["dumpavail"]).catch((error: Error) => {
        if (error instanceof UserError) throw error;
        throw new UserError(`apt has no index of packages (${error.message}): run apt-get update and try again.`);
      });
      const packages = newestPackages(parsePackagesIndex(output, RESOLVER_FIELDS));
      // What is installed on this machine is known even if no index is there; it cannot be downloaded.
      for (const [name, paragraph] of packages) if (!paragraph.has("filename")) packages.delete(name);
      return packages;
    },
    async download(packages, folder) {
      progress(`Downloading ${describePackages(packages)} with apt-get ...`);
      const names = packages.map((paragraph) => {
        const architecture = paragraph.get("architecture") === "all" ? "" : ":amd64";
        return `${paragraph.get("package")}${architecture}=${paragraph.get("version")}`;
      });
      await run("apt-get", ["download", "-q", ...names], folder).catch((error: Error) => {
        if (error instanceof UserError) throw error;
        throw new UserError(
          `apt-get could not download ${describePackages(packages)} (${error.message}): run apt-get update and try again.`,
        );
      });
      return Promise.all(
        packages.map(async (paragraph) => {
          const path = join(folder, `${paragraph.get("package")}.deb`);
          await rename(join(folder, aptFileName(paragraph)), path).catch(() => {
            const name = paragraph.get("package");
            throw new UserError(`apt-get downloaded no file for ${name}: run apt-get update and try again.`);
          });
          return path;
        }),
      );
    },
  };
}

function aptFileName(paragraph: PackageParagraph): string {
  const version = paragraph.get("version")?.replaceAll(":", "%3a");
  return `${paragraph.get("package")}_${version}_${paragraph.get("architecture")}.deb`;
}

async function run(command: string, parameters: string[], folder?: string): Promise<{ output: string }> {
  try {
    return await runCommand(command, parameters, folder === undefined ? {} : { folder });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new UserError(NO_APT);
    if (!(error instanceof CommandError)) throw error;
    const line = error.errors.split("\n").find((text) => text.startsWith("E:"));
    throw new Error(line?.slice(2).trim() ?? error.message);
  }
}
