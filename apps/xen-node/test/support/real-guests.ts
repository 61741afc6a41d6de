import { execFileSync } from "node:child_process";
import { access, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { defaultCacheFolder } from "../../src/fetch/cache.ts";
import { readDeb } from "../../src/fetch/deb.ts";
import { cachedDebian, type DebianGuest, fetchDebian } from "../../src/fetch/debian.ts";

const cache = defaultCacheFolder();

/** Why tests with real guests cannot run here, or undefined. CI is never excused. */
export const noRealGuests: string | undefined = (() => {
  if (process.env.CI) return undefined;
  try {
    execFileSync("apt-get", ["--version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "apt-get is not on this machine";
  }
})();

/** The prompt of the ram disk's shell. */
export const PROMPT = /\/root # /;

/** Debian's kernel and ram disk, fetched once for all tests and runs. */
export async function debianGuest(): Promise<DebianGuest> {
  return (await cachedDebian(cache)) ?? (await fetchDebian({ cache, progress: () => {} }));
}

/** Path of Debian's GRUB for 64-bit or 32-bit PV domains. */
export async function grubImage(machine: "x86_64" | "i386" = "x86_64"): Promise<string> {
  const name = `grub-${machine}-xen.bin`;
  const final = join(cache, name);
  const there = await access(final).then(
    () => true,
    () => false,
  );
  if (there) return final;
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, "fetching-"));
  try {
    execFileSync("apt-get", ["download", "-q", "grub-xen-host"], { cwd: folder, stdio: "ignore" });
    const [deb] = await readdir(folder);
    const files = await readDeb(join(folder, deb), (path) => path.endsWith(`/${name}`), 1);
    const [image] = files.values();
    if (image === undefined) throw new Error(`grub-xen-host holds no ${name}`);
    await writeFile(join(folder, "image"), image);
    await rename(join(folder, "image"), final);
    return final;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
