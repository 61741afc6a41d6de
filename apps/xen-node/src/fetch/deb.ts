import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { createTarDecoder, type ParsedTarEntry } from "modern-tar";
import * as xz from "xz-decompress";
import { UserError } from "../user-error.ts";

const { XzReadableStream } = "default" in xz ? (xz.default as typeof xz) : xz;

/**
 * Reads files out of a Debian package: an ar archive whose member data.tar.* holds the file system (deb(5)). Reading stops
 * as soon as every wanted file is found: a kernel's /boot stands before its 400 MB of modules.
 *
 * @param wanted tells of each path (without leading "./" or "/") whether to read it.
 * @param enough how many files to read before stopping.
 */
export async function readDeb(
  path: string,
  wanted: (name: string) => boolean,
  enough: number,
): Promise<Map<string, Uint8Array>> {
  const member = await findDataMember(path);
  const bytes = createReadStream(path, { start: member.offset, end: member.offset + member.size - 1 });
  const files = new Map<string, Uint8Array>();
  try {
    const tar = decompress(member.name, bytes, path).pipeThrough(createTarDecoder());
    // Web streams are async iterable in Node, which the DOM-free type of ReadableStream does not say.
    for await (const entry of tar as unknown as AsyncIterable<ParsedTarEntry>) {
      const name = entry.header.name.replace(/^\.?\//, "");
      if (entry.header.type === "file" && wanted(name)) {
        files.set(name, new Uint8Array(await new Response(entry.body).arrayBuffer()));
        if (files.size === enough) break;
      } else {
        await entry.body.cancel();
      }
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${path} could not be unpacked (${(error as Error).message}): remove it and fetch again.`);
  } finally {
    bytes.destroy();
  }
  return files;
}

function decompress(name: string, bytes: Readable, path: string): ReadableStream<Uint8Array> {
  const web = (stream: Readable) => Readable.toWeb(stream) as unknown as ReadableStream<Uint8Array>;
  if (name === "data.tar.xz") return new XzReadableStream(web(bytes)) as ReadableStream<Uint8Array>;
  if (name === "data.tar.gz") return web(bytes.pipe(createGunzip()));
  if (name === "data.tar") return web(bytes);
  throw new UserError(`${path} holds ${name}, and only xz and gzip can be read: use Debian's own packages.`);
}

async function findDataMember(path: string): Promise<{ name: string; offset: number; size: number }> {
  const { open } = await import("node:fs/promises");
  const file = await open(path, "r");
  try {
    const header = Buffer.alloc(60);
    const { bytesRead } = await file.read(header, 0, 8, 0);
    if (bytesRead === 8 && header.toString("latin1", 0, 8) === "!<arch>\n") {
      for (let at = 8; (await file.read(header, 0, 60, at)).bytesRead === 60; ) {
        const name = header.toString("latin1", 0, 16).trim().replace(/\/$/, "");
        const size = Number(header.toString("latin1", 48, 58).trim());
        if (!Number.isInteger(size)) break;
        if (name.startsWith("data.tar")) return { name, offset: at + 60, size };
        at += 60 + size + (size & 1);
      }
    }
    throw new UserError(`${path} is not a Debian package: remove it and fetch again.`);
  } finally {
    await file.close();
  }
}
