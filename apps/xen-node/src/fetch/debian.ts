import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { ImageError, loadKernelImage } from "@xen-node/guest-images";
import { UserError } from "../user-error.ts";
import { unpackedKernels } from "./cache.ts";
import type { PackageSource, SourceOptions } from "./download.ts";
import { type BootModules, buildInitramfs } from "./initramfs.ts";
import { DISK_MODULES, NETWORK_MODULES, readModules, writeModules } from "./kept-modules.ts";
import { loadOrder } from "./kernel-modules.ts";
import { kernelPackageOf, type PackageParagraph } from "./packages-index.ts";

const META_PACKAGE = "linux-image-amd64";
const BUSYBOX_PACKAGE = "busybox-static";

/** A fetched guest, ready to boot: paths of its files. */
export interface DebianGuest {
  /** As Debian ships it: a bzImage. */
  kernel: string;
  initrd: string;
  busybox: string;
  /** What the kernel calls its release, "6.1.0-57-amd64". */
  release: string;
  /** Folder of the kernel's modules that guests want, as below /lib/modules/RELEASE. */
  modules: string;
  /** What was fetched, for people: "linux-image-… 6.1…". */
  description: string;
}

export interface FetchOptions extends SourceOptions {
  /** The runner's cache folder. */
  cache: string;
}

const FILES = {
  kernel: "vmlinuz",
  initrd: "initramfs.cpio",
  busybox: "busybox",
  modules: "modules",
  manifest: "manifest.json",
};

/** Rebuilt when the ram disk's contents change between versions of the runner. */
const INITRAMFS_VERSION = 4;

/** Fetched again when other files of the packages are wanted. */
const FILES_VERSION = 1;

interface Manifest {
  description: string;
  release: string;
  initramfsVersion: number;
  filesVersion: number;
}

/** The guest in the cache, or undefined if it has not been fetched, or was by a version that kept other files. */
export async function cachedDebian(cache: string): Promise<DebianGuest | undefined> {
  const folder = join(cache, "debian");
  try {
    const manifest: Manifest = JSON.parse(await readFile(join(folder, FILES.manifest), "utf8"));
    if (manifest.filesVersion !== FILES_VERSION) return undefined;
    if (manifest.initramfsVersion !== INITRAMFS_VERSION) {
      await writeInitramfs(folder, manifest.release);
      await writeManifest(folder, { ...manifest, initramfsVersion: INITRAMFS_VERSION });
    }
    for (const file of Object.values(FILES)) await access(join(folder, file));
    return guestIn(folder, manifest);
  } catch {
    return undefined;
  }
}

/** Gets Debian's kernel and busybox and builds the initial ram disk, all in the cache folder. */
export async function fetchDebian(options: FetchOptions): Promise<DebianGuest> {
  const { cache, progress } = options;
  // Everything is prepared beside the final folder and put there by one rename: a broken fetch leaves nothing behind.
  const folder = await makeWorkFolder(cache);
  // With its decoders, which starts that fetch nothing need not wait for.
  const [{ packageSource }, { readDeb }, { readKernelPackage }] = await Promise.all([
    import("./download.ts"),
    import("./deb.ts"),
    import("./kernel-package.ts"),
  ]);
  try {
    const source = await packageSource(options);
    const kernelPackage = await currentKernel(source);
    const busyboxPackage = await named(source, BUSYBOX_PACKAGE);
    const [kernelDeb] = await source.download([kernelPackage], folder);
    const [busyboxDeb] = await source.download([busyboxPackage], folder);
    progress("Unpacking and building the initial ram disk ...");
    const files = await readKernelPackage(kernelDeb);
    await writeFile(join(folder, FILES.kernel), files.kernel);
    await writeModules(join(folder, FILES.modules), files);
    await writeFile(join(folder, FILES.busybox), await readBusybox(busyboxDeb, readDeb));
    // The first start finds it unpacked.
    await loadKernelImage(join(folder, FILES.kernel), { unpackedKernels: unpackedKernels(cache) }).catch(
      (error: unknown) => {
        if (!(error instanceof ImageError)) throw error;
        throw new UserError(
          `the kernel of ${kernelPackage.get("package")} is of no use (${error.message}): use --kernel FILE.`,
        );
      },
    );
    await writeInitramfs(folder, files.release);
    const manifest = {
      description: [kernelPackage, busyboxPackage]
        .map((paragraph) => `${paragraph.get("package")} ${paragraph.get("version")}`)
        .join(", "),
      release: files.release,
      initramfsVersion: INITRAMFS_VERSION,
      filesVersion: FILES_VERSION,
    };
    await writeManifest(folder, manifest);
    for (const path of [kernelDeb, busyboxDeb]) await rm(path);
    const final = join(cache, "debian");
    await rm(final, { recursive: true, force: true });
    await rename(folder, final).catch((error: NodeJS.ErrnoException) => {
      // Another fetch that ran at the same time was faster: its files are as good.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
    return guestIn(final, manifest);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A new folder in the cache for what is not finished. */
export async function makeWorkFolder(cache: string): Promise<string> {
  await mkdir(cache, { recursive: true }).catch((error: Error) => {
    throw new UserError(`${cache} cannot be written (${error.message}): choose another folder with --cache.`);
  });
  return mkdtemp(join(cache, "fetching-"));
}

async function currentKernel(source: PackageSource): Promise<PackageParagraph> {
  const name = kernelPackageOf(await named(source, META_PACKAGE));
  if (name === undefined) throw new UserError(`${META_PACKAGE} names no kernel here: use --kernel FILE.`);
  return named(source, name);
}

async function named(source: PackageSource, name: string): Promise<PackageParagraph> {
  const paragraph = (await source.packages()).get(name);
  if (paragraph === undefined)
    throw new UserError(
      `no package ${name} is known: run apt-get update, or give a Debian mirror with --mirror URL, or a kernel with --kernel FILE.`,
    );
  return paragraph;
}

async function readBusybox(deb: string, readDeb: typeof import("./deb.ts").readDeb): Promise<Uint8Array> {
  const [data] = (await readDeb(deb, (name) => /^(usr\/)?bin\/busybox$/.test(name), 1)).values();
  if (data === undefined) throw new UserError(`${basename(deb)} holds no busybox: use --kernel FILE.`);
  return data;
}

/** What a guest of Debian's kernel loads at boot. */
async function bootModules(folder: string, release: string): Promise<BootModules> {
  const { modules } = await readModules(join(folder, FILES.modules));
  return { release, disk: loadOrder(modules, DISK_MODULES), network: loadOrder(modules, NETWORK_MODULES) };
}

async function writeInitramfs(folder: string, release: string): Promise<void> {
  const busybox = await readFile(join(folder, FILES.busybox));
  await replaceFile(join(folder, FILES.initrd), buildInitramfs(busybox, [], await bootModules(folder, release)));
}

async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  await replaceFile(join(folder, FILES.manifest), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Whole or not at all, even if others write the same file at the same time. */
async function replaceFile(path: string, contents: Uint8Array | string): Promise<void> {
  const fresh = `${path}.${process.pid}`;
  await writeFile(fresh, contents);
  await rename(fresh, path);
}

function guestIn(folder: string, { release, description }: Manifest): DebianGuest {
  return {
    kernel: join(folder, FILES.kernel),
    initrd: join(folder, FILES.initrd),
    busybox: join(folder, FILES.busybox),
    release: String(release),
    modules: join(folder, FILES.modules),
    description: String(description),
  };
}
