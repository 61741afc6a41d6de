import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { kernelPackageOf, parsePackagesIndex, readDeb } from "xen-node";
import { MissingPeer } from "./missing-peer.ts";

/** Debian's kernel and busybox for 32-bit machines: paths of files. */
export interface DebianI386 {
  readonly kernel: string;
  readonly busybox: string;
  /** For people. */
  readonly description: string;
}

/** The kernel without PAE, which so little memory does not need. */
const META_PACKAGE = "linux-image-686";
const BUSYBOX_PACKAGE = "busybox-static";
const FILES = { kernel: "vmlinuz", busybox: "busybox", description: "description" };

const run = promisify(execFile);

/**
 * The guest in the cache folder, or fetched into it through apt. The machine's own lists and architectures stay as they
 * are: apt is told of a folder and an architecture of this fetch alone.
 *
 * @throws MissingPeer where apt cannot do that
 */
export async function debianI386(cache: string, progress: (message: string) => void): Promise<DebianI386> {
  const final = join(cache, "debian-i386");
  try {
    for (const name of Object.values(FILES)) await access(join(final, name));
  } catch {
    await mkdir(cache, { recursive: true });
    // Prepared beside the final folder and put there by one rename: a broken fetch leaves nothing behind.
    const folder = await mkdtemp(join(cache, "fetching-"));
    try {
      await fetchInto(folder, progress);
      await rm(final, { recursive: true, force: true });
      await rename(folder, final);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  const description = await readFile(join(final, FILES.description), "utf8");
  return { kernel: join(final, FILES.kernel), busybox: join(final, FILES.busybox), description };
}

async function fetchInto(folder: string, progress: (message: string) => void): Promise<void> {
  const work = join(folder, "apt");
  await mkdir(join(work, "lists", "partial"), { recursive: true });
  await mkdir(join(work, "cache", "archives", "partial"), { recursive: true });
  const settings = {
    "APT::Architecture": "i386",
    "APT::Architectures::": "i386",
    "Acquire::Languages": "none",
    "Dir::State::lists": join(work, "lists"),
    "Dir::State::status": "/dev/null",
    "Dir::Cache": join(work, "cache"),
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const apt = async (program: string, ...parameters: string[]): Promise<string> => {
    const { stdout } = await run(program, [...options, ...parameters], {
      cwd: work,
      env: { ...process.env, LC_ALL: "C" },
      maxBuffer: 64 << 20,
    });
    return stdout;
  };
  const show = async (name: string) =>
    [...parsePackagesIndex(await apt("apt-cache", "show", "--no-all-versions", name))][0];
  const fetchFile = async (name: string, pattern: RegExp): Promise<[Uint8Array, string]> => {
    const version = (await show(name)).get("version");
    progress(`Downloading ${name} ${version} for i386 with apt-get ...`);
    await apt("apt-get", "download", "-q", name);
    const deb = (await readdir(work)).find((file) => file.startsWith(`${name}_`))!;
    const [data] = (await readDeb(join(work, deb), (path) => pattern.test(path), 1)).values();
    if (data === undefined) throw new Error(`${deb} holds no file that matches ${pattern}`);
    return [data, `${name} ${version}`];
  };
  try {
    progress("Reading Debian's package index for i386 with apt-get ...");
    // One index that is out of step must not stop the fetch: what is missing then shows below.
    await apt("apt-get", "-q", "update").catch(() => {});
    const kernelPackage = kernelPackageOf(await show(META_PACKAGE));
    if (kernelPackage === undefined) throw new Error(`${META_PACKAGE} names no kernel`);
    const [kernel, kernelName] = await fetchFile(kernelPackage, /^boot\/vmlinuz-/);
    const [busybox, busyboxName] = await fetchFile(BUSYBOX_PACKAGE, /^(usr\/)?bin\/busybox$/);
    await writeFile(join(folder, FILES.kernel), kernel);
    await writeFile(join(folder, FILES.busybox), busybox);
    await writeFile(join(folder, FILES.description), `${kernelName}, ${busyboxName} for i386`);
  } catch (error) {
    const [reason] = (error as Error).message.split("\n");
    throw new MissingPeer(
      `apt could not fetch Debian's i386 kernel for v86 (${reason}): try again, or add --skip-v86.`,
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
