import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { UserError } from "../user-error.ts";
import { kernelPackageOf, type PackageParagraph, parsePackagesIndex } from "./packages-index.ts";

const META_PACKAGE = "linux-image-amd64";
const BUSYBOX_PACKAGE = "busybox-static";

/** Downloaded packages: their names with versions, and the paths of the .deb files. */
export interface DownloadedPackages {
  kernel: { name: string; version: string; path: string };
  busybox: { name: string; version: string; path: string };
}

/** Says what is being done, for the user's eyes. */
export type Progress = (message: string) => void;

const NO_APT =
  "apt-get is not on this machine: give a Debian mirror with --mirror URL, or boot a kernel of your own with --kernel FILE.";

/** Downloads Debian's current kernel and busybox through apt, as the machine's own apt is configured. */
export async function downloadWithApt(folder: string, progress: Progress): Promise<DownloadedPackages> {
  const show = async (name: string): Promise<PackageParagraph> => {
    const text = await run("apt-cache", ["show", "--no-all-versions", name], folder).catch((error: Error) => {
      if (error instanceof UserError) throw error;
      throw new UserError(
        `apt knows no package ${name}: run apt-get update, or give a Debian mirror with --mirror URL, or a kernel with --kernel FILE.`,
      );
    });
    const [paragraph] = parsePackagesIndex(text);
    if (paragraph === undefined)
      throw new UserError(`apt says nothing about ${name}: run apt-get update and try again.`);
    return paragraph;
  };
  const kernelName = kernelPackageOf(await show(META_PACKAGE));
  if (kernelName === undefined) throw new UserError(`${META_PACKAGE} names no kernel here: use --kernel FILE.`);
  const download = async (name: string) => {
    const version = (await show(name)).get("version") ?? "";
    progress(`Downloading ${name} ${version} with apt-get ...`);
    await run("apt-get", ["download", "-q", name], folder).catch((error: Error) => {
      if (error instanceof UserError) throw error;
      throw new UserError(`apt-get could not download ${name} (${error.message}): run apt-get update and try again.`);
    });
    const file = (await readdir(folder)).find((candidate) => candidate.startsWith(`${name}_`));
    if (file === undefined)
      throw new UserError(`apt-get downloaded no file for ${name}: run apt-get update and try again.`);
    return { name, version, path: join(folder, file) };
  };
  return { kernel: await download(kernelName), busybox: await download(BUSYBOX_PACKAGE) };
}

/**
 * Downloads the same packages from a Debian mirror, for machines without apt. What the mirror's index says is checked by
 * the index's own SHA-256 sums; the index's signature is not, so the mirror is trusted.
 */
export async function downloadFromMirror(
  folder: string,
  mirror: string,
  suite: string,
  progress: Progress,
): Promise<DownloadedPackages> {
  const base = mirror.replace(/\/+$/, "");
  const get = async (path: string): Promise<Buffer> => {
    const response = await fetch(`${base}/${path}`).catch((error: Error & { cause?: Error }) => {
      throw new UserError(
        `${base} does not answer (${error.cause?.message ?? error.message}): check --mirror, or use --kernel FILE.`,
      );
    });
    if (!response.ok) {
      throw new UserError(
        `${base}/${path} answers ${response.status}: check that --mirror is the root of a Debian mirror and that the suite "${suite}" exists.`,
      );
    }
    return Buffer.from(await response.arrayBuffer());
  };
  progress(`Reading the package index of ${suite} from ${base} ...`);
  const index = gunzipSync(await get(`dists/${suite}/main/binary-amd64/Packages.gz`)).toString("utf8");
  const packages = new Map<string, PackageParagraph>();
  for (const paragraph of parsePackagesIndex(index)) {
    const name = paragraph.get("package") ?? "";
    if (name.startsWith("linux-image-") || name === BUSYBOX_PACKAGE) packages.set(name, paragraph);
  }
  const kernelName = kernelPackageOf(packages.get(META_PACKAGE) ?? new Map());
  if (kernelName === undefined) throw new UserError(`${base} has no ${META_PACKAGE}: use a mirror of Debian itself.`);
  const download = async (name: string) => {
    const paragraph = packages.get(name);
    const file = paragraph?.get("filename");
    if (paragraph === undefined || file === undefined) throw new UserError(`${base} has no package ${name}.`);
    const version = paragraph.get("version") ?? "";
    progress(`Downloading ${name} ${version} (${Math.round(Number(paragraph.get("size")) / 1e6)} MB) ...`);
    const bytes = await get(file);
    if (createHash("sha256").update(bytes).digest("hex") !== paragraph.get("sha256")) {
      throw new UserError(
        `${base}/${file} differs from what the mirror's index says: try again or use another mirror.`,
      );
    }
    const path = join(folder, `${name}.deb`);
    await writeFile(`${path}.part`, bytes);
    await rename(`${path}.part`, path);
    return { name, version, path };
  };
  return { kernel: await download(kernelName), busybox: await download(BUSYBOX_PACKAGE) };
}

/** The suite of this Debian machine, for which its users look first on a mirror; "stable" elsewhere. */
export async function hostSuite(): Promise<string> {
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  if (!/^ID="?debian"?$/m.test(release)) return "stable";
  return /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(release)?.[1] ?? "stable";
}

function run(command: string, parameters: string[], folder: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(command, parameters, {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, LC_ALL: "C" },
    });
    let output = "";
    let errors = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk;
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      errors += chunk;
    });
    child.on("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "ENOENT" ? new UserError(NO_APT) : error);
    });
    child.on("close", (status) => {
      if (status === 0) resolve(output);
      else {
        const lines = errors.split("\n").filter((line) => line.startsWith("E:"));
        reject(new Error(lines[0]?.slice(2).trim() ?? `${command} ended with status ${status}`));
      }
    });
  });
}
