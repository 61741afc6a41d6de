// A read-only disk of a resource on an HTTP server, fetched by ranges as it is read.
import { type BlockDevice, DiskError } from "../block-device.ts";
import { BufferCursor, scatter } from "../buffer-list.ts";
import { checkTransfer, checkWritable, closedError, settleAll } from "../requests.ts";
import { ChunkCache } from "./chunk-cache.ts";
import { fetchRange, type HttpTransport, probeResource, type Resource, ResourceChanged } from "./range-request.ts";

export interface HttpDiskOptions {
  /** Default 256 KiB. */
  chunkBytes?: number;
  /** The most that the cache holds. Default 32 MiB. */
  cacheBytes?: number;
  /** Chunks fetched ahead of a reader that goes on where it stopped. Default 4; 0: none. */
  readAheadChunks?: number;
  /** Requests to the server at the same time. Default 6. */
  connections?: number;
  /** Sent with each request, authorization for example. */
  headers?: Record<string, string>;
  /** Tries for each range. Default 4. */
  attempts?: number;
  /** A try without progress for so long has failed. Default 30 s. */
  stallMs?: number;
  fetch?: typeof fetch;
  sleep?: (milliseconds: number) => Promise<void>;
  random?: () => number;
}

/** Rejects with DiskError if the resource is missing or its server does not serve ranges. */
export async function openHttpDisk(url: string, options: HttpDiskOptions = {}): Promise<BlockDevice> {
  const transport: HttpTransport = {
    fetch: options.fetch ?? fetch,
    sleep: options.sleep ?? ((milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))),
    random: options.random ?? Math.random,
    attempts: options.attempts ?? 4,
    stallMs: options.stallMs ?? 30_000,
    headers: options.headers ?? {},
  };
  const resource = await probeResource(url, transport);
  if (resource.sizeBytes < 512) {
    throw new DiskError("EINVAL", url, `${url} is smaller than one sector of 512 bytes.`);
  }
  return new HttpDisk(url, resource, transport, options);
}

class HttpDisk implements BlockDevice {
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly = true;
  readonly sectorBytes = 512;
  readonly discardGranularityBytes = 0;
  onResize?: (sizeBytes: number) => void;
  readonly #resource: Resource;
  readonly #transport: HttpTransport;
  readonly #chunkBytes: number;
  readonly #cache: ChunkCache;
  readonly #readAhead: number;
  #freeConnections: number;
  readonly #waiting: (() => void)[] = [];
  /** Where the last read ended. */
  #lastEnd = -1;
  #changed: ResourceChanged | undefined;
  #closed = false;

  constructor(url: string, resource: Resource, transport: HttpTransport, options: HttpDiskOptions) {
    this.name = url;
    this.sizeBytes = resource.sizeBytes - (resource.sizeBytes % 512);
    this.#resource = resource;
    this.#transport = transport;
    this.#chunkBytes = options.chunkBytes ?? 256 << 10;
    this.#cache = new ChunkCache(options.cacheBytes ?? 32 << 20, this.#chunkBytes);
    // What is fetched ahead must not push out what is being read.
    this.#readAhead = Math.min(options.readAheadChunks ?? 4, Math.floor(this.#cache.capacity / 2));
    this.#freeConnections = options.connections ?? 6;
  }

  async read(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    const lengthBytes = checkTransfer(this, offset, buffers);
    if (this.#closed) throw closedError(this.name);
    const cursor = new BufferCursor(buffers);
    const end = offset + lengthBytes;
    const jobs: Promise<void>[] = [];
    for (let at = offset; at < end; ) {
      const index = Math.floor(at / this.#chunkBytes);
      const size = Math.min(end, (index + 1) * this.#chunkBytes) - at;
      jobs.push(this.#copyChunk(index, at - index * this.#chunkBytes, cursor.take(size)));
      at += size;
    }
    if (lengthBytes > 0) this.#fetchAhead(offset, end);
    await settleAll(jobs);
  }

  async write(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    checkTransfer(this, offset, buffers);
    checkWritable(this);
  }

  async flush(): Promise<void> {
    if (this.#closed) throw closedError(this.name);
  }

  async discard(): Promise<void> {
    checkWritable(this);
  }

  /** Reads under way go on to their end; what was fetched is forgotten. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cache.clear();
  }

  async #copyChunk(index: number, skip: number, views: readonly Uint8Array[]): Promise<void> {
    const chunk = await this.#chunk(index);
    scatter(chunk.subarray(skip), views);
  }

  #fetchAhead(offset: number, end: number): void {
    const sequential = offset === this.#lastEnd;
    this.#lastEnd = end;
    if (!sequential) return;
    const next = Math.ceil(end / this.#chunkBytes);
    for (let index = next; index < next + this.#readAhead && index * this.#chunkBytes < this.sizeBytes; index++) {
      // A failure is for the reader who comes for the chunk, and who tries again.
      if (!this.#cache.has(index)) this.#chunk(index).catch(() => {});
    }
  }

  #chunk(index: number): Promise<Uint8Array> {
    return this.#cache.get(index, () => this.#load(index));
  }

  async #load(index: number): Promise<Uint8Array> {
    if (this.#freeConnections > 0) this.#freeConnections--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      if (this.#changed) throw this.#changed;
      const offset = index * this.#chunkBytes;
      const size = Math.min(this.#chunkBytes, this.#resource.sizeBytes - offset);
      return await fetchRange(this.name, this.#transport, this.#resource, offset, size);
    } catch (error) {
      if (error instanceof ResourceChanged) this.#changed = error;
      throw error;
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#freeConnections++;
    }
  }
}
