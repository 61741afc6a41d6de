import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { UserError } from "../user-error.ts";
import { aptSource } from "./apt-source.ts";
import { mirrorSource } from "./mirror-source.ts";
import type { PackageParagraph } from "./packages-index.ts";

/** Says what is being done, for the user's eyes. */
export type Progress = (message: string) => void;

/** Where Debian packages for amd64 come from. Whatever goes wrong is a UserError, one sentence. */
export interface PackageSource {
  /** What there is, of each name the newest, with the fields that resolving and downloading need. */
  packages(): Promise<ReadonlyMap<string, PackageParagraph>>;
  /** Downloads packages into a folder, checked against the index's SHA-256 sums; paths in the order asked for. */
  download(packages: readonly PackageParagraph[], folder: string): Promise<string[]>;
}

/** Where to fetch from. */
export interface SourceOptions {
  /** Root of a Debian mirror, instead of apt. */
  mirror?: string;
  /** The release to take from the mirror. */
  suite?: string;
  progress: Progress;
}

/** The mirror that was named, else this machine's apt. The index is read once. */
export async function packageSource({ mirror, suite, progress }: SourceOptions): Promise<PackageSource> {
  const source = mirror ? mirrorSource(mirror, suite ?? (await hostSuite()), progress) : aptSource(progress);
  let packages: Promise<ReadonlyMap<string, PackageParagraph>> | undefined;
  return {
    packages: () => (packages ??= source.packages()),
    download: async (wanted, folder) => {
      const paths = await source.download(wanted, folder);
      for (const [index, path] of paths.entries()) await checkSum(path, wanted[index]);
      return paths;
    },
  };
}

async function checkSum(path: string, paragraph: PackageParagraph): Promise<void> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  if (hash.digest("hex") !== paragraph.get("sha256")) {
    throw new UserError(
      `the downloaded package ${paragraph.get("package")} differs from what the package index says: try again or use another mirror.`,
    );
  }
}

/** The suite of this Debian machine, for which its users look first on a mirror; "stable" elsewhere. */
export async function hostSuite(): Promise<string> {
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  if (!/^ID="?debian"?$/m.test(release)) return "stable";
  return /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(release)?.[1] ?? "stable";
}
