// Keeps changed blocks in a sparse file, so that they survive a restart.
//
// The file, little-endian: a header of 4 KiB (magic, u32 block bytes, u64 disk bytes, u64 offset of the states, u64
// offset of the data), two bits of state for each block, and from a multiple of 64 KiB the data, each block at its own
// offset of the disk. A flush makes the data durable before the states that name it.
import { open, unlink } from "node:fs/promises";
import { DiskError } from "../block-device.ts";
import { GroupCommit } from "../group-commit.ts";
import { hostError } from "../host-errors.ts";
import { ImageFile, type ImageFileOptions } from "../image-file.ts";
import { BlockStates } from "./block-states.ts";
import type { OverlayStore } from "./overlay-store.ts";

const MAGIC = "XNDISKOVERLAY\0\0\x01";
const HEADER_BYTES = 4096;
const FIELDS = { blockBytes: 16, sizeBytes: 24, statesOffset: 32, dataOffset: 40 } as const;

export interface FileStoreOptions extends Omit<ImageFileOptions, "readOnly"> {
  blockBytes: number;
}

/** Opens the overlay file, or makes it if there is none. EINVAL if it belongs to a disk of another shape. */
export async function openFileStore(
  path: string,
  sizeBytes: number,
  { blockBytes, ...options }: FileStoreOptions,
): Promise<OverlayStore> {
  const stateBytes = BlockStates.bytesFor(Math.ceil(sizeBytes / blockBytes));
  const statesOffset = HEADER_BYTES;
  const dataOffset = Math.ceil((statesOffset + stateBytes) / 65536) * 65536;
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, 0, "latin1");
  header.writeUInt32LE(blockBytes, FIELDS.blockBytes);
  header.writeBigUInt64LE(BigInt(sizeBytes), FIELDS.sizeBytes);
  header.writeBigUInt64LE(BigInt(statesOffset), FIELDS.statesOffset);
  header.writeBigUInt64LE(BigInt(dataOffset), FIELDS.dataOffset);
  await createIfMissing(path, header, dataOffset + sizeBytes);

  const file = await ImageFile.open(path, options);
  try {
    const found = Buffer.alloc(HEADER_BYTES);
    await file.read(0, [found]);
    if (!found.subarray(0, MAGIC.length).equals(header.subarray(0, MAGIC.length))) {
      throw new DiskError("EINVAL", path, `${path} is not an overlay file.`);
    }
    if (!found.equals(header)) {
      const size = found.readBigUInt64LE(FIELDS.sizeBytes);
      const blocks = found.readUInt32LE(FIELDS.blockBytes);
      throw new DiskError(
        "EINVAL",
        path,
        `${path} is an overlay for a disk of ${size} bytes in blocks of ${blocks}, not of ${sizeBytes} in blocks of ${blockBytes}.`,
      );
    }
    const states = new BlockStates(new Uint8Array(stateBytes));
    await file.readFully(statesOffset, [states.bytes], stateBytes);
    const commits = new GroupCommit(async () => {
      const pages = states.takeDirty();
      try {
        await file.datasync();
        if (pages.length === 0) return;
        for (const page of pages) await file.write(statesOffset + page.offset, [page.bytes]);
        await file.datasync();
      } catch (error) {
        states.putBackDirty(pages);
        throw error;
      }
    });
    return {
      name: path,
      states,
      read: (offset, buffers, lengthBytes) => file.readFully(dataOffset + offset, buffers, lengthBytes),
      write: (offset, buffers) => file.write(dataOffset + offset, buffers),
      async drop(offset, lengthBytes) {
        if (await file.startPunching()) await file.punchHole(dataOffset + offset, lengthBytes);
      },
      flush: () => commits.flush(),
      async close() {
        await commits.flush().finally(() => file.close());
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function createIfMissing(path: string, header: Buffer, fileBytes: number): Promise<void> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, "wx");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return;
    throw hostError(error, path, "create");
  }
  try {
    await file.truncate(fileBytes);
    await file.write(header, 0, header.byteLength, 0);
    await file.sync();
  } catch (error) {
    await unlink(path).catch(() => {});
    throw hostError(error, path, "create");
  } finally {
    await file.close();
  }
}
