// Compressed clusters: raw deflate streams at any byte of the file, inflated whole and kept for a while, because guests
// read them in pieces.
import { promisify } from "node:util";
import { inflateRaw } from "node:zlib";
import { DiskError } from "../block-device.ts";
import type { ImageFile } from "../image-file.ts";
import type { CompressedRange } from "./layout.ts";

const inflateRawAsync = promisify<Buffer, { maxOutputLength: number; finishFlush: number }, Buffer>(inflateRaw);
const Z_SYNC_FLUSH = 2;
const KEPT_BYTES = 2 << 20;

export class CompressedClusters {
  readonly #file: ImageFile;
  readonly #clusterBytes: number;
  readonly #kept: number;
  /** By host offset, the longest unused first. */
  readonly #clusters = new Map<number, Promise<Uint8Array>>();

  constructor(file: ImageFile, clusterBytes: number) {
    this.#file = file;
    this.#clusterBytes = clusterBytes;
    this.#kept = Math.max(2, Math.floor(KEPT_BYTES / clusterBytes));
  }

  /** The cluster's bytes; not to be changed. */
  read(range: CompressedRange): Promise<Uint8Array> {
    let cluster = this.#clusters.get(range.offset);
    if (cluster) this.#clusters.delete(range.offset);
    else {
      cluster = this.#inflate(range);
      cluster.catch(() => this.#clusters.delete(range.offset));
    }
    this.#clusters.set(range.offset, cluster);
    const [oldest] = this.#clusters.keys();
    if (this.#clusters.size > this.#kept) this.#clusters.delete(oldest);
    return cluster;
  }

  async #inflate({ offset, lengthBytes }: CompressedRange): Promise<Uint8Array> {
    const { path } = this.#file;
    const stored = Buffer.allocUnsafe(lengthBytes);
    // The length is rounded up to sectors, so it may pass the end of the file.
    const got = await this.#file.read(offset, [stored]);
    let bytes: Buffer;
    try {
      bytes = await inflateRawAsync(stored.subarray(0, got), {
        maxOutputLength: this.#clusterBytes,
        finishFlush: Z_SYNC_FLUSH,
      });
    } catch (cause) {
      throw new DiskError("EIO", path, `${path} is corrupt: the compressed cluster at ${offset} does not unpack.`, {
        cause,
      });
    }
    if (bytes.byteLength !== this.#clusterBytes) {
      throw new DiskError("EIO", path, `${path} is corrupt: the compressed cluster at ${offset} is too short.`);
    }
    return bytes;
  }
}
