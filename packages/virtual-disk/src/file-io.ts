// Positioned vectored file I/O that goes on after short transfers. The callback interface of node:fs costs less than
// FileHandle's, and these functions carry all the bulk data of the package.
import { fdatasync, ftruncate, read, readSync, readv, readvSync, write, writev } from "node:fs";
import { promisify } from "node:util";
import { dropBytes, listBytes } from "./buffer-list.ts";

/** IOV_MAX of Linux, the BSDs and macOS: the longest list that one call takes. */
const IOV_MAX = 1024;

/** Reads until the buffers are full or the file ends; resolves to the bytes read. Rejects with the host's error. */
export function readAt(fd: number, position: number, buffers: readonly Uint8Array[]): Promise<number> {
  return transfer(position, buffers, (list, at, done) => {
    if (list.length === 1) read(fd, list[0], 0, list[0].byteLength, at, done);
    else readv(fd, list, at, done);
  });
}

/** Writes all bytes. Rejects with the host's error. */
export async function writeAt(fd: number, position: number, buffers: readonly Uint8Array[]): Promise<void> {
  const bytes = await transfer(position, buffers, (list, at, done) => {
    if (list.length === 1) write(fd, list[0], 0, list[0].byteLength, at, done);
    else writev(fd, list, at, done);
  });
  if (bytes !== listBytes(buffers)) throw Object.assign(new Error("a write made no progress"), { code: "EIO" });
}

/** One call of the host that this thread waits for; gives the bytes read, which may be fewer. @throws the host's error */
export function readAtOnce(fd: number, position: number, buffers: readonly Uint8Array[]): number {
  if (buffers.length > IOV_MAX) return 0;
  return buffers.length === 1 ? readSync(fd, buffers[0], { position }) : readvSync(fd, buffers, position);
}

/** fdatasync(2): all writes that have resolved are on stable storage when this resolves. */
export const syncData: (fd: number) => Promise<void> = promisify(fdatasync);

/** ftruncate(2). */
export const setLength: (fd: number, bytes: number) => Promise<void> = promisify(ftruncate);

type Call = (
  list: readonly Uint8Array[],
  at: number,
  done: (error: NodeJS.ErrnoException | null, bytes: number) => void,
) => void;

/** Repeats the call until all is done or it moves nothing. */
function transfer(position: number, buffers: readonly Uint8Array[], call: Call): Promise<number> {
  return new Promise((resolve, reject) => {
    let rest = buffers;
    let left = listBytes(buffers);
    let at = position;
    const step = (error: NodeJS.ErrnoException | null, bytes: number): void => {
      at += bytes;
      left -= bytes;
      if (error) reject(error);
      else if (left === 0 || bytes === 0) resolve(at - position);
      else {
        rest = dropBytes(rest, bytes);
        start();
      }
    };
    const start = (): void => call(rest.length > IOV_MAX ? rest.slice(0, IOV_MAX) : rest, at, step);
    if (left === 0) resolve(0);
    else start();
  });
}
