import { readFile } from "node:fs/promises";
import { ImageError, type KernelImage, readKernelImage } from "@xen-node/guest-images";
import { ConfigError } from "../config/config-error.ts";
import type { DomainConfig } from "../config/domain-config.ts";
import { checkLinuxInitrd } from "./initrd-check.ts";

/** The files that a configuration names, read and checked. */
export interface GuestFiles {
  kernel: KernelImage;
  ramdisk: Uint8Array | undefined;
}

/**
 * Reads a guest's kernel and ram disk.
 *
 * @throws ConfigError, one sentence that names the file, for one that is missing, truncated, damaged, not for Xen PV or
 * for another processor.
 */
export async function readGuestFiles(config: Pick<DomainConfig, "kernel" | "ramdisk">): Promise<GuestFiles> {
  const kernel = await readKernel(config.kernel);
  const ramdisk = config.ramdisk === undefined ? undefined : await readUserFile(config.ramdisk, "ramdisk");
  if (ramdisk !== undefined && kernel.notes.guestOs === "linux")
    await checkLinuxInitrd(ramdisk, config.ramdisk as string);
  return { kernel, ramdisk };
}

async function readKernel(path: string): Promise<KernelImage> {
  const bytes = await readUserFile(path, "kernel");
  try {
    return await readKernelImage(bytes);
  } catch (error) {
    if (error instanceof ImageError) throw new ConfigError(`${path}: ${error.message.replace(/\.?$/, "")}.`);
    throw error;
  }
}

async function readUserFile(path: string, what: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === "ENOENT"
        ? "there is no such file"
        : code === "EISDIR"
          ? "it is a folder"
          : code === "EACCES"
            ? "you may not read it"
            : (error as Error).message;
    throw new ConfigError(`the ${what} ${path} cannot be read: ${reason}.`);
  }
}
