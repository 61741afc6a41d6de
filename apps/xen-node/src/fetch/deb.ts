import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { createTarDecoder, type ParsedTarEntry, type TarHeader } from "modern-tar";
import * as xz from "xz-decompress";
import { UserError } from "../user-error.ts";

const { XzReadableStream } = "default" in xz ? (xz.default as typeof xz) : xz;

/** An entry of a package's archive of files, or of that of its control files. */
export interface DebEntry {
  /** Path without leading "./" or "/" and without a slash at its end; empty for the root itself. */
  name: string;
  header: TarHeader;
  /** The contents. They can be read until the next entry is asked for. */
  read(): Promise<Uint8Array>;
}

/**
 * The entries of a Debian package (deb(5)), an ar archive whose members are tar archives: "data.tar" holds the files,
 * "control.tar" what dpkg knows of them. Whoever stops early does not wait for the rest to be unpacked.
 *
 * @throws UserError, one sentence, if the file is no package or is damaged.
 */
export async function* debEntries(path: string, member: "data.tar" | "control.tar"): AsyncGenerator<DebEntry> {
  const { name, offset, size } = await findMember(path, member);
  const bytes = createReadStream(path, { start: offset, end: offset + size - 1 });
  try {
    const tar = decompress(name, bytes, path).pipeThrough(createTarDecoder());
    // Web streams are async iterable in Node, which the DOM-free type of ReadableStream does not say.
    for await (const { header, body } of tar as unknown as AsyncIterable<ParsedTarEntry>) {
      let taken = false;
      yield {
        name: header.name
          .replace(/^\.?\/+/, "")
          .replace(/\/+$/, "")
          .replace(/^\.$/, ""),
        header,
        read: async () => {
          taken = true;
          try {
            return new Uint8Array(await new Response(body).arrayBuffer());
          } catch (error) {
            throw damaged(path, error);
          }
        },
      };
      if (!taken) await skip(body);
    }
  } catch (error) {
    throw damaged(path, error);
  } finally {
    bytes.destroy();
  }
}

/**
 * Reads a body to its end. Cancelling it would be less work, but modern-tar 0.8.6 then gives up whichever entry it is at,
 * and that may already be the next one, whose body would never end.
 */
async function skip(body: ReadableStream<Uint8Array>): Promise<void> {
  const reader = body.getReader();
  while (!(await reader.read()).done);
}

function damaged(path: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  return new UserError(`${path} could not be unpacked (${(error as Error).message}): remove it and fetch again.`);
}

/**
 * Reads files out of a Debian package. Reading stops as soon as every wanted file is found: a kernel's /boot stands before
 * its 400 MB of modules.
 *
 * @param wanted tells of each path (without leading "./" or "/") whether to read it.
 * @param enough how many files to read before stopping.
 */
export async function readDeb(
  path: string,
  wanted: (name: string) => boolean,
  enough = Number.POSITIVE_INFINITY,
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for await (const entry of debEntries(path, "data.tar")) {
    if (entry.header.type !== "file" || !wanted(entry.name)) continue;
    files.set(entry.name, await entry.read());
    if (files.size === enough) break;
  }
  return files;
}

function decompress(name: string, bytes: Readable, path: string): ReadableStream<Uint8Array> {
  const web = (stream: Readable) => Readable.toWeb(stream) as unknown as ReadableStream<Uint8Array>;
  if (name.endsWith(".tar.xz")) return new XzReadableStream(web(bytes)) as ReadableStream<Uint8Array>;
  if (name.endsWith(".tar.gz")) return web(bytes.pipe(createGunzip()));
  if (name.endsWith(".tar")) return web(bytes);
  throw new UserError(`${path} holds ${name}, and only xz and gzip can be read: use Debian's own packages.`);
}

async function findMember(path: string, prefix: string): Promise<{ name: string; offset: number; size: number }> {
  const file = await open(path, "r");
  try {
    const header = Buffer.alloc(60);
    const { bytesRead } = await file.read(header, 0, 8, 0);
    if (bytesRead === 8 && header.toString("latin1", 0, 8) === "!<arch>\n") {
      for (let at = 8; (await file.read(header, 0, 60, at)).bytesRead === 60; ) {
        const name = header.toString("latin1", 0, 16).trim().replace(/\/$/, "");
        const size = Number(header.toString("latin1", 48, 58).trim());
        if (!Number.isInteger(size) || size < 0) break;
        if (name.startsWith(prefix)) return { name, offset: at + 60, size };
        at += 60 + size + (size & 1);
      }
    }
    throw new UserError(`${path} is not a Debian package: remove it and fetch again.`);
  } finally {
    await file.close();
  }
}
