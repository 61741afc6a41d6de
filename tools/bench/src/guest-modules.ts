import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { detectCompression, unpack } from "@xen-node/guest-images";
import { readDeb } from "xen-node";
import { MissingPeer } from "./missing-peer.ts";

/** A module of the guests' kernel: an ELF file, not compressed. */
export interface GuestModule {
  readonly name: string;
  readonly data: Uint8Array;
}

/** The frontends of Xen's devices and the drivers of virtio's, each after those that it needs. */
const MODULES = [
  ...["xen-blkfront", "xen-netfront"],
  ...["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"],
  ...["virtio_blk", "failover", "net_failover", "virtio_net"],
];

const FILE = /\/([^/]+)\.ko(?:\.[a-z0-9]+)?$/;
const run = promisify(execFile);

/**
 * The modules that guests need for their disks and networks, out of the very package that their kernel came from, in the
 * order in which to load them. What a kernel has built in is not among them. Kept in the cache folder.
 *
 * @param description the guest's, as the runner gives it: it begins with the package and its version.
 * @throws MissingPeer where apt has no such package
 */
export async function guestModules(
  cache: string,
  description: string,
  progress: (message: string) => void,
): Promise<GuestModule[]> {
  const [, packageName, version] = /^(linux-image-\S+) ([^\s,]+)/.exec(description) ?? [];
  if (packageName === undefined) throw new Error(`"${description}" does not begin with a kernel's package`);
  const final = join(cache, `device-modules-${packageName}_${version.replaceAll(":", "_")}`);
  const kept = await readModules(final);
  if (kept) return kept;
  // Prepared beside the final folder and put there by one rename: a broken fetch leaves nothing behind.
  const folder = await mkdtemp(join(cache, "fetching-"));
  try {
    progress(`Downloading ${packageName} ${version} with apt-get for its modules ...`);
    const deb = await downloadPackage(packageName, version, folder);
    const modules = join(folder, "modules");
    await mkdir(modules);
    for (const [path, file] of await readDeb(deb, (path) => MODULES.includes(moduleName(path)), MODULES.length)) {
      const compression = detectCompression(file);
      const data = compression === null ? file : await unpack(file, compression);
      await writeFile(join(modules, moduleName(path)), data);
    }
    await rm(final, { recursive: true, force: true });
    await rename(modules, final);
    return (await readModules(final))!;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const moduleName = (path: string): string => FILE.exec(path)?.[1] ?? "";

async function readModules(folder: string): Promise<GuestModule[] | undefined> {
  const names = await readdir(folder).catch(() => undefined);
  if (names === undefined) return undefined;
  const present = MODULES.filter((name) => names.includes(name));
  return Promise.all(present.map(async (name) => ({ name, data: await readFile(join(folder, name)) })));
}

async function downloadPackage(name: string, version: string, folder: string): Promise<string> {
  try {
    await run("apt-get", ["download", "-q", `${name}=${version}`], {
      cwd: folder,
      env: { ...process.env, LC_ALL: "C" },
    });
  } catch (error) {
    const [reason] = (error as Error).message.split("\n").filter((line) => line.startsWith("E:"));
    throw new MissingPeer(
      `apt could not download ${name} ${version} (${reason ?? (error as Error).message.split("\n")[0]}): run apt-get update and \`xen-node fetch debian\`, and try again.`,
    );
  }
  const deb = (await readdir(folder)).find((file) => file.endsWith(".deb"));
  if (deb === undefined) throw new MissingPeer(`apt-get downloaded no file for ${name}: try again.`);
  return join(folder, basename(deb));
}
