import { access, mkdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { createQcow2, openRawDisk } from "@xen-node/virtual-disk";
import { UserError } from "../user-error.ts";

/**
 * The disk that a guest of that name writes to: a copy-on-write image over `image` in the cache folder, made if there is
 * none. It belongs to that image: over another one lies another.
 */
export async function ensureOverlay(cache: string, name: string, image: string): Promise<string> {
  const folder = join(cache, "disks");
  const overlay = join(folder, `${name}-${basename(image, ".img")}.qcow2`);
  const there = await access(overlay).then(
    () => true,
    () => false,
  );
  if (there) return overlay;
  try {
    await mkdir(folder, { recursive: true });
    const backing = await openRawDisk(image, { readOnly: true });
    const { sizeBytes } = backing;
    await backing.close();
    const fresh = `${overlay}.${process.pid}`;
    await rm(fresh, { force: true });
    await createQcow2(fresh, sizeBytes, { backing: image, backingFormat: "raw" });
    await rename(fresh, overlay);
  } catch (error) {
    throw new UserError(`the disk ${overlay} cannot be made: ${(error as Error).message.replace(/\.?$/, "")}.`);
  }
  return overlay;
}
