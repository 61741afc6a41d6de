import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { type HttpDiskOptions, openHttpDisk } from "../src/http/http-disk.ts";
import { pattern } from "./array-model.ts";

const SIZE = 2 ** 20 + 300;
const CONTENTS = pattern(0, SIZE, 1);

type Handler = (request: IncomingMessage, response: ServerResponse, range: [number, number]) => void;

/** Serves with the handler; resolves to the URL. */
async function serve(handler: Handler): Promise<string> {
  const server = createServer((request, response) => {
    const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    handler(request, response, match ? [Number(match[1]), Number(match[2])] : [0, SIZE - 1]);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/disk.img`;
}

/** The honest answer, with headers changed or added. */
function answer(response: ServerResponse, [from, to]: [number, number], headers: Record<string, string> = {}): void {
  response.writeHead(206, { "content-range": `bytes ${from}-${to}/${SIZE}`, etag: '"1"', ...headers });
  response.end(CONTENTS.subarray(from, to + 1));
}

const isProbe = ([, to]: [number, number]): boolean => to === 0;

function fast(options: HttpDiskOptions = {}): HttpDiskOptions {
  return { sleep: async () => {}, random: () => 0, chunkBytes: 65536, ...options };
}

async function readBytes(disk: Awaited<ReturnType<typeof openHttpDisk>>, offset: number, bytes: number) {
  const buffer = new Uint8Array(bytes);
  await disk.read(offset, [buffer.subarray(0, 100), buffer.subarray(100)]);
  return buffer;
}

describe("an HTTP disk", () => {
  it("reads any range, each chunk once", async () => {
    const asked: string[] = [];
    const url = await serve((request, response, range) => {
      asked.push(String(request.headers.range));
      answer(response, range);
    });
    const disk = await openHttpDisk(url, fast({ readAheadChunks: 0 }));
    expect(disk).toMatchObject({ sizeBytes: 2 ** 20, readOnly: true, discardGranularityBytes: 0, name: url });
    const ranges = [
      [0, 512],
      [65024, 1024],
      [0, 2 ** 20],
      [2 ** 20 - 512, 512],
    ];
    const results = await Promise.all(ranges.map(([offset, bytes]) => readBytes(disk, offset, bytes)));
    ranges.forEach(([offset, bytes], i) => {
      expect(Buffer.compare(results[i], CONTENTS.subarray(offset, offset + bytes))).toBe(0);
    });
    expect(asked.length).toBe(1 + 16);
    expect(new Set(asked).size).toBe(17);
    await expect(disk.write(0, [new Uint8Array(512)])).rejects.toMatchObject({ code: "EROFS" });
    await expect(disk.read(2 ** 20, [new Uint8Array(512)])).rejects.toMatchObject({ code: "EINVAL" });
    await disk.close();
    await expect(disk.read(0, [new Uint8Array(512)])).rejects.toMatchObject({ code: "EBADF" });
  });

  it("fetches ahead of a sequential reader, and forgets what it has not used for long", async () => {
    const asked: number[] = [];
    const url = await serve((_, response, range) => {
      asked.push(range[0] / 65536);
      answer(response, range);
    });
    const disk = await openHttpDisk(url, fast({ readAheadChunks: 2, cacheBytes: 4 * 65536 }));
    asked.length = 0;
    await readBytes(disk, 0, 65536);
    expect(asked).toEqual([0]);
    await readBytes(disk, 65536, 4096);
    await expect.poll(() => asked).toEqual([0, 1, 2, 3]);
    await readBytes(disk, 15 * 65536, 512);
    await readBytes(disk, 0, 512);
    expect(asked).toEqual([0, 1, 2, 3, 15, 0]);
  });

  it("tries again after cut-off bodies, broken connections and errors of the server", async () => {
    let count = 0;
    const url = await serve((request, response, range) => {
      if (isProbe(range)) return answer(response, range);
      count++;
      if (count === 1) response.writeHead(503).end();
      else if (count === 2) request.socket.destroy();
      else if (count === 3) {
        response.writeHead(206, { "content-range": `bytes ${range[0]}-${range[1]}/${SIZE}`, etag: '"1"' });
        response.write(CONTENTS.subarray(range[0], range[0] + 1000), () => response.destroy());
      } else answer(response, range);
    });
    const waits: number[] = [];
    const disk = await openHttpDisk(url, fast({ sleep: async (ms) => void waits.push(ms) }));
    expect(Buffer.compare(await readBytes(disk, 0, 512), CONTENTS.subarray(0, 512))).toBe(0);
    expect(waits).toEqual([125, 250, 500]);
  });

  it("gives up after its tries, with the reason, and tries anew for the next reader", async () => {
    let broken = true;
    const url = await serve((_, response, range) => {
      if (broken && !isProbe(range)) response.writeHead(500).end();
      else answer(response, range);
    });
    const disk = await openHttpDisk(url, fast());
    await expect(disk.read(0, [new Uint8Array(512)])).rejects.toMatchObject({
      code: "EIO",
      message: `Could not read ${url}: the server answered 500 (tried 4 times).`,
    });
    broken = false;
    await disk.read(0, [new Uint8Array(512)]);
  });

  it("takes a server that stops sending for a failed try", async () => {
    let stalled = 0;
    const url = await serve((_, response, range) => {
      if (isProbe(range) || stalled++ > 0) return answer(response, range);
      response.writeHead(206, { "content-range": `bytes ${range[0]}-${range[1]}/${SIZE}`, etag: '"1"' });
      response.write(CONTENTS.subarray(range[0], range[0] + 10));
    });
    const disk = await openHttpDisk(url, fast({ stallMs: 50 }));
    expect(Buffer.compare(await readBytes(disk, 0, 512), CONTENTS.subarray(0, 512))).toBe(0);
  });

  it.each<[string, Handler, string]>([
    ["ignores ranges", (_, response) => response.end(CONTENTS), "ignores ranges"],
    ["answers with another range", (_, response, [from, to]) => answer(response, [from + 1, to + 1]), "was asked for"],
    ["gives no size", (_, response, range) => answer(response, range, { "content-range": "bytes 0-0/*" }), "answered"],
    ["compresses", (_, response, range) => answer(response, range, { "content-encoding": "br" }), "encodes ranges"],
    [
      "sends more than the range",
      (_, response, [from]) => {
        response.writeHead(206, { "content-range": `bytes ${from}-${from}/${SIZE}` }).end(CONTENTS);
      },
      "sent more than",
    ],
    ["has no such file", (_, response) => response.writeHead(404).end(), "does not exist"],
    ["wants a password", (_, response) => response.writeHead(401).end(), "refuses access"],
  ])("is refused when the server %s", async (_, handler, sentence) => {
    const url = await serve(handler);
    await expect(openHttpDisk(url, fast())).rejects.toThrow(sentence);
  });

  it.each<[string, Record<string, string>]>([
    ["its ETag", { etag: '"2"' }],
    ["its size", { "content-range": "" }],
  ])("fails for good when the resource changes %s", async (_, headers) => {
    let changed = false;
    const url = await serve((_request, response, range) => {
      const size = changed && "content-range" in headers ? SIZE + 1 : SIZE;
      answer(response, range, changed ? { ...headers, "content-range": `bytes ${range[0]}-${range[1]}/${size}` } : {});
    });
    const disk = await openHttpDisk(url, fast());
    await disk.read(0, [new Uint8Array(512)]);
    changed = true;
    await expect(disk.read(2 ** 19, [new Uint8Array(512)])).rejects.toThrow(`${url} has changed on the server`);
    changed = false;
    await expect(disk.read(2 ** 19, [new Uint8Array(512)])).rejects.toMatchObject({ code: "EIO" });
  });

  it("fails with a sentence when nobody listens", async () => {
    await expect(openHttpDisk("http://127.0.0.1:1/x", fast())).rejects.toMatchObject({ code: "EIO" });
  });
});
