import { createHash } from "node:crypto";
import { access, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { cachedDebian, fetchDebian, makeWorkFolder } from "./debian.ts";
import type { SourceOptions } from "./download.ts";
import { readModules } from "./kept-modules.ts";

/** Packages of the userland, beside the essential ones and what they all depend on. */
const PACKAGES = [
  // First, since it decides for itself: packages depend on it or on one that would have to be run.
  "usr-is-merged",
  ...["apt", "base-files", "base-passwd", "busybox-static", "ca-certificates", "debian-archive-keyring", "e2fsprogs"],
  ...["iproute2", "iputils-ping", "kmod", "less", "libpam-runtime", "login", "mawk", "mount", "nano", "netbase"],
  ...["passwd", "procps", "sysvinit-utils", "tzdata", "wget"],
];

/** Images are built anew when what is in them changes between versions of the runner. */
const ROOT_VERSION = 1;

const MIB = 2 ** 20;
const DEFAULT_SIZE_BYTES = 1024 * MIB;

/** Label of the root file system, for root=LABEL=... */
export const DEBIAN_ROOT_LABEL = "debian-root";

export interface DebianRootOptions extends SourceOptions {
  /** The runner's cache folder. */
  cache: string;
  /** Size of the image, of which only what holds something takes room on the disk; default 1 GiB. */
  sizeBytes?: number;
}

/**
 * An image of an ext4 file system with a small Debian userland and the modules of the fetched kernel, from the cache or made
 * anew of Debian's packages: its init prints DEBIAN_ROOT_MARKER and starts a shell of root on the console. Needs no rights.
 * Guests must not write to the image itself: it is every guest's.
 *
 * @throws UserError, one sentence.
 */
export async function ensureDebianRoot(options: DebianRootOptions): Promise<{ image: string }> {
  const { cache, progress, mirror, suite, sizeBytes = DEFAULT_SIZE_BYTES } = options;
  const guest = (await cachedDebian(cache)) ?? (await fetchDebian(options));
  const ingredients = [ROOT_VERSION, guest.description, mirror ?? "apt", suite ?? "", sizeBytes, PACKAGES];
  const hash = createHash("sha256").update(JSON.stringify(ingredients)).digest("hex").slice(0, 16);
  // Apart from the kernel's folder, which is replaced when a kernel is fetched: a guest's own disk may build upon an image.
  const folder = join(cache, "debian-root");
  const image = join(folder, `root-${hash}.img`);
  const there = await access(image).then(
    () => true,
    () => false,
  );
  if (there) return { image };

  const [{ requireExt4Tools, makeExt4Image }, { stageDebianRoot }, { packageSource }] = await Promise.all([
    import("./ext4-image.ts"),
    import("./stage-debian-root.ts"),
    import("./download.ts"),
  ]);
  await requireExt4Tools();
  const work = await makeWorkFolder(cache);
  try {
    const staging = join(work, "root");
    await mkdir(staging);
    const modules = { release: guest.release, ...(await readModules(guest.modules)) };
    const source = await packageSource(options);
    const { tree, time } = await stageDebianRoot(source, PACKAGES, modules, staging, work, progress);
    progress("Making the root file system ...");
    const unfinished = join(work, "root.img");
    await makeExt4Image(tree, staging, {
      path: unfinished,
      sizeBytes,
      label: DEBIAN_ROOT_LABEL,
      seed: hash,
      time,
    });
    await mkdir(folder, { recursive: true });
    await rename(unfinished, image);
    return { image };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
