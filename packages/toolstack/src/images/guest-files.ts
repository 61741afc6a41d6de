import { readFile } from "node:fs/promises";
import {
  type ByteSource,
  ImageError,
  type KernelImage,
  type KernelReadOptions,
  openByteSource,
  readKernelImage,
} from "@xen-node/guest-images";
import type { GuestProgramClass } from "@xen-node/guest-runtime";
import { ConfigError } from "../config/config-error.ts";
import type { DomainConfig } from "../config/domain-config.ts";
import { type BlockDevice, openGuestDisks } from "./guest-disks.ts";
import { checkLinuxInitrd } from "./initrd-check.ts";

/** The files that a configuration names, read and checked. */
export interface GuestFiles {
  kernel: KernelImage;
  ramdisk: Uint8Array | undefined;
  /** The images of the configuration's disks, open; the guest closes them when it has ended. */
  disks: (BlockDevice | undefined)[];
}

/** What a guest written in TypeScript is made from. */
export interface GuestPrograms {
  program: GuestProgramClass;
  disks: (BlockDevice | undefined)[];
}

/** A kernel and its files, or a program. */
export type GuestSource = GuestFiles | GuestPrograms;

/** How guests' files are read. */
export type GuestFileOptions = KernelReadOptions;

/**
 * Reads a guest's kernel and ram disk and opens its disks. The bytes of a kernel that is an ELF file, or was kept as one, are read from it
 * when a domain is built.
 *
 * @throws ConfigError, one sentence that names the file, for one that is missing, truncated, damaged, not for that
 * type of guest or for another processor.
 */
export async function readGuestFiles(
  config: Pick<DomainConfig, "kernel" | "ramdisk"> & Partial<Pick<DomainConfig, "type" | "disks">>,
  options: GuestFileOptions = {},
): Promise<GuestFiles> {
  const kernel = await readKernel(config.kernel, { guestType: config.type, ...options });
  const ramdisk = config.ramdisk === undefined ? undefined : await readUserFile(config.ramdisk, "ramdisk");
  if (ramdisk !== undefined && kernel.notes.guestOs === "linux")
    await checkLinuxInitrd(ramdisk, config.ramdisk as string);
  return { kernel, ramdisk, disks: await openGuestDisks(config.disks ?? []) };
}

async function readKernel(path: string, options: GuestFileOptions): Promise<KernelImage> {
  const source: ByteSource = await openByteSource(path).catch((error: unknown) => {
    throw unreadable("kernel", path, error);
  });
  try {
    return await readKernelImage(source, options);
  } catch (error) {
    throw namedImageError(path, error);
  }
}

/** What is wrong with a kernel's image as the user's error, which names the file; every other error as it is. */
export function namedImageError(path: string, error: unknown): unknown {
  return error instanceof ImageError ? new ConfigError(`${path}: ${error.message.replace(/\.?$/, "")}.`) : error;
}

async function readUserFile(path: string, what: string): Promise<Uint8Array> {
  return await readFile(path).catch((error: unknown) => {
    throw unreadable(what, path, error);
  });
}

function unreadable(what: string, path: string, error: unknown): ConfigError {
  const { code } = error as NodeJS.ErrnoException;
  const reason =
    code === "ENOENT"
      ? "there is no such file"
      : code === "EISDIR"
        ? "it is a folder"
        : code === "EACCES"
          ? "you may not read it"
          : (error as Error).message;
  return new ConfigError(`the ${what} ${path} cannot be read: ${reason}.`);
}
