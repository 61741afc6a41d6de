import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  asByteSource,
  type ByteSource,
  crc32,
  openByteSource,
  readElf,
  type UnpackedKernels,
} from "@xen-node/guest-images";

/** How many kernels are kept: those used last. */
const MOST_KERNELS = 8;

/** What is still unfinished after this time has been left by a process that died. */
const ABANDONED_MS = 60 * 60 * 1000;

const PAGE_BYTES = 4096;
const EMPTY_PAGE = Buffer.alloc(PAGE_BYTES);

/** `SHA-256 of the packed file`-`CRC-32 of the ELF file that this is` */
const KERNEL_NAME = /^[0-9a-f]{64}-[0-9a-f]{8}$/;
const UNFINISHED_NAME = /^unfinished-/;

/**
 * Unpacked kernels in a folder, so that the next start need not unpack them again. Kernels are never changed, only put
 * there whole and removed, so any number of processes may use the folder. Whatever is wrong with it, the kernel is
 * unpacked as if it were not there.
 */
export class KernelCache implements UnpackedKernels {
  constructor(private readonly folder: string) {}

  async get(packed: ByteSource, unpack: () => Promise<Uint8Array>): Promise<ByteSource> {
    const key = digestOf(packed);
    const kept = await this.find(key);
    if (kept !== undefined) return kept;
    const unpacked = await unpack();
    // Read back, it takes no memory while the guest runs.
    return (await this.keep(key, unpacked)) ?? asByteSource(unpacked);
  }

  private async find(key: string): Promise<ByteSource | undefined> {
    for (const name of await this.names()) {
      if (!KERNEL_NAME.test(name) || !name.startsWith(key)) continue;
      const path = join(this.folder, name);
      const kernel = await openSound(path);
      if (kernel !== undefined) {
        // The time of access says which kernels were used last. That it cannot be set changes nothing for this start.
        await stat(path)
          .then(({ mtime }) => utimes(path, new Date(), mtime))
          .catch(() => {});
        return kernel;
      }
      await rm(path, { force: true }).catch(() => {});
    }
    return undefined;
  }

  /** Puts a kernel into the folder, whole or not at all. Undefined if it cannot be kept. */
  private async keep(key: string, elf: Uint8Array): Promise<ByteSource | undefined> {
    const unfinished = join(this.folder, `unfinished-${randomBytes(8).toString("hex")}`);
    try {
      await makeFolder(this.folder);
      await writeSparse(unfinished, elf);
      const path = join(this.folder, `${key}-${hex(crc32(elf))}`);
      await rename(unfinished, path);
      await this.removeOld();
      return await openSound(path);
    } catch {
      await rm(unfinished, { force: true }).catch(() => {});
      return undefined;
    }
  }

  private async removeOld(): Promise<void> {
    const files = await Promise.all(
      (await this.names()).map(async (name) => {
        const path = join(this.folder, name);
        // Another process may have been faster to remove it.
        const used = await stat(path).then(
          ({ atimeMs }) => atimeMs,
          () => 0,
        );
        return { name, path, used };
      }),
    );
    const kernels = files.filter(({ name }) => KERNEL_NAME.test(name)).sort((a, b) => b.used - a.used);
    const abandoned = files.filter(({ name, used }) => UNFINISHED_NAME.test(name) && used < Date.now() - ABANDONED_MS);
    for (const { path } of [...kernels.slice(MOST_KERNELS), ...abandoned]) {
      await rm(path, { force: true }).catch(() => {});
    }
  }

  private names(): Promise<string[]> {
    return readdir(this.folder).catch(() => []);
  }
}

/** As mkdir's own option `recursive`, which never comes to an end in /proc and other places that have no new folders. */
async function makeFolder(path: string): Promise<void> {
  const failed = await mkdir(path).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error,
  );
  if (failed === undefined || failed.code === "EEXIST") return;
  if (failed.code !== "ENOENT" || dirname(path) === path) throw failed;
  await makeFolder(dirname(path));
  await mkdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

const hex = (crc: number): string => crc.toString(16).padStart(8, "0");

function digestOf(source: ByteSource): string {
  const hash = createHash("sha256");
  for (const piece of source.pieces(0, source.size)) hash.update(piece);
  return hash.digest("hex");
}

/** A kept kernel, unless it cannot be read or is not what was once put there. */
async function openSound(path: string): Promise<ByteSource | undefined> {
  try {
    const source = await openByteSource(path);
    let crc = 0;
    for (const piece of source.pieces(0, source.size)) crc = crc32(piece, crc);
    if (!path.endsWith(`-${hex(crc)}`)) return undefined;
    readElf(source);
    return source;
  } catch {
    return undefined;
  }
}

/** Writes a file in which runs of zeros, of which a kernel has as many as of other bytes, take no room on the disk. */
async function writeSparse(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.truncate(bytes.length);
    for (let start = 0; start < bytes.length; ) {
      const empty = isEmptyPage(bytes, start);
      let end = start + PAGE_BYTES;
      while (end < bytes.length && isEmptyPage(bytes, end) === empty) end += PAGE_BYTES;
      const run = bytes.subarray(start, end);
      if (!empty && (await file.write(run, 0, run.length, start)).bytesWritten < run.length)
        throw new Error("the disk is full");
      start = end;
    }
  } finally {
    await file.close();
  }
}

function isEmptyPage(bytes: Uint8Array, at: number): boolean {
  const page = bytes.subarray(at, at + PAGE_BYTES);
  return Buffer.compare(page, EMPTY_PAGE.subarray(0, page.length)) === 0;
}
