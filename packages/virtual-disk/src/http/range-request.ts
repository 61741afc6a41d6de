// One range of a resource by HTTP (RFC 9110, 14): asked for, checked, and asked for again where that may help.
import { DiskError } from "../block-device.ts";

export interface HttpTransport {
  fetch: typeof fetch;
  /** Waits between tries. */
  sleep: (milliseconds: number) => Promise<void>;
  /** A number in [0, 1): spreads the waits of several clients. */
  random: () => number;
  /** Tries in all. */
  attempts: number;
  /** A try without progress for so long has failed. */
  stallMs: number;
  headers: Record<string, string>;
}

/** What must be the same in every response; otherwise the resource has changed. */
export interface Resource {
  sizeBytes: number;
  etag: string | undefined;
  lastModified: string | undefined;
}

const FIRST_WAIT_MS = 250;

/** For good: parts of two versions make no disk. */
export class ResourceChanged extends DiskError {}

/** Worth another try: the network, an overloaded server, a body that was cut off. */
class Transient extends Error {}

/** Asks for the first byte, to learn the resource's size and validators. */
export async function probeResource(url: string, transport: HttpTransport): Promise<Resource> {
  return retried(url, transport, async () => {
    const { resource } = await requestRange(url, transport, 0, 1);
    return resource;
  });
}

/** The bytes of a range that lies inside the resource. Rejects with EIO, at once if the resource has changed. */
export async function fetchRange(
  url: string,
  transport: HttpTransport,
  known: Resource,
  offset: number,
  lengthBytes: number,
): Promise<Uint8Array> {
  return retried(url, transport, async () => {
    const { resource, bytes } = await requestRange(url, transport, offset, lengthBytes);
    const sameVersion =
      known.etag !== undefined ? resource.etag === known.etag : resource.lastModified === known.lastModified;
    if (resource.sizeBytes !== known.sizeBytes || !sameVersion) {
      throw new ResourceChanged("EIO", url, `${url} has changed on the server since it was opened.`);
    }
    return bytes;
  });
}

async function retried<T>(url: string, transport: HttpTransport, operation: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await operation();
    } catch (error) {
      if (error instanceof DiskError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      if (!(error instanceof Transient) || attempt >= transport.attempts) {
        throw new DiskError("EIO", url, `Could not read ${url}: ${reason} (tried ${attempt} times).`, { cause: error });
      }
    }
    await transport.sleep(FIRST_WAIT_MS * 2 ** (attempt - 1) * (0.5 + transport.random()));
  }
}

async function requestRange(
  url: string,
  transport: HttpTransport,
  offset: number,
  lengthBytes: number,
): Promise<{ resource: Resource; bytes: Uint8Array }> {
  const abort = new AbortController();
  let stalled: NodeJS.Timeout | undefined;
  const progress = (): void => {
    clearTimeout(stalled);
    stalled = setTimeout(() => abort.abort(new Error("the server stopped sending")), transport.stallMs);
  };
  try {
    progress();
    const range = `bytes=${offset}-${offset + lengthBytes - 1}`;
    const response = await transport
      .fetch(url, {
        headers: { ...transport.headers, range, "accept-encoding": "identity" },
        signal: abort.signal,
      })
      .catch((error) => {
        throw new Transient(networkReason(error));
      });
    const resource = checkResponse(url, response, offset, lengthBytes);
    const bytes = await readBody(url, response, lengthBytes, progress);
    return { resource, bytes };
  } finally {
    clearTimeout(stalled);
    // Ends the connection of a response whose body nobody reads.
    abort.abort();
  }
}

function checkResponse(url: string, response: Response, offset: number, lengthBytes: number): Resource {
  const { status, headers } = response;
  if (status === 408 || status === 429 || status >= 500) throw new Transient(`the server answered ${status}`);
  if (status === 404 || status === 410) throw new DiskError("ENOENT", url, `${url} does not exist (${status}).`);
  if (status === 401 || status === 403)
    throw new DiskError("EACCES", url, `The server refuses access to ${url} (${status}).`);
  if (status === 416) throw new DiskError("EIO", url, `${url} has no byte ${offset}: it is empty or has changed.`);
  if (status === 200) {
    throw new DiskError("EIO", url, `The server of ${url} ignores ranges, so it cannot be used as a disk.`);
  }
  if (status !== 206) throw new DiskError("EIO", url, `The server answered ${status} for ${url}, not 206.`);
  const encoding = headers.get("content-encoding");
  if (encoding && encoding !== "identity") {
    throw new DiskError(
      "EIO",
      url,
      `The server of ${url} encodes ranges by ${encoding}, though identity was asked for.`,
    );
  }
  const contentRange = headers.get("content-range") ?? "";
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange);
  if (!match || Number(match[1]) !== offset || Number(match[2]) !== offset + lengthBytes - 1) {
    throw new DiskError(
      "EIO",
      url,
      `The server of ${url} was asked for bytes ${offset}-${offset + lengthBytes - 1} and answered "${contentRange}".`,
    );
  }
  return {
    sizeBytes: Number(match[3]),
    etag: headers.get("etag") ?? undefined,
    lastModified: headers.get("last-modified") ?? undefined,
  };
}

async function readBody(
  url: string,
  response: Response,
  lengthBytes: number,
  progress: () => void,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(lengthBytes);
  let at = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const part = await reader?.read().catch((error) => {
      throw new Transient(networkReason(error));
    });
    if (!part || part.done) break;
    progress();
    if (at + part.value.byteLength > lengthBytes) {
      throw new DiskError("EIO", url, `The server of ${url} sent more than the ${lengthBytes} bytes of the range.`);
    }
    bytes.set(part.value, at);
    at += part.value.byteLength;
  }
  if (at < lengthBytes) throw new Transient(`the server sent ${at} of ${lengthBytes} bytes`);
  return bytes;
}

function networkReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message ? error.cause.message : error.message;
}
