import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { ByteOutput } from "@xen-node/migration-stream";
import { UserError } from "../user-error.ts";

/**
 * Writes a file that appears under its name when all of it is on the disk; until then it is called PATH.part.
 *
 * @param fill writes what is in it; if it throws, there is no file
 * @throws UserError, one sentence, if the file cannot be written; what `fill` throws
 */
export async function writeWhole<T>(path: string, fill: (out: ByteOutput) => Promise<T>): Promise<T> {
  const part = `${path}.part`;
  const file = await open(part, "w", 0o600).catch((error: Error) => {
    throw new UserError(`${path} cannot be written: ${error.message}.`);
  });
  try {
    const result = await fill({ write: (bytes) => writeAll(file, bytes) });
    await file.sync();
    await rename(part, path);
    await syncFolder(dirname(path));
    return result;
  } catch (error) {
    throw isSystemError(error) ? new UserError(`${path} cannot be written: ${error.message}.`) : error;
  } finally {
    await file.close();
    await rm(part, { force: true });
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
}

/** A full disk and the like. */
const isSystemError = (error: unknown): error is Error =>
  error instanceof Error && /^E[A-Z]+$/.test(String((error as NodeJS.ErrnoException).code));

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  await handle.sync().finally(() => handle.close());
}
