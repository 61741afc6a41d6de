import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { ByteInput, readSaveFileHeader, type SaveFileHeader, writeSaveFileHeader } from "@xen-node/migration-stream";
import type { Guest } from "@xen-node/toolstack";
import { configJson } from "../daemon/config-json.ts";
import { UserError } from "../user-error.ts";

/** What becomes of a guest when it has been saved. */
export type AfterSave = "end" | "continue" | "pause";

const CHUNK_BYTES = 2 ** 20;

/**
 * Saves a guest into a file, as xl does, which appears under its name when all of it is on the disk. If that fails, the
 * guest goes on.
 *
 * @throws UserError, ConfigError or DomainImageError, one sentence
 */
export async function saveGuest(guest: Guest, path: string, after: AfterSave): Promise<SaveFileHeader> {
  const part = `${path}.part`;
  // Before the guest is asked: it should not stand still for a folder that is not there.
  const file = await open(part, "w", 0o600).catch((error: Error) => {
    throw new UserError(`${path} cannot be written: ${error.message}.`);
  });
  try {
    const suspended = await guest.suspend();
    try {
      const config = JSON.stringify(configJson(guest.currentConfig, guest.uuid));
      const out = { write: (bytes: Uint8Array) => writeAll(file, bytes) };
      const header = await writeSaveFileHeader(out, config);
      await suspended.write(out);
      await file.sync();
      await rename(part, path);
      if (after === "end") await suspended.end();
      else suspended.resume({ paused: after === "pause" });
      await syncFolder(dirname(path));
      return header;
    } catch (error) {
      suspended.resume();
      throw asUserError(error, path);
    }
  } finally {
    await file.close();
    await rm(part, { force: true });
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  await handle.sync().finally(() => handle.close());
}

/** A full disk and the like; every other error as it is. */
function asUserError(error: unknown, path: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  return code !== undefined && /^E[A-Z]+$/.test(code) ? new UserError(`${path} cannot be written: ${message}.`) : error;
}

/** A save file whose header is read; behind it `input` gives libxl's stream. */
export interface OpenSaveFile {
  readonly header: SaveFileHeader;
  readonly input: ByteInput;
  close(): Promise<void>;
}

/** @throws UserError or StreamError, one sentence */
export async function openSaveFile(path: string): Promise<OpenSaveFile> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw new UserError(
      `${path} cannot be read: ${error.code === "ENOENT" ? "there is no such file" : error.message}.`,
    );
  });
  const stream = createReadStream(path, { fd: file, highWaterMark: CHUNK_BYTES });
  const input = new ByteInput(stream);
  const close = async (): Promise<void> => void stream.destroy();
  try {
    return { header: await readSaveFileHeader(input), input, close };
  } catch (error) {
    await close();
    throw error;
  }
}
