import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { ImageError, loadKernelImage } from "@xen-node/guest-images";
import { UserError } from "../user-error.ts";
import { unpackedKernels } from "./cache.ts";
import { downloadFromMirror, downloadWithApt, hostSuite, type Progress } from "./download.ts";
import { buildInitramfs } from "./initramfs.ts";

/** A fetched guest, ready to boot: paths of its files. */
export interface DebianGuest {
  /** As Debian ships it: a bzImage. */
  kernel: string;
  initrd: string;
  busybox: string;
  /** What was fetched, for people: "linux-image-… 6.1…". */
  description: string;
}

export interface FetchOptions {
  /** The runner's cache folder. */
  cache: string;
  /** Root of a Debian mirror, instead of apt. */
  mirror?: string;
  /** The release to take from the mirror. */
  suite?: string;
  progress: Progress;
}

const FILES = {
  kernel: "vmlinuz",
  initrd: "initramfs.cpio",
  busybox: "busybox",
  manifest: "manifest.json",
};

/** Rebuilt when the ram disk's contents change between versions of the runner. */
const INITRAMFS_VERSION = 2;

/** The guest in the cache, or undefined if it has not been fetched. */
export async function cachedDebian(cache: string): Promise<DebianGuest | undefined> {
  const folder = join(cache, "debian");
  try {
    const manifest = JSON.parse(await readFile(join(folder, FILES.manifest), "utf8"));
    if (manifest.initramfsVersion !== INITRAMFS_VERSION) {
      await writeInitramfs(folder);
      await writeFile(
        join(folder, FILES.manifest),
        `${JSON.stringify({ ...manifest, initramfsVersion: INITRAMFS_VERSION }, null, 2)}\n`,
      );
    }
    for (const file of Object.values(FILES)) await access(join(folder, file));
    return guestIn(folder, String(manifest.description));
  } catch {
    return undefined;
  }
}

/** Gets Debian's kernel and busybox and builds the initial ram disk, all in the cache folder. */
export async function fetchDebian(options: FetchOptions): Promise<DebianGuest> {
  const { cache, progress } = options;
  await mkdir(cache, { recursive: true }).catch((error: Error) => {
    throw new UserError(`${cache} cannot be written (${error.message}): choose another folder with --cache.`);
  });
  // Everything is prepared beside the final folder and put there by one rename: a broken fetch leaves nothing behind.
  const folder = await mkdtemp(join(cache, "fetching-"));
  try {
    const packages = options.mirror
      ? await downloadFromMirror(folder, options.mirror, options.suite ?? (await hostSuite()), progress)
      : await downloadWithApt(folder, progress);
    // With its decoders, which starts that fetch nothing need not wait for.
    const { readDeb } = await import("./deb.ts");
    progress("Unpacking and building the initial ram disk ...");
    const take = async (path: string, pattern: RegExp): Promise<Uint8Array> => {
      const [data] = (await readDeb(path, (name) => pattern.test(name), 1)).values();
      if (data === undefined)
        throw new UserError(`${basename(path)} holds no file that matches ${pattern}: use --kernel FILE.`);
      return data;
    };
    await writeFile(join(folder, FILES.kernel), await take(packages.kernel.path, /^boot\/vmlinuz-/));
    await writeFile(join(folder, FILES.busybox), await take(packages.busybox.path, /^(usr\/)?bin\/busybox$/));
    // The first start finds it unpacked.
    await loadKernelImage(join(folder, FILES.kernel), { unpackedKernels: unpackedKernels(cache) }).catch(
      (error: unknown) => {
        if (!(error instanceof ImageError)) throw error;
        throw new UserError(
          `the kernel of ${packages.kernel.name} is of no use (${error.message}): use --kernel FILE.`,
        );
      },
    );
    await writeInitramfs(folder);
    const description = `${packages.kernel.name} ${packages.kernel.version}, ${packages.busybox.name} ${packages.busybox.version}`;
    await writeFile(
      join(folder, FILES.manifest),
      `${JSON.stringify({ description, initramfsVersion: INITRAMFS_VERSION }, null, 2)}\n`,
    );
    for (const { path } of Object.values(packages)) await rm(path);
    const final = join(cache, "debian");
    await rm(final, { recursive: true, force: true });
    await rename(folder, final).catch((error: NodeJS.ErrnoException) => {
      // Another fetch that ran at the same time was faster: its files are as good.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
    return guestIn(final, description);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeInitramfs(folder: string): Promise<void> {
  const image = buildInitramfs(await readFile(join(folder, FILES.busybox)));
  await replaceFile(join(folder, FILES.initrd), image);
}

/** Whole or not at all, even if others write the same file at the same time. */
async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const fresh = `${path}.${process.pid}`;
  await writeFile(fresh, bytes);
  await rename(fresh, path);
}

function guestIn(folder: string, description: string): DebianGuest {
  return {
    kernel: join(folder, FILES.kernel),
    initrd: join(folder, FILES.initrd),
    busybox: join(folder, FILES.busybox),
    description,
  };
}
