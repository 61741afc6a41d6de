// Opens a qcow2 image with its chain of backing files.
import { dirname, resolve } from "node:path";
import { type BlockDevice, DiskError } from "../block-device.ts";
import { ImageFile, type ImageFileOptions } from "../image-file.ts";
import { RequestEpochs } from "../request-epochs.ts";
import { type Qcow2Header, readQcow2Header } from "./header.ts";
import { freeLeakedClusters } from "./leaked-clusters.ts";
import { Qcow2Metadata } from "./metadata.ts";
import { Qcow2Disk } from "./qcow2-disk.ts";

/** Opens, for reading only, the backing file that an image names; `format` is undefined where the image names none. */
export type OpenBacking = (path: string, format: string | undefined) => Promise<BlockDevice>;

export interface Qcow2Options extends ImageFileOptions {
  /** Default true: discard frees clusters, and punches holes where the host can. False: discard is not offered. */
  discard?: boolean;
  /** Default 8 MiB; each 64 KiB of it map 512 MiB of a disk with clusters of 64 KiB. */
  l2CacheBytes?: number;
  /** Default 4 MiB. */
  refcountCacheBytes?: number;
  /** Without it an image that has a backing file is refused. */
  openBacking?: OpenBacking;
}

/** Rejects with DiskError: EINVAL for what is not a usable qcow2 image. */
export async function openQcow2Disk(path: string, options: Qcow2Options = {}): Promise<BlockDevice> {
  const file = await ImageFile.open(path, options);
  let backing: BlockDevice | undefined;
  try {
    const header = await readQcow2Header(file);
    if (!file.readOnly) await prepareForWriting(file, header);
    backing = await openBackingOf(file, header, options.openBacking);
    const wantsDiscard = options.discard !== false && !file.readOnly;
    const epochs = new RequestEpochs();
    const metadata = await Qcow2Metadata.load(file, header, epochs, {
      l2CacheBytes: options.l2CacheBytes ?? 8 << 20,
      refcountCacheBytes: options.refcountCacheBytes ?? 4 << 20,
      punchHoles: wantsDiscard,
    });
    return new Qcow2Disk({ file, header, metadata, epochs, backing, discard: wantsDiscard });
  } catch (error) {
    await file.close();
    await backing?.close();
    throw error;
  }
}

async function prepareForWriting(file: ImageFile, header: Qcow2Header): Promise<void> {
  const { path } = file;
  if (header.corrupt) {
    throw new DiskError(
      "EIO",
      path,
      `${path} is marked as corrupt; it can be read, or repaired by "qemu-img check -r all".`,
    );
  }
  if (header.dirty) {
    throw new DiskError(
      "EIO",
      path,
      `${path} was not closed by the program that wrote it with lazy refcounts; "qemu-img check -r all" makes it writable.`,
    );
  }
  if (header.hasAutoclearBits) {
    // What these bits vouch for (dirty bitmaps, say) is not kept up by us: to clear them is how that is told.
    await file.write(88, [Buffer.alloc(8)]);
    await file.datasync();
  }
  await freeLeakedClusters(file, header);
}

async function openBackingOf(
  file: ImageFile,
  header: Qcow2Header,
  openBacking: OpenBacking | undefined,
): Promise<BlockDevice | undefined> {
  const { backingFile } = header;
  if (backingFile === undefined) return undefined;
  if (!openBacking) {
    throw new DiskError(
      "EACCES",
      file.path,
      `${file.path} has a backing file, ${backingFile}, which may not be opened.`,
    );
  }
  const backing = await openBacking(backingPath(file.path, backingFile), header.backingFormat);
  if (!backing.readOnly) {
    await backing.close();
    throw new DiskError("EINVAL", file.path, `The backing file of ${file.path} was opened for writing.`);
  }
  return backing;
}

/** A relative name is relative to the image's directory. */
function backingPath(imagePath: string, name: string): string {
  if (/^https?:\/\//i.test(name)) return name;
  const plain = name.startsWith("file:") ? name.slice("file:".length) : name;
  if (/^[a-z][a-z0-9+.-]*:/i.test(plain)) {
    throw new DiskError(
      "EINVAL",
      imagePath,
      `${imagePath} has the backing file "${name}"; only files and http URLs are opened.`,
    );
  }
  return resolve(dirname(imagePath), plain);
}
