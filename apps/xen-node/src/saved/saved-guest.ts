import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { ByteInput, readSaveFileHeader, type SaveFileHeader, writeSaveFileHeader } from "@xen-node/migration-stream";
import type { DomainConfig, Guest, SuspendedGuest } from "@xen-node/toolstack";
import { fromFolder } from "../control/device-handlers.ts";
import { configJson } from "../daemon/config-json.ts";
import { UserError } from "../user-error.ts";
import { EXTRAS_KEY, type SavedExtras } from "./saved-extras.ts";
import { writeWhole } from "./whole-file.ts";

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
  let suspended: SuspendedGuest | undefined;
  try {
    // The file is opened before the guest is asked: it should not stand still for a folder that is not there.
    const header = await writeWhole(path, async (out) => {
      suspended = await guest.suspend();
      const written = await writeSaveFileHeader(out, savedConfig(guest));
      await suspended.write(out);
      return written;
    });
    if (after === "end") await suspended?.end();
    else suspended?.resume({ paused: after === "pause" });
    return header;
  } catch (error) {
    suspended?.resume();
    throw error;
  }
}

/** A guest's configuration for a save file or a migration: libxl's JSON, with what libxl has no keys for beside it. */
export function savedConfig(guest: Guest, extras: Omit<SavedExtras, "running"> = {}): string {
  const saved: SavedExtras = { ...extras, running: guest.runningState };
  return JSON.stringify({ ...configJson(wherever(guest.currentConfig), guest.uuid), [EXTRAS_KEY]: saved });
}

/** The same configuration for whoever reads it in another folder. */
function wherever(config: DomainConfig): DomainConfig {
  const here = (path: string): string => fromFolder(process.cwd(), path);
  return {
    ...config,
    kernel: here(config.kernel),
    ...(config.ramdisk === undefined ? {} : { ramdisk: here(config.ramdisk) }),
    disks: config.disks.map((disk) => ({ ...disk, target: here(disk.target) })),
  };
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
